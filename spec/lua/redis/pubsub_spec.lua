--- perigee.redis with scripts/pubsub.lua in the place of a Redis.

local helper <const> = require "spec.helper"
local http <const> = require "spec.fixtures.http"
local redis <const> = require "perigee.redis"
local task <const> = require "perigee.task"

local function serve(port, more)
  local arguments <const> = "scripts/pubsub.lua --set pubsub.listen=tcp://127.0.0.1:%s --set pubsub.page=%s %s"
  return helper.serve(arguments:format(port, "http://127.0.0.1:0", more or ""))
end

for _, protocol in ipairs { 2, 3 } do
  describe("a client of pubsub.lua, in RESP" .. protocol .. ",", function()
    helper.leaves_nothing(before_each, after_each)

    local function connect(port, more)
      local options <const> = { protocol = protocol, backoff = { 0.001, 0.02 } }
      for name, value in pairs(more or {}) do options[name] = value end
      return redis.connect("redis://127.0.0.1:" .. port, options)
    end

    it("has keys, lists and commands that wait", function()
      local script <close>, _ <const>, port <const> = serve(0)
      local client <close> = connect(port, { name = "spec" })
      assert.equal("OK", client:set("a", "\0\r\n"))
      assert.equal("\0\r\n", client:get "a")
      assert.is_nil(client:get "b")
      assert.same({ 1, 2 }, client:pipeline(function(p)
        p:rpush("list", "x")
        p:rpush("list", "y")
      end))
      assert.same({ "list", "x" }, client:blpop("list", 1))
      task.group(function(group)
        local waiting <const> = group:spawn(client.blpop, client, "jobs", 0)
        helper.eventually(function() return waiting.state == "waiting" end)
        client:rpush("jobs", "one")
        assert.same({ "jobs", "one" }, waiting:join())
      end)
      assert.equal("failed", select(3, client:nonsense()))
      client:close()
      script:signal "TERM"
      assert.equal(0, script:wait())
    end)

    it("gets what is published, and subscribes again after a restart", function()
      local log <close> = http.log()
      local script <const>, _ <const>, port <const> = serve(0)
      local client <close> = connect(port)
      local news <close> = client:subscribe("news", "sport")
      local all <close> = client:psubscribe("n*", "*s")
      assert.equal("number", type(client:publish("news", "one")))
      assert.same({ "one", "news" }, { news:receive(10) })
      assert.same({ "one", "news" }, { all:receive(10) })
      script:__close()
      local again <close> = serve(port)
      helper.eventually(function() return (client:publish("news", "two") or 0) >= 2 end)
      local text <const>, _ <const>, lost <const> = news:receive(10)
      assert.same({ "two", "disconnected" }, { text, lost.reason })
      local heard <const>, _ <const>, gap <const> = all:receive(10)
      assert.same({ "two", "disconnected" }, { heard, gap.reason })
      assert.equal(0, all.waiting)
      assert.matches("interrupted", tostring(log))
      client:close()
      again:signal "TERM"
      assert.equal(0, again:wait())
    end)

    it("has to know the password", function()
      local script <close>, _ <const>, port <const> = serve(0, "--set pubsub.password=secret")
      local client <close> = connect(port, { password = "secret" })
      assert.equal("PONG", client:ping())
      local wrong <close> = connect(port, { password = "wrong" })
      assert.equal("denied", select(3, wrong:ping()))
      local none <close> = connect(port)
      assert.equal("denied", select(3, none:ping()))
      script:signal "TERM"
      assert.equal(0, script:wait())
    end)
  end)
end
