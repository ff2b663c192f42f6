--- A pipeline of tasks: each stage receives from one channel and sends to the next. A channel holds as many values as
--- it was made for; then its sender waits, so a slow stage slows those before it and nothing piles up.

local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { count = 10, capacity = 2 }

local numbers <const>, squares <const> = task.channel(options.capacity), task.channel(options.capacity)

local function produce()
  for number = 1, options.count do numbers:send(number) end
  numbers:close() -- no more: values() on the other side ends after the last
end

local function square()
  for number in numbers:values() do squares:send(number * number) end
  squares:close()
end

local function add()
  local sum = 0
  for value in squares:values() do sum = sum + value end
  print(("the sum of %d squares is %d"):format(options.count, sum))
end

-- The group returns when all three have ended; an error in one would cancel the other two.
task.group(function(group)
  for _, stage in ipairs { produce, square, add } do group:spawn(stage) end
end)
