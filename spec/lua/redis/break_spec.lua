local fixture <const> = require "spec.fixtures.redis"
local helper <const> = require "spec.helper"
local http <const> = require "spec.fixtures.http"
local redis <const> = require "perigee.redis"
local task <const> = require "perigee.task"

local FAST <const> = { 0.001, 0.02 } -- seconds

local server

setup(function() server = fixture.start { port = true, appendonly = "yes" } end)
teardown(function() server:__close() end)

local function connect(more)
  local options <const> = { backoff = FAST }
  for name, value in pairs(more or {}) do options[name] = value end
  return redis.connect(server.port_url, options)
end

--- Its number at the server, which is another one for each connection.
local function id_of(client)
  return assert(client:client "ID")
end

local function kill(id)
  assert.equal("1", server:cli("CLIENT KILL ID " .. id))
end

describe("when the connection to a Redis breaks,", function()
  helper.leaves_nothing(before_each, after_each)

  it("the next command has a new one", function()
    local client <close> = connect()
    local first <const> = id_of(client)
    kill(first)
    helper.eventually(function() return tostring(client):find "not connected" end)
    assert.not_equal(first, id_of(client))
  end)

  it("what was under way fails, and it is said that nobody knows", function()
    local client <close> = connect()
    local id <const> = id_of(client)
    task.group(function(group)
      local sleeping <const> = group:spawn(client.call, client, "DEBUG", "SLEEP", "1")
      local behind <const> = group:spawn(client.pipeline, client, function(p)
        p:set("a", 1)
        p:set("b", 1)
      end)
      task.sleep(0)
      server:kill()
      local _ <const>, message <const>, code <const> = sleeping:join()
      assert.matches("^DEBUG: .*; what was under way may or may not have been done$", message)
      assert.equal("closed", code)
      assert.equal("closed", select(3, behind:join()))
      server:start()
    end)
    assert.equal("integer", math.type(id), id_of(client))
  end)

  it("and cannot be made again yet, the log says so once, and once when it is back, however many wait", function()
    local client <close> = connect()
    local log <close> = http.log()
    local function count(what) return select(2, tostring(log):gsub(what, "")) end
    id_of(client)
    server:kill()
    task.group(function(group)
      local waiting <const> = { group:spawn(client.call, client, "PING"), group:spawn(client.blocking, client, "PING") }
      helper.eventually(function() return client.link.keeper.backoff.failures >= 4 end)
      assert.equal(1, count 'warn  %S+  redis: not connected, trying on peer=redis://%S+ reason="connect to ')
      assert.equal(0, count "redis: connected")
      server:start()
      for _, each in ipairs(waiting) do assert.equal("PONG", (each:join())) end
    end)
    assert.same({ 1, 1 }, { count "not connected", count "info  %S+  redis: connected peer=" })
    local other <close> = redis.connect("redis://127.0.0.1:1", { timeout = 0.1 })
    assert.equal("refused", select(3, other:ping()))
    assert.equal(2, count "not connected")
  end)

  it("or its server is made a replica, the caller has the error and the next command another connection", function()
    local client <close> = connect()
    local blocker <close> = connect()
    local first <const> = id_of(client)
    server:cli "REPLICAOF 127.0.0.1 1"
    local _ <close> = setmetatable({}, { __close = function() server:cli "REPLICAOF NO ONE" end })
    local log <close> = http.log()
    for _, attempt in ipairs {
      function() return client:set("a", "1") end,
      function() return client:transaction(function(t) t:set("a", "1") end) end,
      function() return client:transaction(function(t) t:set("a", "1") end, { watch = { "a" } }) end,
      function() return client:eval("return redis.call('SET', KEYS[1], '1')", 1, "a") end,
      function() return blocker:blpop("list", 1) end,
    } do
      local reply <const>, message <const>, code <const> = attempt()
      assert.same({ reply, code }, { nil, "failed" })
      assert.matches("READONLY", message)
    end
    local second <const> = id_of(client)
    assert.not_equal(first, second)
    assert.matches("read%-only now: connecting anew", tostring(log))
    local replies <const> = client:pipeline(function(p)
      p:get "a"
      p:set("a", "1")
      p:ping()
    end)
    assert.same({ "READONLY", "PONG", 3 }, { replies[2].kind, replies[3], #replies })
    assert.not_equal(second, id_of(client))
  end)

  it("as it has become read-only, what was asked before is answered still, and goes to no other", function()
    local numbers <const> = {}
    local fake <close>, url <const> = fixture.fake(function(conn, reader)
      numbers[#numbers + 1] = 0
      local number <const>, is_writable <const> = #numbers, #numbers > 1
      for name in reader:messages() do
        numbers[number] = numbers[number] + 1
        if is_writable then conn:write "+OK\r\n"
        elseif numbers[1] == 3 then conn:write("-READONLY no\r\n", "+late\r\n", "+later\r\n") end
        assert(name)
      end
    end)
    local client <close> = redis.connect(url, { backoff = FAST })
    local _ <close> = http.log()
    task.group(function(group)
      local tasks <const> = {}
      for i = 1, 3 do tasks[i] = group:spawn(client.call, client, "SET", "a", i) end
      assert.matches("READONLY", (select(2, tasks[1]:join())))
      local behind <const> = group:spawn(client.call, client, "SET", "a", "4")
      assert.same({ "late", "later", "OK" }, { tasks[2]:join(), tasks[3]:join(), behind:join() })
    end)
    assert.same({ 3, 1 }, numbers)
    assert(fake)
  end)

  it("commands wait until the server is there again", function()
    local client <close> = connect()
    assert.equal("OK", client:set("kept", "x"))
    server:stop()
    task.group(function(group)
      local waiting <const> = {}
      for i = 1, 10 do waiting[i] = group:spawn(client.get, client, "kept") end
      task.sleep(0.05)
      server:start()
      for i = 1, 10 do assert.equal("x", waiting[i]:join()) end
    end)
  end)

  it("commands wait no longer than their deadline, or the client's time", function()
    local client <close> = connect { timeout = 0.2 }
    assert.equal("PONG", client:ping())
    server:stop()
    local _ <const>, _ <const>, code <const> = task.deadline(0.02, client.get, client, "a")
    assert.equal("timeout", code)
    local _ <const>, message <const>, short <const> = client:get "a"
    assert.matches("^GET: connect to tcp://127.0.0.1:%d+: Connection refused$", message)
    assert.equal("refused", short)
    server:start()
    assert.equal("PONG", client:ping())
  end)

  it("nobody connects as long as nobody needs it", function()
    local client <close> = connect()
    id_of(client)
    server:restart()
    helper.eventually(function() return tostring(client):find "not connected" end)
    task.sleep(0.05)
    assert.equal(1, select(2, server:cli("CLIENT LIST"):gsub("id=", ""))) -- redis-cli itself
    assert.equal("PONG", client:ping())
  end)

  it("a transaction that watches is not done half", function()
    local client <close> = connect()
    client:set("a", 1)
    local results <const>, message <const>, code <const> = client:transaction(function(t)
      kill(t:read("CLIENT", "ID"))
      helper.eventually(function() return not t.link.keeper.session end)
      t:incr "a"
    end, { watch = { "a" } })
    assert.is_nil(results)
    assert.equal("transaction: the connection broke, and nothing was done", message)
    assert.equal("closed", code)
    assert.equal("1", client:get "a")
  end)

  it("what waits at the server fails", function()
    local client <close> = connect()
    task.group(function(group)
      local waiting <const> = group:spawn(client.blpop, client, "never", 0)
      helper.eventually(function() return client:info("clients"):find "blocked_clients:1" end)
      server:restart()
      assert.equal("closed", select(3, waiting:join()))
    end)
    client:rpush("never", "x")
    assert.same({ "never", "x" }, client:blpop("never", 0))
  end)
end)

describe("a Redis that is silent", function()
  helper.leaves_nothing(before_each, after_each)

  it("is given up after the client's time, and is asked again", function()
    local client <close> = connect { timeout = 0.1 }
    assert.equal("PONG", client:ping())
    server:freeze()
    task.group(function(group)
      local first <const> = group:spawn(client.get, client, "a")
      local second <const> = group:spawn(client.get, client, "b")
      local _ <const>, message <const>, code <const> = first:join()
      assert.matches("^GET: no reply from redis://127.0.0.1:%d+ within 0.1 s; what was under way may or", message)
      assert.equal("timeout", code)
      assert.equal("timeout", select(3, second:join()))
      assert.equal("timeout", select(3, client:get "c")) -- while it connects
    end)
    server:resume()
    helper.eventually(function() return client:ping() end)
  end)

  it("may be so as long as nothing is asked", function()
    local client <close> = connect { timeout = 0.3 }
    local id <const> = id_of(client)
    task.sleep(0.6)
    assert.equal(id, id_of(client))
  end)

  it("may be so as long as a command that waits says", function()
    local client <close> = connect { timeout = 0.2 } -- Redis looks ten times a second whose time is over
    task.group(function(group)
      local waiting <const> = group:spawn(client.blpop, client, "late", 0)
      local short <const> = group:spawn(client.blpop, client, "later", "0.3")
      task.sleep(0.4)
      client:rpush("late", "x")
      assert.same({ "late", "x" }, waiting:join())
      assert.same({ n = 1 }, table.pack(short:join()))
    end)
  end)

  it("is given up where a command that waits says how long", function()
    local client <close> = connect { timeout = 0.1 }
    assert.equal("PONG", client:ping())
    server:freeze()
    local _ <const>, message <const>, code <const> = client:blpop("a", "0.05")
    assert.equal("string", type(message))
    assert.equal("timeout", code)
    server:resume()
  end)
end)
