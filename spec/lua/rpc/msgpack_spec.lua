local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

local gate = task.channel(0)

local api <const> = rpc.service {
  add = function(x, y) return x + y end,
  echo = function(...) return ... end,
  wait = function() return (gate:receive()) end,
  refuse = function() error(rpc.fault(404, "no such item", { item = 7 })) end,
  fail = function() return nothing.here end, -- luacheck: ignore
  unsendable = function() return print end,
  math = { sub = function(x, y) return x - y end },
}

describe("MessagePack-RPC", function()
  helper.leaves_nothing(before_each, after_each)

  before_each(function()
    gate = task.channel(0)
    log.configure { write = function() end }
  end)
  after_each(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  local function serve(options)
    local server <const> = assert(require "perigee.rpc.msgpack".serve(api, "tcp://127.0.0.1:0", options))
    return server, tostring(server.address)
  end

  it("calls methods by proxies", function()
    local _ <close>, url <const> = serve()
    local remote <close> = rpc.connect(url)
    assert.equal(5, remote.add(2, 3))
    assert.equal(-1, remote.math.sub(2, 3))
    assert.same({ 1, { a = "b" } }, remote.echo { 1, { a = "b" } })
    assert.is_nil(remote.echo(nil))
  end)

  it("raises faults at the caller", function()
    local _ <close>, url <const> = serve()
    local remote <close> = rpc.connect(url)
    local ok <const>, fault <const> = pcall(remote.refuse)
    assert.is_false(ok)
    assert.is_true(rpc.is_fault(fault))
    assert.same({ 404, "no such item", { item = 7 } }, { fault.code, fault.message, fault.data })
    assert.same({ nil, "there is no method divide", -32601, n = 3 }, table.pack(rpc.try(remote, "divide", 1)))
    assert.same({ nil, "internal error", -32603, n = 3 }, table.pack(rpc.try(remote, "fail")))
    assert.same({ nil, "internal error", -32603, n = 3 }, table.pack(rpc.try(remote, "unsendable")))
    assert.equal(5, remote.add(2, 3))
  end)

  it("runs many calls side by side on one connection", function()
    local server <close>, url <const> = serve()
    local remote <close> = rpc.connect(url)
    local results <const> = {}
    task.group(function(group)
      for i = 1, 50 do
        group:spawn(function() results[i] = remote.wait() end)
        group:spawn(function() assert(remote.add(i, 1) == i + 1) end)
      end
      helper.eventually(function() return #gate.receivers == 50 end)
      assert.equal(1, server:active())
      for i = 1, 50 do gate:send(i) end
    end)
    table.sort(results)
    assert.equal(50, #results)
    assert.same({ 1, 50 }, { results[1], results[50] })
  end)

  it("keeps what is more than its limit of calls unread", function()
    local _ <close>, url <const> = serve { calls = 3 }
    local remote <close> = rpc.connect(url)
    task.group(function(group)
      for _ = 1, 10 do group:spawn(function() remote.wait() end) end
      helper.eventually(function() return #gate.receivers == 3 end)
      for _ = 1, 20 do task.sleep(0) end
      assert.equal(3, #gate.receivers)
      for i = 1, 10 do gate:send(i) end
    end)
  end)

  it("ends a call at its deadline, and the others go on", function()
    local _ <close>, url <const> = serve()
    local remote <close> = rpc.connect(url, { timeout = 0.3 })
    local _, failure <const> = pcall(remote.wait)
    assert.equal("timeout", failure.code)
    assert.truthy(tostring(failure):find("call wait at " .. url .. ": no answer in time", 1, true))
    assert.same({ nil, "timeout" }, { (function()
      local ok <const>, _, code <const> = task.deadline(0.2, remote.wait)
      return ok, code
    end)() })
    gate:send "late" -- for the first one, whose answer is dropped
    assert.equal(5, remote.add(2, 3))
    gate:send "late"
  end)

  it("hands the reading on when its reader is cancelled", function()
    local _ <close>, url <const> = serve()
    local remote <close> = rpc.connect(url)
    local first <const> = task.spawn(remote.wait)
    helper.eventually(function() return #gate.receivers == 1 end)
    local second <const> = task.spawn(remote.wait)
    helper.eventually(function() return #gate.receivers == 2 end)
    first:cancel()
    gate:send "first"
    gate:send "second"
    assert.equal("second", second:join())
  end)

  it("takes notifications, which have no answer", function()
    local _ <close>, url <const> = serve()
    local remote <close> = rpc.connect(url)
    assert(rpc.notify(remote, "wait"))
    assert(rpc.notify(remote, "fail"))
    assert.equal(5, remote.add(2, 3))
    gate:send "heard"
  end)

  it("says that there is no server, and connects when there is one", function()
    local server <const>, url <const> = serve()
    server:close()
    local remote <close> = rpc.connect(url)
    local _, message <const>, code <const> = rpc.try(remote, "add", 1, 2)
    assert.equal("refused", code)
    assert.truthy(message:find("call add at " .. url, 1, true))
    local again <close> = assert(require "perigee.rpc.msgpack".serve(api, url))
    assert.equal(3, remote.add(1, 2))
    again:close()
  end)

  it("tells every caller that the connection broke, and connects again", function()
    local conns <const> = {}
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conns[#conns + 1] = conn
      if #conns == 1 then return conn:read(40) end
      local _ <const>, id <const> = msgpack.reader(conn, { list = true }):next()
      conn:write(msgpack.encode_list(1, id, nil, "again"))
      conn:read_all()
    end))
    local remote <close> = rpc.connect(tostring(server.address))
    local codes <const> = {}
    task.group(function(group)
      for i = 1, 3 do
        group:spawn(function() codes[i] = select(3, rpc.try(remote, "echo", ("x"):rep(10))) end)
      end
    end)
    assert.same({ "closed", "closed", "closed" }, codes)
    assert.equal("again", remote.echo(("x"):rep(40)))
  end)

  it("refuses what is no request, and says why", function()
    for bytes, why in pairs {
      [msgpack.encode_list(7, 1, "add", {})] = "a message begins with 0 or 2",
      [msgpack.encode_list(nil, 5, "protocol")] = "a message begins with 0 or 2",
      [msgpack.encode_list(nil)] = "a message begins with 0 or 2",
      [msgpack.encode_list(0, -1, "add", { 1 })] = "an id from 0 to 4294967295",
      [msgpack.encode_list(2, 5, { 1 })] = "a method's name",
      ["\xc1"] = "byte 1",
      ["\x05"] = "an array expected",
      ["\x90"] = "an array without elements",
    } do
      local _ <close>, url <const> = serve()
      local conn <close> = assert(net.connect(url))
      conn:write(bytes)
      local reader <const> = msgpack.reader(conn, { list = true })
      local kind <const>, _, failure <const> = reader:next()
      assert.same({ 1, -32600 }, { kind, failure.code })
      assert.truthy(failure.message:find(why, 1, true), failure.message)
      assert.same({ nil, "closed" }, { (function() local a, _, c = reader:next() return a, c end)() })
    end
  end)

  it("answers a request that it cannot hold with a fault, and goes on", function()
    local _ <close>, url <const> = serve()
    local conn <close> = assert(net.connect(url))
    local reader <const> = msgpack.reader(conn, { list = true })
    for _, case in ipairs {
      { "\x94\0\x07\xa3add\x92\x01\xcf\x80" .. ("\0"):rep(7), -32602, "at byte 10: the integer 9223372036854775808" },
      { "\x94\0\x07\xa3add\x91\x81\xc0\x01", -32602, "nil as a key" },
      { "\x94\0\x07\xa3add\x91\x81\x90\x01", -32602, "an array as a key" },
      { "\x94\0\x07\xa3add" .. ("\x92\0"):rep(600) .. "\0", -32602, "too many levels" },
      { msgpack.encode_list(0, 7, "add", 5), -32602, "an array expected" },
      { msgpack.encode_list(0, 7, 5, { 1 }), -32600, "a method's name" },
      { "\x94\0\x07\x81\xc0\x01\x90", -32600, "nil as a key" },
      { msgpack.encode_list(0, 7), -32600, "a method's name" },
    } do
      conn:write(case[1])
      local kind <const>, id <const>, failure <const> = reader:next()
      assert.same({ 1, 7, case[2] }, { kind, id, failure.code })
      assert.truthy(failure.message:find(case[3], 1, true), failure.message)
    end
    conn:write("\x93\x02\xa3add\x91\x81\xc0\x01", msgpack.encode_list(0, 8, "add", { 1, 2 }))
    assert.same({ 1, 8, nil, 3 }, { reader:next() })
  end)

  it("is not taken in by a message that begins as if it could not be held", function()
    for _, first in ipairs { false, msgpack.null } do
      local _ <close>, url <const> = serve()
      local conn <close> = assert(net.connect(url))
      conn:write(msgpack.encode_list(first, 5, {}, 0, 7))
      local _, _, failure <const> = msgpack.reader(conn, { list = true }):next()
      assert.equal("a message begins with 0 or 2", failure.message)
    end
  end)

  it("fails a call alone whose answer cannot be held", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      for _, id in msgpack.reader(conn, { list = true }):messages() do
        if id == 1 then conn:write("\x94\1\1\xc0\xcf\x80" .. ("\0"):rep(7))
        elseif id == 2 then conn:write("\x94\1\2\xc0\x81\xc0\x01")
        else conn:write(msgpack.encode_list(1, id, nil, "here")) end
      end
    end))
    local remote <close> = rpc.connect(tostring(server.address))
    helper.assert_failure("protocol", "call add at .*: the server's answer: invalid MessagePack at byte 5: the integer "
      .. "9223372036854775808, beyond 9223372036854775807", rpc.try(remote, "add"))
    helper.assert_failure("protocol", "nil as a key$", rpc.try(remote, "add"))
    assert.equal("here", remote.add())
    assert.equal(1, server:active())
  end)

  --- A call at a server that sends these bytes fails, with a message that has the pattern.
  local function assert_protocol_failure(pattern, bytes)
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conn:write(bytes)
      conn:read_all()
    end))
    local remote <close> = rpc.connect(tostring(server.address))
    helper.assert_failure("protocol", pattern, rpc.try(remote, "add"))
  end

  it("ends with a server that sends what is no response", function()
    for _, bytes in ipairs { "\x90", "\x94\1\xc0\xc0\xcf\x80" .. ("\0"):rep(7), "\xc1" } do
      assert_protocol_failure("invalid MessagePack at byte %d", bytes)
    end
  end)

  it("has the other results when one of many cannot be sent", function()
    local _ <close>, url <const> = serve()
    local remote <close> = rpc.connect(url)
    assert.same({ { 3 }, { faultCode = -32603, faultString = "internal error" }, { 7 } }, remote.system.multicall {
      { methodName = "add", params = { 1, 2 } }, { methodName = "unsendable", params = json.array {} },
      { methodName = "add", params = { 3, 4 } } })
  end)

  it("is not taken in by an answer that begins with nil", function()
    for _, bytes in ipairs { msgpack.encode_list(nil), msgpack.encode_list(nil, 5, {}) } do
      assert_protocol_failure("call add at .*: the server sends what is no response$", bytes)
    end
  end)

  it("refuses a message above its limit, and survives ten thousand nested arrays", function()
    for _, bytes in ipairs {
      "\x94\x00\x01\xa3add\xdd\xff\xff\xff\xff", "\x94\x00\x01\xa3add" .. ("\x91"):rep(10000) .. "\x01",
      "\x94\x00\x01\xa3add\xdb\xff\xff\xff\xff",
    } do
      local _ <close>, url <const> = serve { limit = 65536 }
      local conn <close> = assert(net.connect(url))
      conn:write(bytes)
      local _, _, failure <const> = msgpack.reader(conn, { list = true }):next()
      assert.equal(-32600, failure.code)
    end
  end)

  it("forgets a request that was cut off anywhere", function()
    local request <const> = msgpack.encode_list(0, 1, "add", { 2, 3 })
    local server <close>, url <const> = serve()
    for length = 0, #request - 1 do
      local conn <close> = assert(net.connect(url))
      conn:write(request:sub(1, length))
      conn:shutdown()
      local rest <const> = conn:read_all()
      assert.equal(length == 0, rest == "")
    end
    helper.eventually(function() return server:active() == 0 end)
  end)

  it("answers a call whose task is killed", function()
    local failures <close>, interruption = helper.failures(), nil
    local killed <const> = task.spawn(function()
      local _ <const>, raised <const> = pcall(task.sleep, 600)
      interruption = raised
      error(raised, 0)
    end)
    task.sleep(0)
    killed:cancel()
    helper.eventually(function() return interruption end)
    local service <const> = rpc.service { wait = function() return (gate:receive()) end,
      is_killed = function() error(interruption, 0) end }
    local servers <const> = assert(service:serve { msgpack = "tcp://127.0.0.1:0" })
    local remote <close> = rpc.connect(tostring(servers.msgpack.address), { timeout = 600 })
    assert.same({ nil, "the call was interrupted", -32603, n = 3 }, table.pack(rpc.try(remote, "is_killed")))
    helper.eventually(function() return #failures > 0 end)
    servers.msgpack:close()
  end)
end)
