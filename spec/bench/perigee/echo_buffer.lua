-- Echo with one buffer for each connection: no string is made on the way.
local buffer <const> = require "perigee.buffer"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:7000" }
local SIZE <const> = 65536

net.serve(options.listen, function(conn)
  local bytes <const> = buffer.new(SIZE)
  local count = conn:read_into(bytes, 1)
  while count do
    conn:write(bytes:view(1, count))
    count = conn:read_into(bytes, 1)
  end
end)
