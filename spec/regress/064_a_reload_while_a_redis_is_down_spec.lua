--- A script that opens a bus on a Redis which is down waited for it as long as a main chunk may take: a reload failed
--- because of that, and did not say why.

local helper <const> = require "spec.helper"
local redis <const> = require "spec.fixtures.redis"
local workers <const> = require "spec.fixtures.workers"

local SCRIPT <const> = [[
  assert(require("perigee.bus").open "%s")
  require("perigee.net").serve("tcp://127.0.0.1:0", print)
]]

describe("a reload", function()
  helper.leaves_nothing(before_each, after_each)

  it("says that the Redis of a script cannot be reached", function()
    local server <close> = redis.start()
    local service <close> = workers.serve(SCRIPT:format(server.url), "")
    server:kill()
    local output <const>, status <const> = service:command "reload"
    assert.equal(1, status)
    assert.matches("open the bus: connect to unix:.*redis.sock: ", output)
  end)
end)
