--- Dishes are washed by this process and dried by others, which run this same script: what they get and give goes over
--- their channels.
---   perigee run examples/dishes/processes.lua --set processes.dryers=3

local process <const> = require "perigee.process"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { dryers = 2, wash = 0.5, dry = 1.0 } -- the last two in seconds

local washer <const> = process.channel()
if washer then -- this is a dryer
  for dish, seconds in washer:messages() do
    print(("drying %s in process %d"):format(dish, process.pid))
    task.sleep(seconds)
    washer:send("dried", dish)
  end
  return -- the washer has closed the channel
end

local function hire(queue)
  local dryer <close> = assert(process.start(service.path "processes.lua", { name = "dryer" }))
  for dish in queue.get, queue do
    if dish == "quit" then break end
    dryer.channel:send(dish, options.dry)
    if not dryer.channel:receive() then error(tostring(dryer) .. " has let the dish fall") end
    queue:done()
  end
  dryer.channel:close()
  dryer:wait()
end

local queue <const>, dishes <const> = task.queue(), { "salad", "bread", "entree", "dessert" }
task.group(function(group)
  for _ = 1, options.dryers do group:spawn(hire, queue) end
  for _, dish in ipairs(dishes) do
    print("washing " .. dish)
    task.sleep(options.wash)
    queue:put(dish)
  end
  queue:join()
  for _ = 1, options.dryers do queue:put "quit" end
end)
print "all is dry"
