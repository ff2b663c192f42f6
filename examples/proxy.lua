--- A TCP proxy: whoever connects is connected to the upstream, and bytes go both ways until both sides have ended.
---   perigee run scripts/echo.lua examples/proxy.lua
---   printf 'hi\n' | nc -q1 127.0.0.1 7200

local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { listen = "tcp://127.0.0.1:7200", upstream = "tcp://127.0.0.1:7000" }

--- Passes on what comes, then that it has ended, or that it broke.
local function forward(from, to)
  local bytes <const> = from:pipe(to)
  if bytes then to:shutdown() else to:abort() end
end

net.serve(options.listen, function(client)
  local upstream <close>, message <const> = net.connect(options.upstream)
  if not upstream then
    log.warn(message, { client = tostring(client.peer) })
    return
  end
  -- One task for each direction; the group waits until both have ended, and the connections close after that.
  task.group(function(group)
    group:spawn(forward, client, upstream)
    group:spawn(forward, upstream, client)
  end)
end)
