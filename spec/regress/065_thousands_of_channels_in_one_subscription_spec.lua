--- Each confirmed channel of a subscription had all its others looked at: for 100,000 of them that took minutes.

local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local redis <const> = require "perigee.redis"
local servers <const> = require "spec.fixtures.redis"

local CHANNELS <const> = 50000

describe("a subscription", function()
  helper.leaves_nothing(before_each, after_each)
  before_each(function() log.configure { write = function() end } end)
  after_each(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  it("may be to very many channels, some of which others have", function()
    local server <close> = servers.start()
    local client <close> = redis.connect(server.url)
    local names <const> = {}
    for i = 1, CHANNELS do names[i] = "channel " .. i end
    local some <close> = assert(client:subscribe(names[1], names[CHANNELS], names[1]))
    local all <close> = assert(client:subscribe(table.unpack(names)))
    server:restart()
    local function hear(subscription, index)
      helper.eventually(function()
        assert(client:publish(names[index], "heard"))
        return subscription:receive(0.1)
      end)
    end
    hear(all, CHANNELS // 2)
    hear(some, CHANNELS)
  end)

  it("waits for no command once the client is closed, and says that nothing was done", function()
    local server <close> = servers.start()
    local client <close> = redis.connect(server.url)
    assert(client:ping())
    client:close()
    assert.same({ nil, "PING: the client is closed", "closed" }, { client:ping() })
  end)
end)
