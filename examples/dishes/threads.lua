--- Dishes are washed by a task and dried on threads: drying is hard work here, and task.offload gives it to another CPU
--- while this one goes on washing.
---   perigee run examples/dishes/threads.lua --set threads.rounds=1000000

local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { dryers = 2, wash = 0.5, rounds = 20000000 }

-- Runs on a thread, with a Lua state of its own: the arguments are copied there, the results back.
local function rub(dish, rounds)
  local water = 1.0
  for _ = 1, rounds do water = water * 0.999 end
  return ("%s is dry: %.3f of its water is left"):format(dish, water)
end

local queue <const> = task.queue()

local function dry()
  while true do
    local dish <const> = queue:get()
    print((task.offload(rub, dish, options.rounds))) -- this task waits, the others do not
    queue:done()
  end
end

task.group(function(group)
  for _ = 1, options.dryers do group:spawn(dry) end
  for _, dish in ipairs { "salad", "bread", "entree", "dessert" } do
    print("washing " .. dish)
    task.sleep(options.wash)
    queue:put(dish)
  end
  queue:join()
  group:cancel()
end)
print "all is dry"
