--- perigee new udp NAME: datagrams.

return {
  try = "echo hi | nc -u -w1 127.0.0.1 9000",
  service = [==[
--- {{NAME}}: answers datagrams, over UDP.
---   perigee run {{NAME}}.lua --watch     and in another terminal: echo hi | nc -u -w1 127.0.0.1 9000

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

-- Each option can be set from outside: perigee run {{NAME}}.lua --set {{NAME}}.listen=udp://*:9000
local options <const> = service.options { listen = "udp://127.0.0.1:9000", longest = 512 }

-- What is to survive a reload is kept by a name; all else is made anew. Save this file under `run --watch`, or say
-- `perigee reload`: the count goes on. When its form changes, raise its version, and bring the old along:
--   service.state("seen", initial, { version = 2, migrate = function(old, from) return { count = old.count } end })
local seen <const> = service.state("seen", function() return { count = 0 } end)

-- A task for each datagram: it may wait, say for another server, without holding up the others. What it returns is the
-- answer; nil is none. Whose datagram it was is in `from`, but a sender can lie about that: so an answer should not be
-- much longer than the question.
net.serve(options.listen, function(message, from)
  if #message > options.longest then return end
  seen.count = seen.count + 1
  return ("%d: %s, %s\n"):format(seen.count, message:match "^%s*(.-)%s*$", from.host)
end)

-- Next: string.unpack reads binary messages; the handler's third argument is the socket, whose :send(message, to)
-- sends when nobody has asked.
]==],
  spec = [==[
--- perigee test {{SPEC}}

local net <const> = require "perigee.net"
local testing <const> = require "perigee.testing"

local script <const> = (debug.getinfo(1, "S").source:match "^@(.*/)" or "") .. "../{{NAME}}.lua"

describe("{{NAME}}", function()
  local server

  local function connect()
    return assert(net.udp(nil, { connect = server.address, timeout = 5 }))
  end

  -- A server of its own for each test, at a free port.
  before_each(function() server = testing.run(script, { listen = "udp://127.0.0.1:0", longest = 10 }) end)
  after_each(function() server:close() end)

  it("counts the datagrams, and answers each", function()
    local socket <close> = connect()
    for count = 1, 2 do
      socket:send "hello\n"
      assert.equal(count .. ": hello, 127.0.0.1\n", (socket:receive()))
    end
  end)

  it("says nothing to a datagram that is too long", function()
    local socket <close> = connect()
    socket:send(("x"):rep(11))
    socket:send "hi"
    assert.equal("1: hi, 127.0.0.1\n", (socket:receive()))
  end)
end)
]==],
}
