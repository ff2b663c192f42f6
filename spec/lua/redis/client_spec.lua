local certificates <const> = require "spec.fixtures.certificates"
local fixture <const> = require "spec.fixtures.redis"
local helper <const> = require "spec.helper"
local redis <const> = require "perigee.redis"
local task <const> = require "perigee.task"

local server

--- How clients reach the server, and which protocol they speak.
local ways <const> = {
  ["RESP3 over a Unix socket"] = function() return server.url end,
  ["RESP2 over a Unix socket"] = function() return server.url, { protocol = 2 } end,
  ["RESP3 over TCP"] = function() return server.port_url end,
  ["RESP3 over TLS"] = function() return server.tls_url, { tls = certificates.trusting() } end,
}

setup(function() server = fixture.start { port = true, tls = true } end)
teardown(function() server:__close() end)

for name, way in pairs(ways) do
  describe("a client of Redis, by " .. name .. ",", function()
    helper.leaves_nothing(before_each, after_each)

    local function connect()
      local client <const> = redis.connect(way())
      assert.equal("OK", client:flushall())
      return client
    end

    it("runs commands, as words and as methods", function()
      local client <close> = connect()
      assert.equal("OK", client:call("SET", "greeting", "hello"))
      assert.equal("hello", client:get "greeting")
      assert.equal(5, client:append("n", 12345))
      assert.equal(12346, client:incr "n")
      assert.same({ "a", "b" }, (function()
        client:rpush("list", "a", "b")
        return client:lrange("list", 0, -1)
      end)())
    end)

    it("gives nil for null, alone, and redis.null in lists", function()
      local client <close> = connect()
      assert.same({ n = 1 }, table.pack(client:get "nothing"))
      client:set("a", "1")
      local values <const> = client:mget("a", "nothing")
      assert.same({ "1", redis.null }, values)
    end)

    it("keeps every byte", function()
      local client <close> = connect()
      local bytes <const> = {}
      for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
      local all <const> = table.concat(bytes):rep(100) .. "\r\n$-1\r\n"
      client:set("bytes", all)
      assert.is_true(client:get "bytes" == all)
      assert.equal("", (client:set("empty", "") and client:get "empty"))
    end)

    it("says what the server says of an error, and where", function()
      local client <close> = connect()
      client:set("text", "x")
      local reply <const>, message <const>, code <const> = client:call("HGET", "text", "field")
      assert.is_nil(reply)
      assert.matches("^HGET on redis[^:]*://%S+: WRONGTYPE Operation against a key", message)
      assert.equal("failed", code)
      local _ <const>, unknown <const> = client:nonsense()
      assert.matches("^NONSENSE on .*: ERR unknown command", unknown)
    end)

    it("sends a pipeline in one piece, with a reply to each command", function()
      local client <close> = connect()
      local replies <const> = client:pipeline(function(p)
        assert.equal(1, p:call("SET", "a", 1))
        assert.equal(2, p:incr "a")
        p:get "nothing"
        p:lpush("a", "x")
      end)
      assert.same({ "OK", 2, redis.null }, { table.unpack(replies, 1, 3) })
      assert.equal("WRONGTYPE", replies[4].kind)
      assert.matches("^WRONGTYPE ", tostring(replies[4]))
      assert.same({}, client:pipeline(function() end))
      assert.same({ redis.null }, client:pipeline(function(p) p:get "nothing" end))
    end)

    it("runs a transaction as one", function()
      local client <close> = connect()
      assert.same({ "OK", 2 }, client:transaction(function(t)
        t:set("a", 1)
        t:incr "a"
      end))
      local results <const>, message <const>, code <const> = client:transaction(function(t)
        t:incr "a"
        t:call("NONSENSE", "x")
      end)
      assert.is_nil(results)
      assert.matches("^transaction: ERR unknown command", message)
      assert.equal("failed", code)
      assert.equal("2", client:get "a")
    end)

    it("repeats a transaction whose keys others have changed", function()
      local client <close> = connect()
      client:set("stock", 10)
      local calls = 0
      local results <const> = client:transaction(function(t)
        calls = calls + 1
        local stock <const> = t:read("GET", "stock")
        if calls == 1 then client:set("stock", 7) end -- by another connection
        t:set("stock", stock - 1)
      end, { watch = { "stock" } })
      assert.same({ "OK" }, results)
      assert.same({ 2, "6" }, { calls, client:get "stock" })
    end)

    it("gives a transaction up whose keys change each time", function()
      local client <close> = connect()
      local results <const>, message <const>, code <const> = client:transaction(function(t)
        client:incr "busy"
        t:set("busy", 0)
      end, { watch = { "busy" }, attempts = 3 })
      assert.is_nil(results)
      assert.equal("transaction: the keys were changed by others in each of 3 attempts", message)
      assert.equal("failed", code)
      assert.equal("3", client:get "busy")
    end)

    it("waits on a connection of its own, while others go on", function()
      local client <close> = connect()
      task.group(function(group)
        local waiting <const> = group:spawn(client.blpop, client, "jobs", 0)
        for i = 1, 10 do assert.equal(i, client:incr "n") end
        helper.eventually(function() return client:info("clients"):find "blocked_clients:1" end)
        client:rpush("jobs", "one")
        assert.same({ "jobs", "one" }, waiting:join())
      end)
      assert.same({ n = 1 }, table.pack(client:blpop("jobs", 0.01)))
    end)

    it("calls scripts by their digest once they are known", function()
      local client <close> = connect()
      local double <const> = redis.script "return tonumber(ARGV[1]) * 2 + #KEYS"
      client:script "FLUSH"
      assert.equal(11, double(client, { "a" }, { 5 }))
      assert.equal(10, double(client, {}, { 5 }))
      local _ <const>, message <const>, code <const> = redis.script "return nothing.at.all"(client)
      assert.matches("nonexistent global variable", message)
      assert.equal("failed", code)
    end)
  end)
