--- Time: answers any datagram with the local time, as "Wed Aug 15 20:35:08 2012".

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "udp://127.0.0.1:14000" }

net.serve(options.listen, function() return os.date "%a %b %e %H:%M:%S %Y" end)
