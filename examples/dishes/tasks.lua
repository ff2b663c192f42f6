--- Dishes are washed by one task and dried by others, with a queue between them: one thread, and nothing blocks.
---   perigee run examples/dishes/tasks.lua --set tasks.dryers=3

local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { dryers = 2, wash = 0.5, dry = 1.0 } -- the last two in seconds

local queue <const> = task.queue()

local function wash(dishes)
  for _, dish in ipairs(dishes) do
    print("washing " .. dish)
    task.sleep(options.wash)
    queue:put(dish)
  end
end

local function dry()
  while true do
    local dish <const> = queue:get() -- waits for one
    print("drying " .. dish)
    task.sleep(options.dry)
    queue:done()
  end
end

task.group(function(group)
  for _ = 1, options.dryers do group:spawn(dry) end
  wash { "salad", "bread", "entree", "dessert" }
  queue:join()   -- until each dish that was put is done
  group:cancel() -- the dryers wait for more
end)
print "all is dry"
