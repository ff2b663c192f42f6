--- Echo through a queue for each client: one task reads lines and puts them, another takes them and sends them. With
--- "priority" short lines overtake long ones, with "lifo" the newest line comes first, when several wait.
---   perigee run examples/queue_echo.lua --set queue_echo.order=priority

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { listen = "tcp://127.0.0.1:7300", order = "fifo", limit = 1000 }

local function send(conn, queue)
  while true do
    assert(conn:write(queue:get(), "\n"))
    queue:done()
  end
end

net.serve(options.listen, function(conn)
  -- Past the limit put waits, so the client is read no faster than it reads.
  local queue <const> = task.queue(options.order, { limit = options.limit })
  task.group(function(group)
    local sender <const> = group:spawn(send, conn, queue)
    for line in conn:lines() do queue:put(line, #line) end
    queue:join() -- all was sent
    sender:cancel()
  end)
end)
