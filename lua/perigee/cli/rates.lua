--- What happens each second, from two statuses of a process, one after the other.

local M <const> = {}

local TICKS <const> = 100 -- of /proc/PID/stat in a second, on all of Linux

--- Seconds of the processor that a process has used; nil when it has ended.
---@param pid integer
---@return number?
function M.processor_seconds(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  local fields <const> = file and (file:read "a" or ""):match "^.*%) (.*)$" -- a name may have blanks and brackets
  if not fields then return nil end
  local numbers <const> = {}
  for word in fields:gmatch "%S+" do numbers[#numbers + 1] = word end
  return (tonumber(numbers[12]) + tonumber(numbers[13])) / TICKS
end

---@class perigee.cli.Sample
---@field at number seconds, on the loop's clock
---@field status table answer.status
---@field processor table<integer, number> seconds used, by pid

---@param status table answer.status
---@param at number
---@return perigee.cli.Sample
function M.sample(status, at)
  local processor <const> = {}
  for _, worker in ipairs(status.workers) do
    if worker.pid then processor[worker.pid] = M.processor_seconds(worker.pid) end
  end
  return { at = at, status = status, processor = processor }
end

local function per_second(before, after, seconds)
  if not before or not after or after < before or seconds <= 0 then return nil end
  return (after - before) / seconds
end

local function worker_of(sample, pid)
  for _, worker in ipairs(sample.status.workers) do
    if worker.pid == pid then return worker end
  end
end

---@class perigee.cli.Rates
---@field requests number? each second, as all of them; nil: it is not known
---@field accepted number?
---@field datagrams number?
---@field processor number? 1: all the time of one processor

--- The rates of one worker; none when it was not there before.
---@param worker table of the status that `after` has
---@param before perigee.cli.Sample?
---@param after perigee.cli.Sample
---@return perigee.cli.Rates
function M.of_worker(worker, before, after)
  local earlier <const> = before and worker.pid and worker_of(before, worker.pid)
  if not earlier then return {} end
  local rates <const>, seconds <const> = {}, after.at - before.at
  for _, name in ipairs { "requests", "accepted", "datagrams" } do
    rates[name] = per_second(earlier[name], worker[name], seconds)
  end
  rates.processor = per_second(before.processor[worker.pid], after.processor[worker.pid], seconds)
  return rates
end

--- Of several workers together.
---@param list perigee.cli.Rates[]
---@return perigee.cli.Rates
function M.sum(list)
  local sum <const> = {}
  for _, rates in ipairs(list) do
    for name, rate in pairs(rates) do sum[name] = (sum[name] or 0) + rate end
  end
  return sum
end

return M
