local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local pubsub <const> = require "spec.fixtures.pubsub"
local topics <const> = require "perigee.topics"

local LONG <const> = ("x"):rep(1000000)

-- Names of a megabyte were kept: 10,000 of each subscriber, and as many that were published to as there were matches to
-- remember. To match one of 60,000 bytes with a glob of 30,000 took 4 seconds.
describe("long names of topics", function()
  helper.leaves_nothing(before_each, after_each)

  it("are refused, and what they match is not looked for", function()
    local server <close> = pubsub.start()
    local client <close> = pubsub.client(server)
    for _, command in ipairs { "SUBSCRIBE", "PSUBSCRIBE" } do
      local problem <const> = client:call(command, LONG)
      assert.equal("ERR subscribe: a topic of 1000000 bytes: it may have 1024 at most", problem.message)
    end
    assert.matches("ERR publish: a topic of", client:call("PUBLISH", LONG, "text").message)
    assert.matches("ERR list: a topic of", client:call("PUBSUB", "CHANNELS", LONG).message)
    assert.same({}, client:call("CONFIG", "GET", ("[a-z]"):rep(100000)))
    local name <const> = ("x"):rep(1024)
    assert.same({ "subscribe", name, 1 }, client:call("SUBSCRIBE", name))
    local url <const> = server.page .. "/topics/" .. name .. "x"
    assert.equal(503, assert(http.request { url = url }).status)
    assert.equal(413, assert(http.request { url = url, body = "text" }).status)
  end)

  it("of which many are published to, are not all remembered for the globs", function()
    local all <const> = topics.new()
    local near <const>, far <const> = require("perigee.net").pair()
    assert(all:match("none*", topics.event, near))
    collectgarbage()
    local before <const> = collectgarbage "count"
    for i = 1, 20000 do all:publish(("%d %s"):format(i, LONG:sub(1, 1000)), "text") end
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 16 << 10)
    near:close()
    far:close()
  end)
end)
