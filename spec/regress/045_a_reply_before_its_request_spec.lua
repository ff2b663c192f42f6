local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local wire <const> = require "perigee.zeromq.wire"
local zeromq <const> = require "perigee.zeromq"

-- It was taken for the reply to the next request.
describe("a reply that nobody has asked for", function()
  helper.leaves_nothing(before_each, after_each)

  it("is dropped", function()
    local has_said = false
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conn:write(wire.greeting, wire.ready "REP")
      wire.read_greeting(conn)
      wire.read(conn, 1000)
      conn:write(wire.message { "", "unasked" }, wire.command("PING", "\0\10x"))
      has_said = wire.read(conn, 1000) == "command" -- the PONG comes when the message has been read
      while wire.read(conn, 1000) do conn:write(wire.message { "", "asked" }) end
    end))
    local req <close> = zeromq.req()
    req:connect(tostring(server.address))
    helper.eventually(function() return has_said end)
    assert.equal("asked", req:request "?")
    assert.equal("asked", req:request "?")
  end)
end)
