-- Echo with strings, as anyone would first write it.
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:7000" }

net.serve(options.listen, function(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end)
