local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"

local function new(arguments)
  return helper.run(helper.binary .. " new " .. arguments)
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

--- Makes a service in a directory, and runs it at a free port.
local function serve(directory, kind, more)
  local scheme <const> = ({ tcp = "tcp", udp = "udp" })[kind] or "http"
  local output <const>, status <const> = new(("%s it --directory %s"):format(kind, directory))
  assert.equal(0, status, output)
  return helper.serve(("%s/it.lua --set it.listen=%s://127.0.0.1:0 %s"):format(directory, scheme, more or ""))
end

describe("perigee new", function()
  helper.leaves_nothing(before_each, after_each)

  for _, kind in ipairs { "tcp", "udp", "http", "websocket", "rpc" } do
    it("makes a service of " .. kind .. " and its spec, and prints the commands that run them", function()
      local directory <close> = helper.directory { ["a"] = "" }
      local output <const>, status <const> = helper.run(("cd %s && %s new %s my-service"):format(directory,
        helper.binary, kind))
      assert.equal(0, status)
      assert.matches("^made my%-service.lua and spec/my%-service_spec.lua\n", output)
      assert.matches("\n  perigee run my%-service.lua %-%-watch +# ", output)
      assert.matches("\ntry: %S", output)
      assert.same({ "my-service.lua: ok\n", 0 },
        { helper.run(("cd %s && %s check my-service.lua"):format(directory, helper.binary)) })
      local command <const> = output:match "\n  perigee (test spec/my%-service_spec.lua) +#"
      local tested <const>, result <const> = helper.run(("cd %s && %s %s"):format(directory, helper.binary, command))
      assert.equal(0, result, tested)
      assert.matches("%d successes / 0 failures / 0 errors", tested)
      for _, name in ipairs { "my-service.lua", "spec/my-service_spec.lua" } do
        local text <const> = read(tostring(directory) .. "/" .. name)
        assert.is_nil(text:find "{{", name)
        for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 120, line) end
      end
    end)
  end

  it("has a TCP service that nc talks to", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local _ <close>, _ <const>, port <const> = serve(directory, "tcp")
    assert.same({ "Hello. Say a line, or quit.\n1: ONE\n2: TWO\n", 0 },
      { helper.run("printf 'one\\ntwo\\nquit\\n' | nc -q1 127.0.0.1 " .. port) })
  end)

  it("has a UDP service that nc talks to", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local _ <close>, _ <const>, port <const> = serve(directory, "udp")
    assert.same({ "1: hi, 127.0.0.1\n", 0 }, { helper.run("echo hi | nc -u -w1 127.0.0.1 " .. port) })
  end)

  it("has an HTTP service that curl talks to", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local _ <close>, address <const> = serve(directory, "http")
    local function curl(arguments, path)
      return (helper.run(("curl -sS -w ' %%{http_code}' %s %s%s"):format(arguments, address, path)))
    end
    assert.equal("it has 0 notes\n 200", curl("", "/"))
    assert.equal("[] 200", curl("", "/notes"))
    assert.matches('"text":"hello".* 201$', curl([[-d '{"text":"hello"}']], "/notes"))
    assert.matches('^%[{.*"text":"hello".*}%] 200$', curl("", "/notes"))
    assert.matches('^{.*"id":1.*} 200$', curl("", "/notes/1"))
    for _, id in ipairs { "2", "0", "-1", "x", "nan", "1x" } do assert.matches(" 404$", curl("", "/notes/" .. id)) end
    for body, status in pairs { ["{"] = 400, ["[]"] = 422, ["null"] = 422, ['{"text":null}'] = 422 } do
      assert.matches(" " .. status .. "$", curl(("-d '%s'"):format(body), "/notes"))
    end
  end)

  it("has a WebSocket service that Python talks to, and a page", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local _ <close>, address <const>, port <const> = serve(directory, "websocket")
    assert.same({ "hello\nhello\nhello\n", 0 }, { helper.python([[
import asyncio, sys, websockets
url = 'ws://127.0.0.1:%s/socket' % sys.argv[1]
async def main():
    async with websockets.connect(url) as ann, websockets.connect(url) as bob:
        await ann.send(b'no text: nobody hears it')
        await ann.send('hello')
        print(await ann.recv(), await bob.recv(), sep='\n')
        async with websockets.connect(url) as late: print(await late.recv())
asyncio.run(asyncio.wait_for(main(), 20))
]], tostring(port)) })
    assert.matches("<title>it</title>", (helper.run("curl -sS " .. address)))
  end)

  it("has an RPC service that does what the specification of JSON-RPC 2.0 shows, and XML-RPC", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local _ <close>, _ <const>, port <const> = serve(directory, "rpc")
    local output <const>, status <const> = helper.python([==[
import json, sys, urllib.request
def post(body):
    request = urllib.request.Request('http://127.0.0.1:%s/' % sys.argv[1], body.encode())
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        if answer.status == 204: return None
        assert answer.status == 200 and answer.headers['Content-Type'] == 'application/json'
        return json.loads(text)
def check(body, expected):
    answer = post(body)
    def simple(one): # the words of an error are free
        if 'error' not in one: return one
        assert set(one) == {'jsonrpc', 'error', 'id'} and one['error']['message']
        return (one['error']['code'], one['id'])
    simplified = [simple(one) for one in answer] if isinstance(answer, list) else answer and simple(answer)
    if simplified != expected: print(body, answer)
def result(value, id): return {'jsonrpc': '2.0', 'result': value, 'id': id}
check('{"jsonrpc": "2.0", "method": "add", "params": [42, -23], "id": 1}', result(19, 1))
check('{"jsonrpc": "2.0", "method": "add", "params": [-23, 42], "id": 2}', result(19, 2))
check('{"jsonrpc": "2.0", "method": "add", "params": {"y": 23, "x": 42}, "id": 3}', result(65, 3))
check('{"jsonrpc": "2.0", "method": "add", "params": {"x": 0.5, "y": 42}, "id": "four"}', result(42.5, 'four'))
check('{"jsonrpc": "2.0", "method": "add", "params": [1,2,3,4,5]}', None)
check('{"jsonrpc": "2.0", "method": "foobar"}', None)
check('{"jsonrpc": "2.0", "method": "add"}', None)
check('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}', (-32601, '1'))
check('{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]', (-32700, None))
check('', (-32700, None))
check('{"jsonrpc": "2.0", "method": 1, "params": "bar"}', (-32600, None))
check('[{"jsonrpc": "2.0", "method": "add", "params": [1,2], "id": "1"}, {"jsonrpc": "2.0", "method"]', (-32700, None))
check('[]', (-32600, None))
check('[1]', [(-32600, None)])
check('[1,null,[]]', [(-32600, None)] * 3)
for body in 'null', '7', '"add"', '{}', 'false': check(body, (-32600, None))
check('{"jsonrpc": "1.0", "method": "add", "id": 1}', (-32600, None))
check('{"jsonrpc": "2.0", "method": "add", "params": 7, "id": 1}', (-32600, None))
check('{"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": [1]}', (-32600, None))
check('{"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": null}', result(3, None))
for params in '[]', '{}', '[1]', '["1", "2"]', '[1, null]', '{"x": 1}':
    check('{"jsonrpc": "2.0", "method": "add", "params": %s, "id": 1}' % params, (-32602, 1))
check('{"jsonrpc": "2.0", "method": "add", "params": [1e308, 1e308], "id": 1}', (-32603, 1)) # infinity is no JSON
check('''[{"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": "1"},
  {"jsonrpc": "2.0", "method": "add", "params": [7, 0]}, {"foo": "boo"},
  {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
  {"jsonrpc": "2.0", "method": "add", "params": [4, 5], "id": "9"}]''',
  [result(3, '1'), (-32600, None), (-32601, '5'), result(9, '9')])
check('[{"jsonrpc": "2.0", "method": "add", "params": [1, 2]}, {"jsonrpc": "2.0", "method": "count"}]', None)
from xmlrpc.client import Fault, ServerProxy
with ServerProxy('http://127.0.0.1:' + sys.argv[1]) as proxy:
    assert proxy.add(2, 3) == 5 and proxy.count() > 5
    try: print(proxy.add('two', 3))
    except Fault as fault: assert fault.faultCode == -32602, fault
print('checked')
]==], tostring(port))
    assert.same({ "checked\n", 0 }, { output, status })
  end)

  it("makes services that keep their state when vim saves them under --watch", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local process <close>, address <const> = serve(directory, "tcp", "--watch")
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    conn:read_line()
    conn:write "One\n"
    assert.equal("1: ONE", conn:read_line())
    local output <const>, status <const> = helper.run(
      ("cd %s && vim -es -u NONE -c '%%s/upper/lower/' -c wq it.lua < /dev/null"):format(directory))
    assert.equal(0, status, output)
    process:wait_for "reloaded"
    conn:write "Two\n"
    assert.equal("2: two", conn:read_line())
  end)

  it("makes them in a directory, which it makes, and says where", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local place <const> = tostring(directory) .. "/our services"
    for _, name in ipairs { "one", "two" } do
      local output <const>, status <const> = new(("tcp %s --directory '%s/'"):format(name, place))
      assert.equal(0, status, output)
      assert.equal(("made %s/%s.lua and %s/spec/%s_spec.lua"):format(place, name, place, name), output:match "^[^\n]*")
      local command <const> = output:match "\n  perigee (test .-) +#"
      assert.equal(("test '%s/spec/%s_spec.lua'"):format(place, name), command)
      assert.matches("\n3 successes / 0 failures / 0 errors", (helper.run(helper.binary .. " " .. command)))
    end
  end)

  for _, present in ipairs { "it.lua", "spec/it_spec.lua" } do
    it("does not write over " .. present .. ", and makes nothing beside it", function()
      local directory <close> = helper.directory { [present] = "precious" }
      local path <const> = tostring(directory) .. "/" .. present
      local other <const> = tostring(directory) .. "/" .. (present == "it.lua" and "spec/it_spec.lua" or "it.lua")
      assert.same({ ("perigee: %s is there already: remove it first, or choose another name\n"):format(path), 1 },
        { new("http it --directory " .. tostring(directory)) })
      assert.equal("precious", read(path))
      assert.is_nil(system.file_kind(other))
    end)
  end

  it("refuses what is no name, and says what one is", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local said <const> = "perigee: a name has 1 to 64 letters, digits, - and _, and begins with a letter, not '%s'\n"
    for _, name in ipairs { "", "7up", "_x", "a b", "a/b", "../a", "a.b", "b\195\188cher", "a=b", "a\nb",
      ("x"):rep(65) } do
      assert.same({ said:format(name), 1 }, { new(("tcp '%s' --directory %s"):format(name, directory)) })
    end
    assert.same({ "perigee: a name is without .lua: 'shop'\n", 1 },
      { new("tcp shop.lua --directory " .. tostring(directory)) })
    assert.same({ "a" }, system.list(tostring(directory)))
  end)

  it("refuses kinds that there are not, and a name that is missing", function()
    assert.same({ "perigee: KIND: tcp or udp or http or websocket or rpc expected, got 'htpp' (did you mean 'http'?)\n",
      2 }, { new "htpp it" })
    assert.same({ "perigee: NAME is missing\n", 2 }, { new "http" })
    assert.same({ "perigee: KIND is missing\n", 2 }, { new "" })
  end)

  it("says where it cannot write", function()
    assert.same({ "perigee: make the directory /nowhere/at/all: No such file or directory\n", 1 },
      { new "tcp it --directory /nowhere/at/all" })
    local directory <close> = helper.directory { ["a"] = "", ["b/spec"] = "a file" }
    local path <const> = tostring(directory)
    assert.same({ ("perigee: make the directory %s/a: File exists\n"):format(path), 1 },
      { new(("tcp it --directory %s/a"):format(path)) })
    assert.same({ ("perigee: make the directory %s/b/spec: File exists\n"):format(path), 1 },
      { new(("tcp it --directory %s/b"):format(path)) })
  end)
