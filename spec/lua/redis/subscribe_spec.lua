local fixture <const> = require "spec.fixtures.redis"
local helper <const> = require "spec.helper"
local http <const> = require "spec.fixtures.http"
local redis <const> = require "perigee.redis"
local task <const> = require "perigee.task"

local FAST <const> = { 0.001, 0.02 } -- seconds

local server

setup(function() server = fixture.start { port = true, user = { "limited on >pw ~* &mine:* +@all" } } end)
teardown(function() server:__close() end)

local function connect(more)
  local options <const> = { backoff = FAST }
  for name, value in pairs(more or {}) do options[name] = value end
  return redis.connect(server.url, options)
end

--- The server closes the connections of subscribers.
local function kill()
  server:cli "CLIENT KILL TYPE pubsub"
end

for _, protocol in ipairs { 2, 3 } do
  describe("a subscription by RESP" .. protocol, function()
    helper.leaves_nothing(before_each, after_each)

    it("gets what is published from the moment it is there", function()
      local client <close> = connect { protocol = protocol }
      local news <close> = client:subscribe("news", "sport")
      assert.equal(1, client:publish("news", "one"))
      assert.equal(1, client:publish("sport", "two"))
      assert.equal(0, client:publish("weather", "none"))
      assert.same({ "one", "news", n = 2 }, table.pack(news:receive(), select(2, "x", "news")))
      assert.same({ "two", "sport" }, { news:receive() })
      assert.same({ nil, "receive: no message came in time", "timeout" }, { news:receive(0.01) })
    end)

    it("can be of patterns, and gets each message once", function()
      local client <close> = connect { protocol = protocol }
      local all <close> = client:psubscribe("a.*", "*.b", "a.?")
      for _, channel in ipairs { "a.b", "a.c", "x.b", "x.c" } do client:publish(channel, "to " .. channel) end
      client:publish("a.end", "end")
      local got <const> = {}
      for text in all do
        if text == "end" then break end
        got[#got + 1] = text
      end
      assert.same({ "to a.b", "to a.c", "to x.b" }, got)
    end)

    it("is one of many on one connection", function()
      local client <close> = connect { protocol = protocol, name = "many" .. protocol }
      local subscriptions <const>, count <const> = {}, helper.is_tiny and 30 or 300
      task.group(function(group)
        for i = 1, count do
          group:spawn(function() subscriptions[i] = assert(client:subscribe("shared", "own" .. i)) end)
        end
      end)
      assert.equal(1, client:publish("shared", "all"))
      assert.equal(1, client:publish("own7", "seven"))
      for i = 1, count do assert.equal("all", (subscriptions[i]:receive())) end
      assert.equal("seven", (subscriptions[7]:receive()))
      assert.equal(0, subscriptions[8].waiting)
      for i = 1, count do subscriptions[i]:close() end
      helper.eventually(function() return client:publish("shared", "nobody") == 0 end)
      assert.same({}, client:pubsub "CHANNELS")
    end)

    it("ends the server's work when the last one closes", function()
      local client <close> = connect { protocol = protocol }
      local first <const>, second <const> = client:subscribe "x", client:subscribe "x"
      first:close()
      first:close()
      assert.equal(1, client:publish("x", "for the second"))
      assert.equal("for the second", (second:receive()))
      second:close()
      local third <close> = client:subscribe "x" -- while the server is told of the end
      assert.equal(1, client:publish("x", "for the third"))
      assert.equal("for the third", (third:receive()))
      assert.same({ nil, "receive: the subscription is closed", "closed" }, { second:receive() })
    end)

    it("finishes with what the server has sent before, and the kernel still has", function()
      local client <close> = connect { protocol = protocol }
      local news <const>, other <close> = client:subscribe "news", client:subscribe "news"
      local all <const> = client:psubscribe "n*"
      for i = 1, 3 do os.execute(("redis-cli -s %s PUBLISH news %d >/dev/null"):format(server.path, i)) end -- no turn
      assert.equal(0, news.waiting)
      news:finish()
      all:finish()
      for _, subscription in ipairs { news, all } do
        for i = 1, 3 do assert.same({ tostring(i), "news" }, { subscription:receive() }) end
        assert.same({ nil, "receive: the subscription is closed", "closed" }, { subscription:receive() })
      end
      helper.eventually(function() return client:publish("news", "later") == 1 end)
      for i = 1, 3 do assert.equal(tostring(i), (other:receive())) end
      assert.equal("later", (other:receive()))
    end)

    it("finishes where the user may not PING", function()
      server:cli "ACL SETUSER mute on '>pw' '~*' '&*' +@all -ping"
      local client <close> = connect { protocol = protocol, user = "mute", password = "pw" }
      local news <const> = client:subscribe "news"
      client:publish("news", "one")
      news:finish()
      assert.equal("one", (news:receive()))
      assert.same({ nil, "receive: the subscription is closed", "closed" }, { news:receive() })
    end)

    it("finishes when the connection breaks, or the server does not answer, and tells of it", function()
      local log <close> = http.log()
      local client <close> = connect { protocol = protocol, timeout = 0.1 }
      for _, stop in ipairs { server.freeze, server.stop } do
        local told <const> = {}
        local news <const> = client:subscribe("news", { on_lost = function(lost) told[#told + 1] = lost.reason end })
        stop(server)
        news:finish()
        local text <const>, message <const>, code <const> = news:receive(20)
        assert.same({ nil, "closed" }, { text, code })
        assert.equal("receive: the subscription is closed, and what came last is lost", message)
        helper.eventually(function() return told[1] == "disconnected" end)
        if server.process then server:resume() else server:start() end
      end
      assert.equal("string", type(tostring(log)))
    end)

    it("is made again after a break, and tells how long it was gone", function()
      local log <close> = http.log()
      local client <close> = connect { protocol = protocol }
      local told <const> = {}
      local news <close> = client:subscribe("news", "sport", { on_lost = function(lost) told[#told + 1] = lost end })
      local all <close> = client:psubscribe "*"
      client:publish("news", "before")
      assert.same({ "before", "news" }, { news:receive() })
      kill()
      helper.eventually(function() return told[1] end)
      assert.equal("disconnected", told[1].reason)
      assert.is_true(told[1].seconds >= 0 and told[1].seconds < 20)
      helper.eventually(function() return client:publish("news", "after") == 2 end)
      local text <const>, channel <const>, lost <const> = news:receive()
      assert.same({ "after", "news", "disconnected" }, { text, channel, lost.reason })
      client:publish("news", "later")
      assert.same({ "later", "news" }, { news:receive() })
      assert.same({ "before", "news" }, { all:receive() })
      assert.equal("disconnected", select(3, all:receive()).reason)
      assert.matches("subscriptions are interrupted", tostring(log))
    end)

    it("outlasts a restart of the server", function()
      local log <close> = http.log()
      local client <close> = connect { protocol = protocol }
      local news <close> = client:subscribe "news"
      server:restart()
      helper.eventually(function() return client:publish("news", "again") == 1 end)
      local text <const>, _ <const>, lost <const> = news:receive()
      assert.same({ "again", "disconnected" }, { text, lost.reason })
      assert.is_true(lost.seconds > 0)
      assert.matches("interrupted", tostring(log))
    end)

    it("is denied where the user may not hear, and others go on", function()
      local client <close> = connect { protocol = protocol, user = "limited", password = "pw" }
      local mine <close> = client:subscribe "mine:a"
      local subscription <const>, message <const>, code <const> = client:subscribe("mine:b", "yours:b")
      assert.is_nil(subscription)
      assert.matches("^subscribe to 'yours:b' on redis%+unix://%S+: NOPERM ", message)
      assert.equal("denied", code)
      assert.equal("denied", select(3, client:psubscribe "*"))
      helper.eventually(function() return client:publish("mine:b", "x") == 0 end)
      assert.equal(1, client:publish("mine:a", "y"))
      assert.equal("y", (mine:receive()))
    end)

    it("ends with the reason when it is denied after a break", function()
      local log <close> = http.log()
      local client <close> = connect { protocol = protocol, user = "passing", password = "pw" }
      server:cli "ACL SETUSER passing on '>pw' '~*' '&*' +@all"
      local news <close> = client:subscribe "news"
      server:cli "ACL DELUSER passing" -- which closes its connections
      local text <const>, message <const>, code <const> = news:receive()
      assert.is_nil(text)
      assert.matches("WRONGPASS", message)
      assert.equal("denied", code)
      assert.matches("interrupted", tostring(log))
    end)

    it("is given up with the task that asks for it", function()
      local client <close> = connect { protocol = protocol, timeout = 20 }
      local first <close> = client:subscribe "first"
      server:freeze()
      local _ <const>, _ <const>, code <const> = task.deadline(0.02, client.subscribe, client, "second")
      assert.equal("timeout", code)
      server:resume()
      helper.eventually(function() return client:publish("second", "x") == 0 end)
      assert.equal(1, client:publish("first", "y"))
      assert.equal("y", (first:receive()))
    end)
  end)
end

describe("a subscriber that is too slow", function()
  helper.leaves_nothing(before_each, after_each)

  it("loses the oldest messages, and is told how many", function()
    local client <close> = connect()
    local told <const> = {}
    local slow <close> = client:subscribe("x", { limit = 3, on_lost = function(lost) told[#told + 1] = lost end })
    local quick <close> = client:subscribe("x", { limit = 100 })
    for i = 1, 10 do client:publish("x", tostring(i)) end
    for _ = 1, 10 do quick:receive() end
    local text <const>, _ <const>, lost <const> = slow:receive()
    assert.same({ "8", { reason = "slow", count = 7 } }, { text, lost })
    assert.same({ "9", "x" }, { slow:receive() })
    assert.equal("slow", told[1].reason)
  end)

  it("is closed if that is the policy, and gets what has come", function()
    local client <close> = connect()
    local slow <close> = client:subscribe("x", { limit = 2, policy = "close" })
    for i = 1, 5 do client:publish("x", tostring(i)) end
    helper.eventually(function() return not slow.is_open end)
    assert.equal("1", (slow:receive()))
    assert.equal("2", (slow:receive()))
    assert.equal("limit", select(3, slow:receive()))
    helper.eventually(function() return client:publish("x", "nobody") == 0 end)
  end)
end)

describe("subscribing", function()
  helper.leaves_nothing(before_each, after_each)

  it("checks what it is given", function()
    local client <close> = connect()
    for _, wrong in ipairs { {}, { 5 }, { "x", { limit = 0 } }, { "x", { policy = "wait" } }, { "x", { lost = 1 } } } do
      assert.has_error(function() client:subscribe(table.unpack(wrong)) end)
    end
  end)

  it("fails when the server does not answer", function()
    local log <close> = http.log()
    local client <close> = connect { timeout = 0.1 }
    local first <close> = client:subscribe "first"
    server:freeze()
    local _ <const>, message <const>, code <const> = client:subscribe "second"
    assert.matches("^subscribe on redis%+unix:%S+: no answer within 0.1 s$", message)
    assert.equal("timeout", code)
    server:resume()
    helper.eventually(function() return client:publish("first", "x") == 1 end)
    assert.equal("x", (first:receive()))
    assert.equal("string", type(tostring(log)))
  end)

  it("finds out that the server is gone without a word", function()
    local log <close> = http.log()
    local client <close> = connect { timeout = 0.1 }
    local news <close> = client:subscribe "news"
    server:freeze()
    helper.eventually(function() return tostring(log):find "no answer from" end)
    server:resume()
    helper.eventually(function() return client:publish("news", "x") == 1 end)
    local _ <const>, _ <const>, lost <const> = news:receive()
    assert.equal("disconnected", lost.reason)
    assert.is_true(lost.seconds >= 0.1)
  end)
end)
