--- A thousand clients in one process, on one thread: each connects, talks to an echo service for some rounds, leaves.
---   perigee run scripts/echo.lua
---   perigee run examples/thousand_clients.lua

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { connect = "tcp://127.0.0.1:7000", clients = 1000, rounds = 10 }

local connected, echoes = 0, 0
local everyone <const> = task.channel()

local function talk(number)
  local conn <close> = assert(net.connect(options.connect))
  connected = connected + 1
  if connected == options.clients then everyone:close() end
  everyone:receive() -- until all are connected
  for round = 1, options.rounds do
    local line <const> = ("client %d, round %d"):format(number, round)
    conn:write(line, "\n")
    assert(conn:read_line() == line)
    echoes = echoes + 1 -- no lock: a task gives way to another only where it waits
  end
end

task.group(function(group)
  for number = 1, options.clients do group:spawn(talk, number) end
end)
print(("%d clients at a time, %d echoes"):format(connected, echoes))
