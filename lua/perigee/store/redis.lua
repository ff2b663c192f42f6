--- Stores in a Redis: the value of KEY in the store NAME is the string at perigee:store:NAME:KEY.

local class <const> = require "perigee.store.class"
local redis <const> = require "perigee.redis"

local AT_ONCE <const> = 1000         -- keys that the server looks at before others have their turn
local BESIDES <const> = 1024          -- bytes of a reply that is a value, besides it
local LONGEST <const> = 1000000000000 -- milliseconds, 31 years: more is beyond what Redis can add to a date

---@class perigee.store.Redis: perigee.store.Backend
---@field package client perigee.redis.Client
---@field package prefix string of the keys
local Redis <const> = {}
Redis.__index = Redis

--- Compare and set: KEYS[1], the old value, the new one, milliseconds or 0.
local replace <const> = redis.script [[
  if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
  if ARGV[3] == "0" then redis.call("SET", KEYS[1], ARGV[2]) else redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3]) end
  return 1
]]

--- Adds to a counter: KEYS[1], by, milliseconds for one that it makes. The number goes as digits: as a number of Lua's
--- it would be rounded there.
local increment <const> = redis.script [[
  redis.call("SET", KEYS[1], "0", "PX", ARGV[2], "NX")
  local added = redis.pcall("INCRBY", KEYS[1], ARGV[1])
  if type(added) == "table" then return added end
  return redis.call("GET", KEYS[1])
]]

local function milliseconds(seconds)
  return math.tointeger(math.min(math.max(1, math.ceil(seconds * 1000)), LONGEST)) or LONGEST
end

--- What a command has given, as one of the values that the front has for it.
local function answer(operation, convert, reply, message, code)
  if message then return nil, ("%s: %s"):format(operation, message), code end
  return convert(reply)
end

local function same(reply) return reply end
local function is_one(reply) return reply == 1 end
local function is_there(reply) return reply ~= nil end
local function number_of(reply) return math.tointeger(tonumber(reply)) end

function Redis:get(key)
  return answer("get", same, self.client:get(self.prefix .. key))
end

function Redis:exists(key)
  return answer("exists", is_one, self.client:exists(self.prefix .. key))
end

--- What no reply could bring back is not taken.
local function check_length(self, operation, value)
  local most <const> = self.client.settings.limit - BESIDES
  if #value <= most then return true end
  return nil, ("%s: a value of %d bytes: it may have %d at most"):format(operation, #value, most), "limit"
end

function Redis:set(key, value, seconds, absent)
  local ok <const>, message <const>, code <const> = check_length(self, "set", value)
  if not ok then return nil, message, code end
  local words <const> = { self.prefix .. key, value }
  if seconds then table.move({ "PX", milliseconds(seconds) }, 1, 2, 3, words) end
  if absent then words[#words + 1] = "NX" end
  return answer("set", is_there, self.client:set(table.unpack(words)))
end

function Redis:replace(key, old, new, seconds)
  if not old then return self:set(key, new, seconds, true) end
  local ok <const>, message <const>, code <const> = check_length(self, "replace", new)
  if not ok then return nil, message, code end
  local time <const> = seconds and milliseconds(seconds) or 0
  return answer("replace", is_one, replace(self.client, { self.prefix .. key }, { old, new, time }))
end

function Redis:delete(keys)
  local names <const> = {}
  for i, key in ipairs(keys) do names[i] = self.prefix .. key end
  return answer("delete", same, self.client:del(table.unpack(names)))
end

function Redis:increment(key, by, seconds)
  local name <const> = self.prefix .. key
  if not seconds then return answer("increment", same, self.client:incrby(name, by)) end
  return answer("increment", number_of, increment(self.client, { name }, { by, milliseconds(seconds) }))
end

--- PERSIST tells of values that would have expired alone.
local function persist(self, key)
  local replies <const>, message <const>, code <const> = self.client:transaction(function(t)
    t:persist(key)
    t:exists(key)
  end)
  if not replies then return nil, message, code end
  return replies[2]
end

function Redis:expire(key, seconds)
  local name <const> = self.prefix .. key
  if seconds == math.huge then return answer("expire", is_one, persist(self, name)) end
  return answer("expire", is_one, self.client:pexpire(name, milliseconds(seconds)))
end

--- As a pattern that matches it alone.
local function literal(text)
  return (text:gsub("[*?%[%]\\]", "\\%0"))
end

--- A key that is there all the time is told at least once, by SCAN's rules.
function Redis:keys(prefix)
  local pattern <const>, start <const> = literal(self.prefix .. prefix) .. "*", #self.prefix + 1
  local list <const>, seen, cursor = {}, {}, "0"
  repeat
    local reply <const>, message <const>, code <const> = self.client:scan(cursor, "MATCH", pattern, "COUNT", AT_ONCE)
    if message then return nil, "keys: " .. message, code end
    if type(reply) ~= "table" or type(reply[2]) ~= "table" then
      return nil, ("keys: %s does not answer as a Redis does"):format(self.client.url), "protocol"
    end
    cursor = reply[1]
    for _, key in ipairs(reply[2]) do
      if not seen[key] then list[#list + 1] = tostring(key):sub(start) end
      seen[key] = true
    end
  until cursor == "0"
  table.sort(list)
  return list
end

function Redis:close()
  self.client:close()
end

--- Stores of different names have no key in common, whatever is in the names.
local function escaped(name)
  return (name:gsub("[%%:]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

local M <const> = {}

--- Opens a store in a Redis.
---@param url string redis://, rediss:// or redis+unix://
---@param name string? default "default"
---@param options table? see perigee.redis.connect
---@return perigee.Store?
---@return string? message
---@return string? code "refused" "denied" "tls" "timeout" ...
function M.open(url, name, options)
  local called <const> = class.check(name, options, 2)
  local client <const>, message <const>, code <const> = redis.open(url, options)
  if not client then return nil, "open the store: " .. message, code end
  return class.new(setmetatable({ client = client, prefix = ("perigee:store:%s:"):format(escaped(called)),
    name = ("%s: %s"):format(client.url, called) }, Redis))
end

return M