end)

describe("perigee.testing", function()
  helper.leaves_nothing(before_each, after_each)

  local testing <const> = require "perigee.testing"

  it("runs a script at the address that it is given, until it is closed", function()
    local service <close> = testing.run("scripts/echo.lua", { listen = { "tcp://127.0.0.1:0", "udp://127.0.0.1:0" } })
    assert.equal("tcp://127.0.0.1:" .. service.port, service.address)
    assert.equal("service: scripts/echo.lua (" .. service.address .. ")", tostring(service))
    do
      local conn <close> = assert(net.connect(service.address))
      conn:write "hi"
      assert.equal("hi", (conn:read(2)))
    end
    assert.equal(0, service:close())
    assert.is_nil(service:close())
    assert.equal("refused", select(3, net.connect(service.address)))
  end)

  it("waits for what the script prints and logs", function()
    local directory <close> = helper.directory { ["it.lua"] = [[
      local net <const> = require "perigee.net"
      net.serve(require "perigee.service".options { listen = "" }.listen, function(conn)
        print("heard " .. conn:read_line())
        error "no more"
      end)]] }
    local service <close> = testing.run(tostring(directory) .. "/it.lua", { listen = "tcp://127.0.0.1:0" })
    local conn <close> = assert(net.connect(service.address))
    conn:write "this\n"
    assert.equal("this", (service:wait_for "heard (%w+)"))
    service:wait_for "it.lua:4: no more"
    local ok <const>, message <const> = pcall(service.wait_for, service, "never", 0.001)
    assert.is_false(ok)
    assert.matches("it.lua: no 'never' in its output:\n.*heard this", message)
  end)

  it("raises what a script says that does not load, and where there is none", function()
    local directory <close> = helper.directory { ["it.lua"] = "local x =" }
    assert.error_matches(function() testing.run(tostring(directory) .. "/it.lua") end,
      "it.lua:1: unexpected symbol near <eof>")
    assert.error_matches(function() testing.run "/nowhere/it.lua" end, "/nowhere/it.lua: No such file or directory")
    assert.error_matches(function() testing.run() end, "bad argument 'script' %(a path expected%)")
  end)
end)
