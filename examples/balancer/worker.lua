--- A worker of scripts/balancer.lua: serves the clients that are passed to it, and tells when one has left.
---   perigee run examples/balancer/worker.lua

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { balancer = "unix:@perigee-balancer", name = "lua" }

local balancer <const> = assert(net.connect(options.balancer))
balancer.timeout = math.huge -- there may be no client for a long time

local function serve(client)
  local _ <close> = client
  for line in client:lines() do client:write(options.name, ": ", line, "\n") end
  balancer:write "A"
end

task.spawn(function()
  repeat
    local client <const>, _ <const>, code <const> = balancer:receive_fd()
    if client then task.spawn(serve, client) end
  until code == "closed"
  print "the balancer has ended"
end)
