--- When keys are to go: by key, and by the second in which each goes, so that those whose time has come are found
--- without looking at the others.

local task <const> = require "perigee.task"

local FAIR <const> = 1000 -- keys, before the other tasks have a turn

---@class perigee.resp.Expiry
---@field count integer keys
---@field package at table<string, number> on the loop's clock
---@field package seconds table<integer, { count: integer, keys: table<string, true> }> by the second behind the time
---@field package swept integer the last second that was looked at
local Expiry <const> = {}
Expiry.__index = Expiry

local function second_of(at)
  return math.ceil(at)
end

local function forget(self, key, at)
  local second <const> = second_of(at)
  local bucket <const> = self.seconds[second]
  if not bucket or not bucket.keys[key] then return end
  bucket.keys[key] = nil
  bucket.count = bucket.count - 1
  if bucket.count == 0 then self.seconds[second] = nil end
end

local function note(self, key, at)
  local second <const> = second_of(at)
  local bucket <const> = self.seconds[second] or { count = 0, keys = {} }
  self.seconds[second] = bucket
  bucket.keys[key] = true
  bucket.count = bucket.count + 1
end

---@param key string
---@return number? at
function Expiry:get(key)
  return self.at[key]
end

---@param key string
---@param at number? behind now; nil: never
function Expiry:set(key, at)
  local old <const> = self.at[key]
  if old then
    forget(self, key, old)
    self.count = self.count - 1
  end
  self.at[key] = at
  if not at then return end
  note(self, key, at)
  self.count = self.count + 1
end

---@param key string
---@return boolean
function Expiry:is_over(key)
  local at <const> = self.at[key]
  return at ~= nil and at <= task.now()
end

--- Calls f(key) for each key whose time has come. Other tasks may have their turn meanwhile.
---@param f fun(key: string)
function Expiry:sweep(f)
  local now <const>, looked = math.floor(task.now()), 0
  if next(self.seconds) == nil then self.swept = now end
  while self.swept < now do
    self.swept = self.swept + 1
    local bucket <const> = self.seconds[self.swept]
    self.seconds[self.swept] = nil
    for key in pairs(bucket and bucket.keys or {}) do
      f(key)
      looked = looked + 1
      if looked % FAIR == 0 then task.sleep(0) end
    end
  end
end

local M <const> = {}

---@return perigee.resp.Expiry
function M.new()
  return setmetatable({ count = 0, at = {}, seconds = {}, swept = math.floor(task.now()) }, Expiry)
end

return M
