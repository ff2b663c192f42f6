local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local pubsub <const> = require "spec.fixtures.pubsub"
local resp <const> = require "perigee.codec.resp"

--- What the server says to some bytes up to its end of the connection.
local function ask(server, bytes)
  local conn <close> = assert(net.connect(server.address, { timeout = 20 }))
  conn:write(bytes)
  conn:shutdown()
  return (conn:read_all())
end

local function resident(process)
  local file <close> = assert(io.open(("/proc/%d/smaps_rollup"):format(process.pid)))
  return tonumber(file:read "a":match "Rss:%s+(%d+) kB") * 1024
end

describe("the pubsub script and hostile peers:", function()
  helper.leaves_nothing(before_each, after_each)

  it("lengths that nothing could have are refused at once, without memory for them", function()
    local server <close> = pubsub.start()
    assert.equal("+PONG\r\n", ask(server, "PING\r\n"))
    local before <const> = resident(server)
    for bytes, problem in pairs {
      ["*1\r\n$1099511627776\r\nx"] = "invalid bulk length",
      ["*1000000000\r\n$1\r\na\r\n"] = "invalid multibulk length",
      ["*2\r\n$4\r\nECHO\r\n$9223372036854775807\r\n"] = "invalid bulk length",
      ["*1\r\n$-1099511627776\r\n"] = "invalid bulk length", [("*1\r\n"):rep(1000)] = "expected '$', got '*'",
      [("x"):rep(70000)] = "too big inline request", ["\0\1\2\r\n*3\0\r\n"] = "invalid multibulk length",
    } do
      local expected <const> = ("-ERR Protocol error: %s\r\n"):format(problem)
      assert.equal(expected, ask(server, bytes):sub(-#expected))
    end
    assert.is_true(resident(server) - before < 8 << 20)
    assert.equal("+PONG\r\n", ask(server, "PING\r\n"))
  end)

  it("a command that is cut short at whatever byte does nothing", function()
    local server <close> = pubsub.start()
    local whole <const> = resp.command("SET", "cut", "value")
    for cut = 1, #whole - 1 do
      local said <const> = ask(server, whole:sub(1, cut))
      assert.is_true(said == "" or said:find "^-ERR Protocol error: closed by the peer in the middle" ~= nil)
    end
    assert.equal("$-1\r\n", ask(server, "GET cut\r\n"))
    assert.equal("+OK\r\n", ask(server, whole))
  end)

  it("a command beyond the limit ends its connection, not others", function()
    local server <close> = pubsub.start "--set pubsub.message_limit=2000"
    local other <close> = pubsub.client(server)
    assert.equal("OK", other:call("SET", "a", ("x"):rep(1900)))
    assert.matches("ERR Protocol error: invalid bulk length", other:call("SET", "a", ("x"):rep(2001)).message)
    assert.matches("too big a command", ask(server, resp.command("DEL", table.unpack((function()
      local words <const> = {}
      for i = 1, 300 do words[i] = "word" end
      return words
    end)()))))
    assert.equal("+PONG\r\n", ask(server, "PING\r\n"))
  end)

  it("who reads nothing of what it asks for is held up, and others are not", function()
    local server <close> = pubsub.start()
    local other <close> = pubsub.client(server)
    other:call("SET", "big", ("x"):rep(500000))
    local before <const> = resident(server)
    local lazy <close> = pubsub.client(server)
    lazy.conn:write(resp.command("GET", "big"):rep(1000)) -- half a gigabyte
    lazy.conn:flush()
    assert.equal(500000, #lazy:next())
    for _ = 1, 100 do assert.equal("PONG", other:call "PING") end
    assert.is_true(resident(server) - before < 32 << 20)
  end)

  it("a subscriber that is too slow is closed, and the log says so", function()
    local server <close> = pubsub.start "--set pubsub.backlog=100000"
    local control <close> = pubsub.client(server)
    local lazy <const> = assert(net.connect(server.address, { timeout = 20, receive_buffer = 4096 }))
    lazy:write(resp.command("SUBSCRIBE", "news"))
    lazy:flush()
    helper.eventually(function() return control:call("PUBSUB", "NUMSUB", "news")[2] == 1 end)
    local text <const>, published = ("x"):rep(10000), 0
    while control:call("PUBLISH", "news", text) == 1 do published = published + 1 end
    assert.is_true(published >= 10 and published < 2000)
    server:wait_for "subscribers that were too slow are closed +count=1 topic=news"
    assert.same({ "news", 0 }, control:call("PUBSUB", "NUMSUB", "news"))
    assert.is_nil((lazy:read_all()))
    lazy:close()
  end)

  it("subscriptions, topics and clients are as many as the options allow", function()
    local server <close> = pubsub.start("--set pubsub.subscriptions_limit=3 --set pubsub.topics_limit=4 " ..
      "--set pubsub.clients_limit=3")
    local one <close> = pubsub.client(server)
    local two <close> = pubsub.client(server)
    one:send("SUBSCRIBE", "a", "b", "c", "d")
    for count, name in ipairs { "a", "b", "c" } do assert.same({ "subscribe", name, count }, one:next()) end
    assert.equal("ERR too many subscriptions", one:next().message)
    two:send("SUBSCRIBE", "a", "e", "f")
    assert.same({ "subscribe", "a", 1 }, two:next())
    assert.same({ "subscribe", "e", 2 }, two:next())
    assert.equal("ERR subscribe: there are 4 topics already", two:next().message)
    local answer <const> = assert(http.request { url = server.page .. "/topics/g" })
    assert.equal(503, answer.status)
    assert.same({ "unsubscribe", "a", 2 }, one:call("UNSUBSCRIBE", "a"))
    assert.same({ "unsubscribe", "a", 1 }, two:call("UNSUBSCRIBE", "a"))
    assert.same({ "subscribe", "g", 2 }, two:call("SUBSCRIBE", "g"))
  end)

  it("topics that were left without a word make room", function()
    local server <close> = pubsub.start "--set pubsub.topics_limit=1500"
    local control <close> = pubsub.client(server)
    for round = 1, 3 do
      local many <close> = pubsub.client(server)
      local names <const> = {}
      for i = 1, 1000 do names[i] = ("topic %d %d"):format(round, i) end
      many:send("SUBSCRIBE", table.unpack(names))
      for i = 1, 1000 do assert.equal(i, many:next()[3]) end
      many.conn:abort()
      helper.eventually(function() return #control:call("PUBSUB", "CHANNELS") == 0 end)
    end
  end)
end)

describe("the pubsub script with a password", function()
  helper.leaves_nothing(before_each, after_each)

  local PASSWORD <const> = "--set pubsub.password=secret"

  it("answers nobody who has not given it", function()
    local server <close> = pubsub.start(PASSWORD)
    local client <close> = pubsub.client(server)
    for _, words in ipairs { { "PING" }, { "GET", "a" }, { "SUBSCRIBE", "a" }, { "PUBLISH", "a", "b" },
      { "CLIENT", "ID" }, { "COMMAND" }, { "INFO" }, { "BLPOP", "a", "0" } } do
      assert.equal("NOAUTH Authentication required.", client:call(table.unpack(words)).message)
    end
    assert.equal("WRONGPASS", client:call("AUTH", "wrong").kind)
    assert.equal("WRONGPASS", client:call("AUTH", "nobody", "secret").kind)
    assert.equal("NOAUTH", client:call("HELLO", 3).kind)
    assert.equal("WRONGPASS", client:call("HELLO", 3, "AUTH", "default", "wrong").kind)
    assert.equal("OK", client:call("AUTH", "secret"))
    assert.equal("PONG", client:call "PING")
    assert.equal("RESET", client:call "RESET")
    assert.equal("NOAUTH", client:call("PING").kind)
    assert.equal(3, client:call("HELLO", 3, "AUTH", "default", "secret").proto)
    assert.equal("PONG", client:call "PING")
  end)

  it("takes but small commands before, and large ones after", function()
    local server <close> = pubsub.start(PASSWORD)
    local large <const> = ("x"):rep(100000)
    local client <close> = pubsub.client(server)
    assert.matches("invalid bulk length", client:call("ECHO", large).message)
    local known <close> = pubsub.client(server)
    known.conn:write(resp.command("AUTH", "secret"), resp.command("ECHO", large))
    assert.equal("OK", known:next())
    assert.equal(large, known:next())
  end)

  it("wants it by HTTP too", function()
    local server <close> = pubsub.start(PASSWORD)
    local url <const> = server.page .. "/topics/news"
    local function status(authorization)
      local headers <const> = { Authorization = authorization }
      return assert(http.request { url = url, method = "POST", body = "x", headers = headers }).status
    end
    assert.equal(401, status(nil))
    assert.equal(401, status "Basic ZGVmYXVsdDp3cm9uZw==")
    assert.equal(200, status "Basic ZGVmYXVsdDpzZWNyZXQ=")
  end)

  it("serves redis-cli and python3-redis that know it", function()
    local server <close> = pubsub.start(PASSWORD)
    for _, way in ipairs { "-a secret", "-3 --user default --pass secret" } do
      assert.equal("PONG\n", (helper.run(("redis-cli -p %d --no-auth-warning %s ping"):format(server.port, way))))
    end
    assert.equal("True\n", (helper.python([[
import redis, sys
print(redis.Redis(port=int(sys.argv[1]), password='secret').ping())
]], server.port)))
  end)
end)
