local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local connection <const> = require "perigee.connection"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local pickle <const> = require "perigee.codec.pickle"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

local gate = task.channel(0)

local api <const> = rpc.service {
  add = function(x, y) return x + y end,
  echo = function(...) return ... end,
  yes = function() return true end,
  no = function() return false end,
  wait = function() return (gate:receive()) end,
  refuse = function() error(rpc.fault(404, "no such item", { item = 7 })) end,
  expect = function() return nil, "not today", "limit" end,
  fail = function() return nothing.here end, -- luacheck: ignore
  unsendable = function() return print end,
  math = { sub = function(x, y) return x - y end },
}

local KEY <const> = "peekaboo"

describe("remote calls over connections", function()
  helper.leaves_nothing(before_each, after_each)

  local lines
  before_each(function()
    gate, lines = task.channel(0), {}
    log.configure { write = function(line) lines[#lines + 1] = line end }
  end)
  after_each(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  local function serve(options)
    local servers <const> = assert(api:serve { connection = { "tcp://127.0.0.1:0", authkey = KEY }, options = options })
    return servers.connection, tostring(servers.connection.address)
  end

  local function connect(url, options)
    options = options or {}
    options.protocol, options.authkey = "connection", KEY
    return rpc.connect(url, options)
  end

  for _, codec in ipairs { "pickle", "json" } do
    it("call methods by proxies, in " .. codec, function()
      local server <close>, url <const> = serve()
      local remote <close> = connect(url, { codec = codec })
      assert.same({ 5, -1, true, false }, { remote.add(2, 3), remote.math.sub(2, 3), remote.yes(), remote.no() })
      assert.same({ 1, { a = "b" } }, remote.echo { 1, { a = "b" } })
      assert.is_nil(remote.echo(nil))
      assert.is_nil(remote.echo())
      assert.is_true(server.is_open)
    end)

    it("raise faults at the caller, in " .. codec, function()
      local server <close>, url <const> = serve()
      local remote <close> = connect(url, { codec = codec })
      local codes <const> = rpc.codes
      local is_json <const> = codec == "json"
      for name, wanted in pairs {
        nothing = { "there is no method nothing", codes.NOT_FOUND },
        refuse = { "no such item", is_json and 404 or codes.APPLICATION },
        expect = { "not today", codes.APPLICATION },
        fail = { "internal error", is_json and codes.INTERNAL or codes.APPLICATION },
        unsendable = { "internal error", is_json and codes.INTERNAL or codes.APPLICATION },
      } do
        local ok <const>, raised <const> = pcall(remote[name])
        assert.is_false(ok)
        assert.same(wanted, { raised.message, raised.code })
      end
      local _ <const>, raised <const> = pcall(remote.add, 1, 2, 3)
      assert.same({ "add takes 2 parameters, not 3", codes.INVALID_PARAMETERS }, { raised.message, raised.code })
      assert.equal(3, remote.add(1, 2))
      assert.is_true(server.is_open)
    end)
  end

  it("are in flight side by side, and answered in their order", function()
    local server <close>, url <const> = serve()
    local remote <close> = connect(url)
    assert.equal(1, remote.add(0, 1))
    local calls <const> = { task.spawn(remote.wait) }
    for i = 1, 5 do calls[#calls + 1] = task.spawn(remote.add, i, 0) end
    task.sleep(0)
    gate:send "first"
    local answers <const> = {}
    for i, call in ipairs(calls) do answers[i] = call:join() end
    assert.same({ "first", 1, 2, 3, 4, 5 }, answers)
    assert.is_true(server.is_open)
  end)

  it("do not mistake a late answer for the next one", function()
    local server <close>, url <const> = serve()
    local remote <close> = connect(url, { timeout = 0.5 })
    assert.equal(3, remote.add(1, 2)) -- connected
    local result <const>, message <const>, code <const> = rpc.try(remote, "wait")
    assert.same({ nil, "timeout" }, { result, code })
    assert.matches("no answer in", message)
    gate:send "late"
    assert.equal(7, helper.eventually(function() return (rpc.try(remote, "add", 3, 4)) end))
    assert.is_true(rpc.notify(remote, "echo", "nobody waits"))
    assert.equal(9, remote.add(4, 5))
    assert.is_true(server.is_open)
  end)

  it("connect again when the server has closed the connection", function()
    local clients = 0
    local server <close> = assert(connection.serve("tcp://127.0.0.1:0", function(peer)
      clients = clients + 1
      peer:receive()
      peer:send(buffer.from(pickle.encode(clients)))
    end, { authkey = KEY }))
    local remote <close> = connect(tostring(server.address))
    assert.equal(1, remote.count())
    assert.equal(2, helper.eventually(function() return (rpc.try(remote, "count")) end))
  end)

  it("fail where the key is wrong", function()
    local server <close>, url <const> = serve()
    local remote <close> = rpc.connect(url, { protocol = "connection", authkey = "wrong" })
    local result <const>, message <const>, code <const> = rpc.try(remote, "add", 1, 2)
    assert.same({ nil, "denied" }, { result, code })
    assert.matches("it does not take our authkey$", message)
    assert.is_true(server.is_open)
  end)

  it("take requests in every form, and answer in the same", function()
    local server <close>, url <const> = serve()
    local peer <close> = assert(connection.connect(url, { authkey = KEY, exceptions = true }))
    local request <const> = pickle.tuple { "math.sub", pickle.tuple { 5 }, { y = 3 } }
    peer:send(buffer.from(pickle.encode(request)))
    assert.equal(2, pickle.decode(assert(peer:receive())))
    peer:send(request)
    assert.equal(2, peer:receive())
    peer:send '["math.sub", [5], {"y": 3}]'
    assert.equal("2", peer:receive())
    peer:send_bytes ' ["math.sub", [5, 3]]'
    assert.equal("2", peer:receive_bytes())
    assert.is_true(server.is_open)
  end)

  it("answer what is no request, and go on", function()
    local server <close>, url <const> = serve()
    local peer <close> = assert(connection.connect(url, { authkey = KEY, exceptions = true }))
    local function said(bytes)
      peer:send_bytes(bytes)
      local answer <const> = assert(peer:receive())
      local inner <const> = type(answer) == "string" and pickle.decode(answer, { exceptions = true }) or answer
      return tostring(inner)
    end
    assert.equal("ValueError: pickle names os.system at byte 1: only data is taken", said "cos\nsystem\n.")
    assert.equal("ValueError: pickle names os.system at byte 1: only data is taken",
      said(pickle.encode "cos\nsystem\n."))
    assert.equal("ValueError: invalid pickle at byte 1: 0x78 is no opcode", said "xyz")
    assert.equal("TypeError: a request is the name of a function, its arguments and its keyword arguments", said "N.")
    assert.equal("TypeError: the arguments are a list or tuple", said(pickle.encode { "add", 1 }))
    assert.equal("TypeError: the keyword arguments are a dict", said(pickle.encode { "add", { 1 }, 1 }))
    assert.equal("TypeError: the keyword arguments have names", said(pickle.encode { "add", { 1 }, { 1 } }))
    peer:send_bytes "[1"
    assert.matches('"code":%-32700', (assert(peer:receive_bytes())))
    peer:send_bytes '["add", [1, 2]]'
    assert.equal("3", peer:receive_bytes())
    assert.is_true(server.is_open)
    assert.matches("a request was refused peer=tcp://127.0.0.1:%d+ reason=[^\n]*os.system", table.concat(lines))
  end)

  it("fail clearly when the server answers something else", function()
    for answer, pattern in pairs { [pickle.encode "cos\nsystem\n."] = "pickle names os.system", ["K\1."] = "no answer$",
      ["cos\nsystem\n."] = "pickle names os.system", [pickle.encode "xyz"] = "0x78 is no opcode" } do
      local server <close> = assert(connection.serve("tcp://127.0.0.1:0", function(peer)
        for _ in peer:messages() do peer:send_bytes(answer) end
      end, { authkey = KEY }))
      local remote <close> = connect(tostring(server.address))
      local result <const>, message <const> = rpc.try(remote, "add", 1, 2)
      assert.is_nil(result)
      assert.matches(pattern, message)
    end
  end)

  it("refuse a codec that there is not", function()
    assert.has_error(function() connect("tcp://127.0.0.1:1", { codec = "xml" }) end)
    assert.equal("[]", json.encode(json.array {}))
  end)
end)
