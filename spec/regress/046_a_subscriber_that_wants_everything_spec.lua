local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local wire <const> = require "perigee.zeromq.wire"
local zeromq <const> = require "perigee.zeromq"

-- It could have the publisher remember as many topics as it had memory for.
describe("a subscriber with too many topics", function()
  helper.leaves_nothing(before_each, after_each)
  local logged

  before_each(function()
    logged = {}
    log.configure { write = function(line) logged[#logged + 1] = line end }
  end)
  after_each(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  local function subscriber(url)
    local conn <const> = assert(net.connect(url))
    conn:write(wire.greeting, wire.ready "SUB")
    assert(wire.read_greeting(conn))
    wire.read(conn, 1000)
    return conn
  end

  it("is turned away, and its topics are forgotten", function()
    local wanted <const> = {}
    local pub <close> = zeromq.xpub { topics = 10000, on_subscribe = function(topic, is_on)
      wanted[topic] = is_on or nil
    end }
    local conn <close> = subscriber(tostring(assert(pub:bind "tcp://127.0.0.1:0").address))
    for i = 1, 100 do conn:write(wire.command("SUBSCRIBE", tostring(i))) end
    helper.eventually(function() return pub.count == 0 and #logged > 0 end)
    assert.truthy(logged[1]:find("it subscribes to too many topics", 1, true))
    assert.is_nil(next(wanted))
  end)

  it("has room again when it no longer wants some, and for one that it wants twice", function()
    local pub <close> = zeromq.pub { topics = 300 }
    local conn <close> = subscriber(tostring(assert(pub:bind "tcp://127.0.0.1:0").address))
    for _ = 1, 100 do
      conn:write(wire.command("SUBSCRIBE", "a"), wire.command("SUBSCRIBE", "b"), wire.command("SUBSCRIBE", "b"))
      conn:write(wire.command("CANCEL", "a"), wire.command("CANCEL", "b"), wire.command("CANCEL", "b"))
    end
    conn:write(wire.command("SUBSCRIBE", "c"), wire.command("SUBSCRIBE", "c"), wire.command("CANCEL", "c"))
    helper.eventually(function() return pub:send("c", "still wanted") == 1 end)
    assert.same({}, logged)
  end)
end)
