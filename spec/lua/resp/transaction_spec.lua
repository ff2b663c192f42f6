local codec <const> = require "perigee.codec.resp"
local helper <const> = require "spec.helper"
local keyspace <const> = require "perigee.resp.keyspace"
local net <const> = require "perigee.net"
local resp <const> = require "perigee.resp"
local topics <const> = require "perigee.topics"

--- A server with keys, topics and these commands, and a function that makes clients of it, which are closed with it.
local function start(commands)
  local space <const> = keyspace.new()
  local server <const> = assert(resp.serve("tcp://127.0.0.1:0", resp.answers(resp.connection(), resp.strings(space),
    resp.lists(space), resp.pubsub(topics.new()), commands or {}), { limit = 32 << 20 }))
  local conns <const> = {}
  local closing <const> = setmetatable({}, { __close = function()
    for _, conn in ipairs(conns) do conn:close() end
    server:close()
  end })
  return closing, function()
    local conn <const> = assert(net.connect(tostring(server.address), { timeout = 20 }))
    local reader <const> = codec.reader(conn, { limit = 128 << 20 })
    conns[#conns + 1] = conn
    local client <const> = { conn = conn, next = function() return reader:next() end }
    function client.call(...)
      conn:write(codec.command(...))
      return reader:next()
    end
    return client
  end, space
end

local function is_blocked(client)
  return client.call("INFO", "clients"):find "blocked_clients:1\r\n"
end

describe("a transaction of RESP", function()
  helper.leaves_nothing(before_each, after_each)

  it("belongs to its connection, and nothing is done before EXEC", function()
    local _ <close>, connect <const> = start()
    local one <const>, two <const> = connect(), connect()
    assert.equal("OK", one.call "MULTI")
    assert.equal("QUEUED", one.call("SET", "a", "1"))
    assert.is_nil(two.call("GET", "a"))
    assert.equal("ERR EXEC without MULTI", two.call("EXEC").message)
    assert.same({ "OK" }, one.call "EXEC")
    assert.equal("1", two.call("GET", "a"))
  end)

  it("is dropped with its connection, and so is what it watches", function()
    local _ <close>, connect <const>, space <const> = start()
    local one <const>, two <const> = connect(), connect()
    one.call("WATCH", "a")
    one.call "MULTI"
    one.call("SET", "a", "1")
    assert.is_truthy(next(space:database(0).watchers))
    one.conn:close()
    helper.eventually(function() return not next(space:database(0).watchers) end)
    assert.is_nil(two.call("GET", "a"))
  end)

  it("is not carried out when somebody else changed what is watched", function()
    local _ <close>, connect <const> = start()
    local one <const>, two <const> = connect(), connect()
    for _, change in ipairs { { "SET", "a", "1" }, { "INCR", "a" }, { "PEXPIRE", "a", "100000" }, { "PERSIST", "a" },
        { "DEL", "a" }, { "RPUSH", "a", "x", "y" }, { "LPOP", "a" }, { "FLUSHALL" } } do
      one.call("WATCH", "other", "a")
      two.call(table.unpack(change))
      one.call "MULTI"
      one.call("SET", "done", "1")
      assert.same({ n = 1 }, table.pack(one.call "EXEC"))
      assert.is_nil(one.call("GET", "done"))
    end
    one.call("WATCH", "a")
    two.call("SET", "b", "1")
    one.call "MULTI"
    one.call("SET", "a", "1")
    assert.same({ "OK" }, one.call "EXEC")
  end)

  it("is over before clients that wait for a list get what it has put there", function()
    local _ <close>, connect <const> = start()
    local one <const>, waiter <const> = connect(), connect()
    waiter.conn:write(codec.command("BLPOP", "jobs", "0"))
    helper.eventually(function() return is_blocked(one) end)
    one.call "MULTI"
    one.call("RPUSH", "jobs", "1", "2")
    one.call("LLEN", "jobs")
    one.call("LPOP", "jobs")
    assert.same({ 2, 2, "1" }, one.call "EXEC")
    assert.same({ "jobs", "2" }, waiter.next())
  end)

  it("gets what a command of it publishes behind the answers", function()
    local _ <close>, connect <const> = start()
    local one <const> = connect()
    one.call("HELLO", "3")
    one.call("SUBSCRIBE", "news")
    one.call "MULTI"
    one.call("PUBLISH", "news", "hello")
    one.call "PING"
    one.conn:write(codec.command "EXEC")
    local heard <const> = {}
    for i = 1, 2 do
      local reply <const>, note <const> = one.next()
      heard[note or "reply"] = reply
      assert(i)
    end
    assert.same({ reply = { 1, "PONG" }, push = { "message", "news", "hello" } }, heard)
  end)

  it("has no subscriptions within it", function()
    local _ <close>, connect <const> = start()
    local one <const> = connect()
    one.call "MULTI"
    assert.equal("ERR Command not allowed inside a transaction", one.call("SUBSCRIBE", "a").message)
    assert.equal("EXECABORT", one.call("EXEC").kind)
  end)

  it("answers with all that its commands write, and an error alone is one", function()
    local _ <close>, connect <const> = start {
      NONE = { 1, function() return resp.none end },
      TWO = { 1, function(client) client:write(1) client:write(nil) return resp.none end },
      ONE = { 1, function(client) client:write "x" return resp.none end },
      WAIT = { 1, function(client) return client:wait(20) and "woken" or "late" end },
      BAD = { 1, function() return resp.error "BAD luck" end },
    }
    local one <const> = connect()
    one.call "MULTI"
    for _, name in ipairs { "TWO", "ONE", "WAIT", "BAD", "NONE" } do one.call(name) end
    local replies <const> = one.call "EXEC"
    assert.same({ { 1, codec.null }, "x", "late", "BAD luck" },
      { replies[1], replies[2], replies[3], replies[4].message })
    assert.equal(0, #replies[5])
    assert.equal("PONG", one.call "PING")
  end)

  if helper.is_tiny then return end -- megabytes, byte by byte

  it("is refused when it becomes too large, and the memory is free again", function()
    local _ <close>, connect <const> = start()
    local one <const> = connect()
    for _ = 1, 20 do -- more than all clients may have, if any of it were kept
      one.call "MULTI"
      assert.equal("QUEUED", one.call("SET", "a", ("x"):rep(15 << 20)))
      assert.equal("OOM", one.call("SET", "a", ("x"):rep(2 << 20)).kind)
      assert.equal("EXECABORT", one.call("EXEC").kind)
    end
    one.call "MULTI"
    one.conn:write(("PING\r\n"):rep(100001))
    for _ = 1, 100000 do assert(one.next() == "QUEUED") end
    assert.equal("OOM", one.next().kind)
    assert.equal("OK", one.call "DISCARD")
    assert.is_nil(one.call("GET", "a"))
  end)

  it("carries out no more when the replies are too large", function()
    local _ <close>, connect <const> = start()
    local one <const> = connect()
    one.call("SET", "a", ("x"):rep(16 << 20))
    one.call "MULTI"
    for _ = 1, 5 do one.call("GET", "a") end
    one.call("SET", "b", "1")
    local replies <const> = one.call "EXEC"
    assert.same({ 16 << 20, 16 << 20, "OOM", 6 }, { #replies[1], #replies[4], replies[6].kind, #replies })
    assert.is_nil(one.call("GET", "b"))
  end)
end)
