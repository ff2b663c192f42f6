local buffer <const> = require "perigee.buffer"
local certificates <const> = require "spec.fixtures.certificates"
local helper <const> = require "spec.helper"
local client <const> = require "perigee.http.client"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"
local websocket_client <const> = require "perigee.rpc.websocket_client"
local timestamp <const> = require "perigee.codec.timestamp"

local gate, noted = task.channel(0), {}

local api <const> = rpc.service {
  add = function(x, y) return x + y end,
  echo = function(...) return ... end,
  count = function(...) return select("#", ...) end,
  note = function(what) noted[#noted + 1] = what end,
  wait = function() return (gate:receive()) end,
  refuse = function() error(rpc.fault(404, "no such item", { item = 7 })) end,
  fail = function() return nothing.here end, -- luacheck: ignore
  math = { sub = function(x, y) return x - y end },
}

describe("rpc.connect", function()
  before_each(function()
    gate, noted = task.channel(0), {}
    log.configure { write = function() end }
  end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end }
    client.close_idle()
    gate:close()
  end)
  helper.leaves_nothing(before_each, after_each) -- asked behind the above

  local function serve(options)
    local server <const> = assert(http.serve("http://127.0.0.1:0", api:app(), options))
    return server, "127.0.0.1:" .. server.address.port
  end

  local kinds <const> = {
    { name = "JSON-RPC", scheme = "http://" }, { name = "XML-RPC", scheme = "http://", protocol = "xml" },
    { name = "JSON-RPC over WebSocket", scheme = "ws://" },
  }

  for _, kind in ipairs(kinds) do
    local function connect(address, options)
      options = options or {}
      options.protocol = kind.protocol
      return rpc.connect(kind.scheme .. address, options)
    end

    describe("by " .. kind.name, function()
      it("calls methods", function()
        local _ <close>, address <const> = serve()
        local remote <close> = connect(address)
        assert.equal(5, remote.add(2, 3))
        assert.equal(-1, remote.math.sub(2, 3))
        assert.equal(3, remote.count(1, nil, nil))
        assert.equal(0, remote.count())
        assert.is_nil(remote.echo(nil))
        for _, value in ipairs { "", "a <é> &", 1, -1.5, 1 << 40, true, false, { 1, "a", { b = {} } },
          json.array {} } do
          assert.same(value, remote.echo(value))
        end
        assert.same({ 1, json.null }, remote.echo { 1, json.null })
      end)

      it("raises faults, and failures when there is no answer", function()
        local server <const>, address <const> = serve()
        local remote <close> = connect(address)
        local ok, failure = pcall(remote.refuse)
        assert.is_false(ok)
        assert.is_true(rpc.is_fault(failure))
        assert.same({ 404, "no such item" }, { failure.code, failure.message })
        assert.same(kind.protocol ~= "xml" and { item = 7 } or nil, failure.data)
        assert.same({ nil, "internal error", -32603, n = 3 }, table.pack(rpc.try(remote, "fail")))
        assert.same({ nil, "there is no method none", -32601, n = 3 }, table.pack(rpc.try(remote, "none")))
        server:close()
        local late <close> = connect(address)
        ok, failure = pcall(late.add, 2, 3)
        assert.is_false(ok)
        assert.is_false(rpc.is_fault(failure))
        assert.equal("refused", failure.code)
        assert.matches("^call add[ :].*127%.0%.0%.1", failure.message)
      end)

      it("raises for arguments that cannot be sent", function()
        local remote <close> = connect "127.0.0.1:1"
        local _, message <const> = pcall(remote.echo, { f = print })
        assert.matches("cannot encode a function at param[eters]*%[1%]%.f", message)
      end)

      it("makes calls without waiting for an answer", function()
        local _ <close>, address <const> = serve()
        local remote <close> = connect(address)
        assert.is_true(rpc.notify(remote, "note", "heard"))
        assert.is_true(rpc.notify(remote, "fail"))
        helper.eventually(function() return noted[1] == "heard" end)
      end)

      it("gives up after the time of a call", function()
        local _ <close>, address <const> = serve()
        local remote <close> = connect(address, { timeout = 0.05 })
        local _, message <const>, code <const> = rpc.try(remote, "wait")
        assert.matches("^call wait.*127%.0%.0%.1", message)
        assert.equal("timeout", code)
        local hasty <close> = connect(address)
        assert.equal("timeout", select(3, task.deadline(0.05, rpc.try, hasty, "wait")))
        assert.equal(5, hasty.add(2, 3))
      end)

      it("makes calls of many tasks at once", function()
        local _ <close>, address <const> = serve()
        local remote <close> = connect(address)
        local results <const> = {}
        task.group(function(group)
          for i = 1, 20 do
            group:spawn(function() results[i] = remote.wait() end)
            group:spawn(function() assert(remote.add(i, 1) == i + 1) end)
          end
          helper.eventually(function() return #gate.receivers == 20 end)
          for i = 1, 20 do gate:send(i) end
        end)
        table.sort(results)
        assert.same({ 20, 1, 20 }, { #results, results[1], results[20] })
      end)

      it("verifies servers, and is verified", function()
        local tls <const> = certificates.of "localhost"
        tls.ca = certificates.path "ca.crt"
        local server <close> = assert(http.serve("https://127.0.0.1:0", api:app(), { tls = tls }))
        local scheme <const> = kind.scheme:gsub("://", "s://")
        local function call_with(given)
          local remote <close> = rpc.connect(("%slocalhost:%d"):format(scheme, server.address.port),
            { protocol = kind.protocol, tls = given })
          return rpc.try(remote, "add", 2, 3)
        end
        assert.equal(5, (call_with(certificates.trusting "alice")))
        assert.equal("tls", select(3, call_with { ca = certificates.path "other_ca.crt" }))
      end)

      it("says that an answer is none, or too long", function()
        local app <const> = http.app()
        local text, status = "x", 200
        app:post("/{path...}", function() return http.response(status, text) end)
        app:post("/", function() return http.response(status, text) end)
        app:websocket("/", function(socket)
          for _ in socket:messages() do socket:send(text) end
        end)
        local server <close> = assert(http.serve("http://127.0.0.1:0", app))
        local remote <close> = connect("127.0.0.1:" .. server.address.port, { limit = 10000 })
        local function try()
          local result <const>, message <const>, code <const> = rpc.try(remote, "add", 2, 3)
          assert.is_nil(result)
          assert.matches("^call add", message)
          return code, message
        end
        for _, body in ipairs { "x", "", "{}", "[]", "7", "null", '{"id":1}', '{"id":1,"error":{}}', "<value/>",
          '{"id":1,"error":7}', '{"jsonrpc":"2.0","result":7}', "<methodResponse/>" } do
          text = body
          assert.equal("protocol", (try()))
        end
        text = ("x"):rep(10001)
        assert.is_truthy(({ limit = true, protocol = true })[try()])
        if kind.scheme == "http://" then
          text, status = "gone", 404
          assert.same({ "refused", true }, { try(), select(2, try()):find "the server answers 404" ~= nil })
        end
      end)

      it("is closed", function()
        local _ <close>, address <const> = serve()
        local remote <const> = connect(address)
        assert.equal(5, remote.add(2, 3))
        rpc.close(remote)
        rpc.close(remote)
        assert.equal("closed", select(3, rpc.try(remote, "add", 2, 3)))
        assert.equal("closed", select(3, rpc.notify(remote, "add", 2, 3)))
      end)
    end)
  end

  describe("by WebSocket", function()
    --- Serves one socket after the other with f(socket, number).
    local function serve_socket(f)
      local count = 0
      local app <const> = http.app():websocket("/", function(socket)
        count = count + 1
        f(socket, count)
      end)
      local server <const> = assert(http.serve("http://127.0.0.1:0", app))
      return server, ("ws://127.0.0.1:%d/"):format(server.address.port)
    end

    local function result(id, value)
      return json.encode { jsonrpc = "2.0", id = id, result = value }
    end

    it("gives each caller its own answer, in whatever order they come", function()
      local _ <close>, url <const> = serve_socket(function(socket)
        local calls <const> = {}
        for text in socket:messages() do
          table.insert(calls, 1, json.decode(text))
          if #calls == 10 then
            for _, call in ipairs(calls) do socket:send(result(call.id, call.params[1])) end
          end
        end
      end)
      local remote <close> = rpc.connect(url)
      local seen = 0
      task.group(function(group)
        for i = 1, 10 do
          group:spawn(function()
            assert.equal("call " .. i, remote.any("call " .. i))
            seen = seen + 1
          end)
        end
      end)
      assert.equal(10, seen)
    end)

    it("drops answers that nobody waits for any more", function()
      local _ <close>, url <const> = serve_socket(function(socket)
        socket:receive()
        local late <const> = json.decode((socket:receive())).id
        for text in socket:messages() do
          socket:send(result(late, "late"))
          socket:send(result(12345, "unasked"))
          socket:send(result(json.decode(text).id, "right"))
        end
      end)
      local remote <close> = websocket_client.connect(url)
      assert(remote:notify("before", { n = 0 }))
      assert.equal("timeout", select(3, remote:call("first", { n = 0 }, 0.01)))
      assert.same({ true, "right" }, { remote:call("second", { n = 0 }) })
    end)

    it("fails the calls that were under way when the connection breaks, and connects anew", function()
      local _ <close>, url <const> = serve_socket(function(socket, number)
        for text in socket:messages() do
          if number == 1 then
            if json.decode(text).method == "last" then return socket:close() end
          else
            socket:send(result(json.decode(text).id, number))
          end
        end
      end)
      local remote <close> = rpc.connect(url)
      local codes <const> = {}
      task.group(function(group)
        for i = 1, 5 do
          group:spawn(function() codes[i] = select(3, rpc.try(remote, "any")) end)
        end
        task.sleep(0)
        codes[6] = select(3, rpc.try(remote, "last"))
      end)
      assert.same({ "closed", "closed", "closed", "closed", "closed", "closed" }, codes)
      assert.equal(2, remote.any())
    end)

    it("notices that the server has gone before a call is lost to it", function()
      local server <close>, url <const> = serve_socket(function(socket, number)
        for text in socket:messages() do
          socket:send(result(json.decode(text).id, number))
          if number == 1 then return end
        end
      end)
      local remote <close> = websocket_client.connect(url)
      assert.same({ true, 1 }, { remote:call("any", { n = 0 }) })
      helper.eventually(function() return server:active() == 0 end)
      remote.link.used = remote.link.used - 2 -- it looks after a second without calls
      assert.same({ true, 2 }, { remote:call("any", { n = 0 }) })
    end)

    it("waits longer after each attempt that failed, and fails at once when the time is too short for that", function()
      local attempts = 0
      local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
        attempts = attempts + 1
        conn:read_until "\r\n\r\n"
        conn:write "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
      end))
      local remote <close> = websocket_client.connect("ws://127.0.0.1:" .. server.address.port)
      local pauses <const> = {}
      for i = 1, 5 do
        assert.same({ "refused", i }, { select(3, remote:call("any", { n = 0 })), attempts })
        pauses[i] = remote.failed.until_ - task.now()
      end
      assert.is_true(pauses[5] > 0.3 and pauses[5] > 4 * pauses[1])
      local _, message <const>, code <const> = remote:call("any", { n = 0 }, 0.0001)
      assert.matches("the server answers 503$", message)
      assert.same({ "refused", 5 }, { code, attempts })
    end)

    it("tells all who wait for a connection how the attempt ended", function()
      local attempts = 0
      local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
        attempts = attempts + 1
        conn:read_until "\r\n\r\n"
        conn:write "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
      end))
      local remote <close> = rpc.connect("ws://127.0.0.1:" .. server.address.port)
      local failed = 0
      task.group(function(group)
        for _ = 1, 20 do
          group:spawn(function()
            assert(select(3, rpc.try(remote, "any")) == "refused")
            failed = failed + 1
          end)
        end
      end)
      assert.same({ 20, 1 }, { failed, attempts })
    end)

    it("fails the calls that wait when it is closed", function()
      local _ <close>, url <const> = serve_socket(function(socket) socket:receive() socket:receive() end)
      local remote <const> = rpc.connect(url)
      local code
      task.group(function(group)
        group:spawn(function() code = select(3, rpc.try(remote, "any")) end)
        helper.eventually(function() return rpc.notify(remote, "note") end)
        rpc.close(remote)
      end)
      assert.equal("closed", code)
    end)

    it("fails the calls when the server could not read one", function()
      local _ <close>, url <const> = serve_socket(function(socket)
        socket:receive()
        socket:send '{"jsonrpc":"2.0","error":{"code":-32700,"message":"nonsense"},"id":null}'
        socket:receive()
      end)
      local remote <close> = rpc.connect(url)
      local _, message <const>, code <const> = rpc.try(remote, "any")
      assert.equal("protocol", code)
      assert.matches("the server could not read a call: nonsense$", message)
    end)
  end)

  it("calls over a Unix socket", function()
    local path <const> = helper.temporary_name()
    local server <close> = assert(http.serve("unix:" .. path, api:app()))
    for _, protocol in ipairs { "json", "xml" } do
      local remote <close> = rpc.connect("http://localhost/", { protocol = protocol, unix = path })
      assert.equal(5, remote.add(2, 3))
    end
    assert.is_truthy(server)
  end)

  it("calls Python's SimpleXMLRPCServer", function()
    local directory <close> = helper.directory { ["server.py"] = [[
import datetime
from xmlrpc.server import SimpleXMLRPCServer
from xmlrpc.client import Binary, DateTime, Fault

server = SimpleXMLRPCServer(('127.0.0.1', 0), logRequests=False, allow_none=True, use_builtin_types=True)
server.register_introspection_functions()
server.register_multicall_functions()

def refuse(): raise Fault(404, 'no such <item>')
def kinds(*values): return [type(value).__name__ for value in values]

for function in (refuse, kinds, pow): server.register_function(function)
server.register_function(lambda *values: list(values), 'echo')
server.register_function(lambda: Binary(bytes(range(256))), 'bytes')
server.register_function(lambda: datetime.datetime(1998, 7, 17, 14, 8, 55), 'time')
print('port', server.server_address[1], flush=True)
server.serve_forever()
]] }
    local process <close> = helper.start("/usr/bin/python3 " .. tostring(directory) .. "/server.py")
    local address <const> = "http://127.0.0.1:" .. process:wait_for "port (%d+)"
    for _, path in ipairs { "", "/", "/RPC2" } do
      local remote <close> = rpc.connect(address .. path, { protocol = "xml" })
      assert.equal(1024, remote.pow(2, 10))
    end
    local remote <close> = rpc.connect(address, { protocol = "xml" })
    local time <const> = timestamp.new(900684535, 0)
    local values <const> = { 1, -1.5, "é <&>\n", true, { 1, { a = "b" } }, { k = "\0\xff" }, (1 << 31) - 1, time, {} }
    assert.same(values, remote.echo(table.unpack(values)))
    assert.same({ "int", "float", "str", "bool", "list", "dict", "bytes", "datetime", "NoneType", "bytes" },
      remote.kinds(1, 1.0, "x", true, { 1 }, {}, "\0", time, nil, buffer.from "abc"))
    assert.same({ 256, time }, { #remote.bytes(), remote.time() })
    assert.same({ nil, "no such <item>", 404, n = 3 }, table.pack(rpc.try(remote, "refuse")))
    assert.same({ nil, "<class 'TypeError'>:unsupported operand type(s) for ** or pow(): 'str' and 'int'", 1, n = 3 },
      table.pack(rpc.try(remote, "pow", "x", 1)))
    assert.equal(1, select(3, rpc.try(remote, "none")))
    assert.same({ { 8 }, { { 1, "a" } } }, remote.system.multicall { { methodName = "pow", params = { 2, 3 } },
      { methodName = "echo", params = { 1, "a" } } })
    assert.same({ "bytes", "echo", "kinds", "pow", "refuse", "system.listMethods", "system.methodHelp",
      "system.methodSignature", "system.multicall", "time" }, remote.system.listMethods())
    local raw <close> = rpc.connect(address, { protocol = "xml", binary = "buffer" })
    assert.equal("u8", raw.bytes().type)
  end)

  it("calls the JSON-RPC server of Python's jsonrpclib, and its client calls ours", function()
    local directory <close> = helper.directory { ["server.py"] = [[
from jsonrpclib.SimpleJSONRPCServer import SimpleJSONRPCServer

server = SimpleJSONRPCServer(('127.0.0.1', 0), logRequests=False)
server.register_function(pow)
server.register_function(lambda *values: list(values), 'echo')
print('port', server.server_address[1], flush=True)
server.serve_forever()
]], ["client.py"] = [[
import sys, jsonrpclib
server = jsonrpclib.ServerProxy(sys.argv[1])
assert server.add(2, 3) == 5 and server.add(x=2, y=3) == 5 and server.math.sub(2, 3) == -1
assert server.echo([1, None, {'a': []}, 'é', 1.5]) == [1, None, {'a': []}, 'é', 1.5]
batch = jsonrpclib.MultiCall(server)
batch.add(1, 2)
batch._notify.note('heard')
batch.add(3, 4)
assert list(batch()) == [3, 7]
try:
    server.refuse()
except jsonrpclib.ProtocolError as error:
    print(error)
]] }
    local process <close> = helper.start("/usr/bin/python3 " .. tostring(directory) .. "/server.py")
    local remote <close> = rpc.connect("http://127.0.0.1:" .. process:wait_for "port (%d+)")
    assert.equal(1024, remote.pow(2, 10))
    assert.same({ 1, "a", json.null, { b = json.array {} } }, remote.echo(1, "a", nil, { b = json.array {} }))
    assert.equal(-32602, select(3, rpc.try(remote, "pow")))
    assert.equal(-32601, select(3, rpc.try(remote, "none")))
    assert.is_true(rpc.notify(remote, "echo", 1))
    local server <close>, address <const> = serve()
    assert.is_truthy(server)
    local output <const>, status <const> = helper.run(("/usr/bin/python3 %s/client.py http://%s"):format(directory,
      address))
    assert.same({ 0, { "heard" } }, { status, noted })
    assert.matches("404.*no such item", output)
  end)
end)
