local helper <const> = require "spec.helper"
local client <const> = require "perigee.http.client"
local json <const> = require "perigee.codec.json"
local rpc <const> = require "perigee.rpc"

-- The programs of documents 000 (11.6) and 004 are in spec/fixtures/documents as they are printed there, but for a typo
-- in an import; spec/fixtures/ports.py runs them with other ports.

local function run_python(name, ports)
  return ("/usr/bin/python3 -u spec/fixtures/ports.py spec/fixtures/documents/%s.py %s"):format(name, ports)
end

--- Serves the script at free ports: the process, and its addresses by their schemes.
local function serve(more)
  local process <const> = helper.start(("%s run --drain 0 scripts/rpc.lua --set rpc.http=http://127.0.0.1:0 " ..
    "--set rpc.msgpack=tcp://127.0.0.1:0 %s"):format(helper.binary, more or ""))
  return process, { http = process:wait_for "listening address=(http://%S+)",
    tcp = process:wait_for "listening address=(tcp://%S+)" }
end

describe("the rpc script", function()
  after_each(function() client.close_idle() end)
  helper.leaves_nothing(before_each, after_each) -- asked behind the above

  it("serves the client of document 000, 11.6, by XML-RPC", function()
    local _ <close>, addresses <const> = serve()
    assert.same({ "['foo', 'spam']\nbar\n", 0 },
      { helper.run(run_python("000_11_6_client", "15000=" .. addresses.http:match "%d+$")) })
  end)

  it("serves the XML-RPC client of document 004", function()
    local _ <close>, addresses <const> = serve()
    assert.same({ "Double 14 is\n", 0 },
      { helper.run(run_python("004_xmlrpc_client", "6789=" .. addresses.http:match "%d+$")) })
  end)

  it("has the same store for Python, JSON-RPC, WebSocket and MessagePack-RPC", function()
    local _ <close>, addresses <const> = serve()
    local remotes <const> = { rpc.connect(addresses.http), rpc.connect(addresses.http, { protocol = "xml" }),
      rpc.connect((addresses.http:gsub("^http", "ws"))), rpc.connect(addresses.tcp) }
    for number, remote in ipairs(remotes) do
      assert.same({ 5, -1, 14.5 }, { remote.add(2, 3), remote.sub(2, 3), remote.double(7.25) })
      assert.is_false(remote.exists "key")
      remote.set("key", { number, { a = "é" }, json.null })
      for _, other in ipairs(remotes) do
        assert.is_true(other.exists "key")
        assert.same({ number, { a = "é" }, json.null }, other.get "key")
        assert.same({ "key" }, other.keys())
      end
      remote.set("key", nil)
      assert.same({ true, nil }, { remote.exists "key", remote.get "key" })
      remote.delete "key"
      assert.same({}, remote.keys())
      assert.same({ nil, "there is no key 'key'", 1, n = 3 }, table.pack(rpc.try(remote, "get", "key")))
      assert.same({ nil, "there is no key 'key'", 1, n = 3 }, table.pack(rpc.try(remote, "delete", "key")))
      assert.equal(-32602, select(3, rpc.try(remote, "add", 2, "3")))
      assert.equal(-32602, select(3, rpc.try(remote, "set", 7, 8)))
      assert.equal(-32602, select(3, rpc.try(remote, "keys", 7)))
    end
    for _, remote in ipairs(remotes) do rpc.close(remote) end
  end)

  it("has no result for integers that are together beyond 64 bits", function()
    local _ <close>, addresses <const> = serve()
    local most <const>, least <const> = math.maxinteger, math.mininteger
    for _, url in ipairs { addresses.http, addresses.tcp } do
      local remote <close> = rpc.connect(url)
      for _, call in ipairs { { "add", most, 1 }, { "add", least, least }, { "sub", least, 1 }, { "sub", 0, least },
        { "double", most }, { "double", least }, { "double", 1 << 62 } } do
        assert.same({ nil, "the result is an integer of more than 64 bits", -32602, n = 3 },
          table.pack(rpc.try(remote, table.unpack(call))))
      end
      assert.same({ most, least, least, most - 1, -1, 2.0 ^ 64 }, { remote.add(most - 1, 1), remote.sub(-1, most),
        remote.double(-1 << 62), remote.double(most >> 1), remote.add(most, least), remote.add(2.0 ^ 63, 2.0 ^ 63) })
      local infinite <const> = url == addresses.tcp and remote.add(math.huge, 1)
      assert.is_true(not infinite or infinite == math.huge)
    end
  end)

  it("has the same store at all workers", function()
    local process <close>, addresses <const> = serve "--workers 2"
    for number = 1, 10 do
      local remote <close> = rpc.connect(addresses.tcp) -- at whatever worker
      remote.set("key " .. number, number)
      for before = 1, number do assert.equal(before, remote.get("key " .. before)) end
    end
    process:signal "TERM"
    process:wait()
  end)

  it("has a store that is durable where its option says so", function()
    local directory <close> = helper.directory {}
    local setting <const> = ("--set rpc.store=local:%s"):format(directory)
    for number = 1, 2 do
      local process <close>, addresses <const> = serve(setting)
      local remote <close> = rpc.connect(addresses.http)
      assert.equal(number == 2, remote.exists "key")
      if number == 1 then remote.set("key", { 1, "two" }) else assert.same({ 1, "two" }, remote.get "key") end
      process:signal "KILL"
      process:wait()
    end
  end)

  it("says which key is too long", function()
    local _ <close>, addresses <const> = serve()
    local remote <close> = rpc.connect(addresses.http)
    local _ <const>, message <const>, code <const> = rpc.try(remote, "set", ("k"):rep(1000), 1)
    assert.equal(1, code)
    assert.equal("a key of 1000 bytes: at most 498 can be kept", message)
  end)

  it("keeps its data when it is reloaded", function()
    local control <const> = helper.temporary_name()
    local _ <close>, addresses <const> = serve("--control " .. control)
    local remote <close> = rpc.connect(addresses.http)
    remote.set("key", { 1, "two" })
    local output <const>, status <const> = helper.run(("%s reload --control %s"):format(helper.binary, control))
    assert.equal(0, status, output)
    assert.same({ 1, "two" }, remote.get "key")
  end)

  it("shows what it can to Python, curl and a browser", function()
    local _ <close>, addresses <const> = serve()
    assert.same({ "['add', 'delete', 'double', 'exists', 'get', 'keys', 'set', 'sub']\nTwice a number.\n[5, 14]\n", 0 },
      { helper.python([==[
import sys
from xmlrpc.client import MultiCall, ServerProxy
s = ServerProxy(sys.argv[1])
print([name for name in s.system.listMethods() if '.' not in name])
print(s.system.methodHelp('double'))
calls = MultiCall(s)
calls.add(2, 3)
calls.double(7)
print(list(calls()))
]==], addresses.http) })
    local page <const> = helper.run(("curl -sS -m 20 -H 'Accept: text/html' %s"):format(addresses.http))
    assert.matches("<dt><code>add%(x, y%)</code></dt>\n<dd>The sum of two numbers.</dd>", page)
    local output <const>, status <const> = helper.run(([[curl -sS -m 20 -d %s %s]]):format(
      [['{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}']], addresses.http))
    assert.same({ '{"jsonrpc":"2.0","result":5,"id":1}', 0 }, { output, status })
  end)
end)

