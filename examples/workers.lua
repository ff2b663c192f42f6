--- Work queues: some tasks put jobs, others do them. The order is first in first out ("fifo"), last in first out
--- ("lifo"), or by "priority", lower numbers first.
---   perigee run examples/workers.lua --set workers.workers=1

local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { workers = 3, orders = { "fifo", "lifo", "priority" } }

local JOBS <const> = { { "sweep", 3 }, { "cook", 1 }, { "read", 4 }, { "shop", 2 }, { "sleep", 5 } }

local function work(queue, finished)
  while true do
    local job <const> = queue:get() -- waits for one
    task.sleep(0)                   -- here the work would be; the other tasks have their turn meanwhile
    finished[#finished + 1] = job
    queue:done()
  end
end

for _, order in ipairs(options.orders) do
  local queue <const>, finished <const> = task.queue(order), {}
  for _, job in ipairs(JOBS) do queue:put(job[1], job[2]) end
  task.group(function(group)
    for _ = 1, options.workers do group:spawn(work, queue, finished) end
    queue:join()   -- until every job is done
    group:cancel() -- the workers wait for more: let them go
  end)
  print(("%-8s  %s"):format(order, table.concat(finished, " ")))
end