end

describe("tasks that share a client of Redis", function()
  helper.leaves_nothing(before_each, after_each)

  it("get each the reply to their own command", function()
    local client <close> = redis.connect(server.url)
    local count <const> = helper.is_tiny and 100 or 1000
    task.group(function(group)
      for i = 1, count do
        group:spawn(function()
          assert.equal("OK", client:set("key" .. i, "value" .. i))
          assert.equal("value" .. i, client:get("key" .. i))
        end)
      end
    end)
  end)

  it("have one connection, and what they send together leaves in few writes", function()
    local client <close> = redis.connect(server.url, { name = "together" })
    client:call "CONFIG RESETSTAT" -- no such command, but connects
    local function reads()
      return tonumber(client:info("stats"):match "total_reads_processed:(%d+)")
    end
    local before <const> = reads()
    task.group(function(group)
      for _ = 1, 100 do group:spawn(function() assert.equal("PONG", client:ping()) end) end
    end)
    if not helper.is_tiny then assert.is_true(reads() - before < 10) end
    local _ <const>, connections <const> = client:call("CLIENT", "LIST"):gsub("name=together", "")
    assert.equal(1, connections)
  end)

  it("are not disturbed by one that is cancelled or out of time", function()
    local client <close> = redis.connect(server.url)
    client:set("a", "1")
    task.group(function(group)
      local sleeping <const> = group:spawn(client.call, client, "DEBUG", "SLEEP", "0.2")
      task.sleep(0)
      local cancelled <const> = group:spawn(client.get, client, "cancelled")
      local _ <const>, _ <const>, code <const> = task.deadline(0.01, client.get, client, "late")
      assert.equal("timeout", code)
      cancelled:cancel()
      local after <const> = group:spawn(client.get, client, "a")
      assert.equal("1", after:join())
      assert.equal("OK", sleeping:join())
    end)
    assert.equal("1", client:get "a")
  end)

  it("may leave a large pipeline behind without harm to the others", function()
    local client <close> = redis.connect(server.url)
    local function large(p)
      for i = 1, 1000 do p:call("ECHO", i) end
    end
    task.group(function(group)
      local left <const> = group:spawn(client.pipeline, client, large)
      task.sleep(0)
      left:cancel()
      assert.equal("still", client:echo "still")
    end)
    assert.equal(1000, #client:pipeline(large))
  end)

  it("send more than a connection takes at once", function()
    local client <close> = redis.connect(server.port_url)
    local text <const> = ("x"):rep(helper.is_tiny and 2000 or 300000)
    task.group(function(group)
      for i = 1, 50 do
        group:spawn(function()
          assert.equal("OK", client:set("large" .. i, text))
          assert.is_true(client:get("large" .. i) == text)
        end)
      end
    end)
  end)

  it("do not wait at the server for ever when they are cancelled", function()
    local client <close> = redis.connect(server.url)
    task.group(function(group)
      local waiting <const> = group:spawn(client.blpop, client, "empty", 0)
      helper.eventually(function() return client:info("clients"):find "blocked_clients:1" end)
      waiting:cancel()
      helper.eventually(function() return client:info("clients"):find "blocked_clients:0" end)
      client:rpush("empty", "kept")
      assert.equal("kept", client:lpop "empty")
    end)
  end)

  it("use so many connections for commands that wait, and no more", function()
    local client <close> = redis.connect(server.url, { connections = 2, timeout = 0.1 })
    task.group(function(group)
      for _ = 1, 2 do group:spawn(client.blpop, client, "never", 0) end
      helper.eventually(function() return client:info("clients"):find "blocked_clients:2" end)
      local _ <const>, message <const>, code <const> = client:blpop("never", 0)
      assert.equal("BLPOP: all 2 connections for commands that wait are in use", message)
      assert.equal("timeout", code)
      group:cancel()
    end)
  end)
end)

describe("a client of Redis", function()
  helper.leaves_nothing(before_each, after_each)

  it("refuses commands that would disturb others, and says what to use", function()
    local client <close> = redis.connect(server.url)
    for command, hint in pairs {
      SUBSCRIBE = "use client:subscribe", multi = "use client:transaction", SELECT = "the URL or the options",
      Monitor = "it has no end", QUIT = "use client:close",
    } do
      local ok <const>, message <const> = pcall(client.call, client, command, "x")
      assert.is_false(ok)
      assert.matches("^" .. command:upper() .. " cannot share a connection: .*" .. hint, message)
    end
    assert.has_error(function() client:call("CLIENT", "REPLY", "OFF") end)
    assert.has_error(function() client:pipeline(function(p) p:blpop("a", 0) end) end)
    assert.has_error(function() client:call() end)
    local function message_of(f) return select(2, pcall(f)) end
    assert.matches("^spec/lua/redis/client_spec.lua:%d+: bad argument #2 to SET %(a string, number or buffer expected",
      message_of(function() client:set("a", {}) end))
    assert.matches("^spec/lua/redis/client_spec.lua:%d+: MULTI cannot share", message_of(function() client:multi() end))
    assert.matches("^spec/lua/redis/client_spec.lua:%d+: option 'watch' must be",
      message_of(function() client:transaction(print, { watch = {} }) end))
    assert.matches("^spec/lua/redis/client_spec.lua:%d+: there is no option 'x'",
      message_of(function() redis.connect(server.url, { x = 1 }) end))
    assert.has_error(function() client:pipeline(5) end)
    assert.equal("PONG", client:ping())
  end)

  it("fails when it is closed, and closes twice", function()
    local client <const> = redis.connect(server.url)
    assert.equal("PONG", client:ping())
    task.group(function(group)
      local waiting <const> = group:spawn(client.blpop, client, "never", 0)
      helper.eventually(function() return client:info("clients"):find "blocked_clients:1" end)
      client:close()
      local _ <const>, message <const>, code <const> = waiting:join()
      assert.matches("^BLPOP: the client is closed", message)
      assert.equal("closed", code)
    end)
    client:close()
    local _ <const>, message <const>, code <const> = client:ping()
    assert.equal("PING: the client is closed", message)
    assert.equal("closed", code)
    assert.equal("closed", select(3, client:blpop("x", 1)))
    assert.equal("closed", select(3, client:subscribe "x"))
  end)

  it("is closed when nobody has it any more", function()
    assert.equal("PONG", redis.connect(server.url):ping()) -- leaves_nothing sees the rest
  end)

  it("lasts beyond the task that has used it first", function()
    local client <close> = redis.connect(server.url)
    task.group(function(group) assert.equal("PONG", group:spawn(client.ping, client):join()) end)
    assert.equal("PONG", client:ping())
    assert.matches("%(connected%)$", tostring(client))
  end)
end)
