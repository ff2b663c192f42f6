--- Fibonacci: answers a datagram that holds a number n with fib(n), where fib(n) is 1 below 2. It is computed in a
--- thread, so that the server goes on serving meanwhile.
---   echo 30 | nc -u -w1 127.0.0.1 16000

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options {
  listen = "udp://127.0.0.1:16000",
  largest = 40,      -- of the numbers that are taken
  outstanding = 64,  -- numbers that are computed or wait for a thread; more are turned away
  seconds = 60,      -- that one may take, with the wait
}

local outstanding = 0

local function fib(n)
  if n < 2 then return 1 end
  return fib(n - 1) + fib(n - 2)
end

local function compute(n)
  outstanding = outstanding + 1
  local _ <close> = setmetatable({}, { __close = function() outstanding = outstanding - 1 end })
  return task.deadline(options.seconds, task.offload, fib, n)
end

local function answer(message)
  local n <const> = tonumber(message:match "^%s*([+-]?%d+)%s*$")
  if not n then return "error: a whole number expected, such as 30" end
  if n > options.largest then return ("error: numbers up to %d are taken"):format(options.largest) end
  if outstanding >= options.outstanding then return "error: busy, please ask again later" end
  local result <const>, problem <const> = compute(math.max(n, 0))
  return result and ("%d"):format(result) or "error: " .. problem
end

net.serve(options.listen, answer, { max_tasks = options.outstanding * 2 })
