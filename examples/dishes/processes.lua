--- Dishes are washed by this process and dried by others, which run the same script and have a channel to this one.
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

local queue <const> = task.queue()
local function hire()
  local dryer <close> = assert(process.start(service.path "processes.lua", { name = "dryer" }))
  while true do
    dryer.channel:send(queue:get(), options.dry)
    assert(dryer.channel:receive()) -- until it is dry
    queue:done()
  end
end -- closed, also when this task is cancelled: the dryer is told to end

task.group(function(group)
  for _ = 1, options.dryers do group:spawn(hire) end
  for _, dish in ipairs { "salad", "bread", "entree", "dessert" } do
    print("washing " .. dish)
    task.sleep(options.wash)
    queue:put(dish)
  end
  queue:join()
  group:cancel()
end)
print "all is dry"
