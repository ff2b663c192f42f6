--- A UDP client: asks for the time with an empty datagram.
---   perigee run scripts/time.lua
---   perigee run examples/time_client.lua

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { connect = "udp://127.0.0.1:14000", tries = 3 }

-- A connected datagram socket sends to that address, and hears from it alone.
local socket <close> = assert(net.udp(nil, { connect = options.connect, timeout = 1 }))

-- Datagrams may get lost on the way, so a client asks again.
local function ask()
  local answer, message
  for _ = 1, options.tries do
    socket:send ""
    answer, message = socket:receive()
    if answer then return answer end
  end
  error(message)
end

print("It is " .. ask())