describe("rpc.connect", function()
  after_each(function() client.close_idle() end)
  helper.leaves_nothing(before_each, after_each) -- asked behind the above

  it("calls the server of document 000, 11.6", function()
    local process <close> = helper.start(run_python("000_11_6_server", "15000=0"))
    local remote <close> = rpc.connect("http://localhost:" .. process:wait_for "port (%d+)", { protocol = "xml" })
    remote.set("foo", "bar")
    remote.set("spam", { 1, 2, 3 })
    remote.set("none", nil)
    assert.same({ "foo", "spam", "none" }, remote.keys())
    assert.same({ "bar", { 1, 2, 3 }, nil, true }, { remote.get "foo", remote.get "spam", remote.get "none",
      remote.exists "none" })
    remote.delete "foo"
    assert.is_false(remote.exists "foo")
    assert.same({ nil, "<class 'KeyError'>:'foo'", 1, n = 3 }, table.pack(rpc.try(remote, "get", "foo")))
  end)

  it("calls the XML-RPC server of document 004", function()
    local process <close> = helper.start(run_python("004_xmlrpc_server", "6789=0"))
    local remote <close> = rpc.connect("http://localhost:" .. process:wait_for "port (%d+)", { protocol = "xml" })
    assert.same({ 14, "xx" }, { remote.double(7), remote.double "x" })
  end)
end)
