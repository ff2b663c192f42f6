--- Keys with strings and lists, in memory, as the commands of RESP know them. A key may have a time at which it is
--- gone.
---   local space <const> = service.state("keys", function() return keyspace.new { memory = 256 << 20 } end)
---   task.spawn(space.sweep, space)

local expiry <const> = require "perigee.resp.expiry"
local task <const> = require "perigee.task"

local KEY_COST <const>, ITEM_COST <const>, TIME_COST <const> = 180, 32, 300 -- bytes that one takes besides its own

local M <const> = {}

--- A list: its items are at first ... last.
---@class perigee.resp.List
---@field first integer
---@field last integer
---@field bytes integer that it costs

---@alias perigee.resp.Value string|perigee.resp.List

---@class perigee.resp.Database
---@field count integer keys, with those whose time has come but that nobody has looked for
---@field waiting table<string, any> who waits for a key, see perigee.resp.waiting
---@field package space perigee.resp.Keyspace
---@field package used integer bytes, as far as they are counted
---@field package values table<string, perigee.resp.Value>
---@field package names string[] the keys, as many as `count`
---@field package places table<string, integer> of the keys among them
---@field package watchers table<string, table<perigee.resp.Client, true>> by key
---@field package expiry perigee.resp.Expiry
local Database <const> = {}
Database.__index = Database

---@class perigee.resp.Keyspace
---@field memory integer bytes from which on nothing is added
---@field used integer bytes, as far as they are counted
---@field package databases perigee.resp.Database[]
local Keyspace <const> = { __name = "perigee.resp.keyspace" }
Keyspace.__index = Keyspace

--- What a database has takes so many bytes more.
local function charge(database, bytes)
  database.used = database.used + bytes
  database.space.used = database.space.used + bytes
end

local function cost_of(key, value)
  return KEY_COST + #key + (type(value) == "string" and #value or value.bytes)
end

--- A key is changed: its watchers are told.
local function touch(self, key)
  local clients <const> = self.watchers[key]
  if not clients then return end
  for client in pairs(clients) do client.has_stale = true end
end

local function add_name(self, key)
  self.count = self.count + 1
  self.names[self.count], self.places[key] = key, self.count
end

--- The last name takes its place.
local function remove_name(self, key)
  local place <const>, last <const> = self.places[key], self.names[self.count]
  self.names[place], self.places[last] = last, place
  self.names[self.count], self.places[key] = nil, nil
  self.count = self.count - 1
end

--- The value of a key, if it is there.
---@param key string
---@return perigee.resp.Value?
function Database:get(key)
  if self.expiry:is_over(key) then self:remove(key) end
  return self.values[key]
end

--- Gives a key a value, in the place of the one that it has; its time stays.
---@param key string
---@param value perigee.resp.Value
function Database:put(key, value)
  local old <const> = self.values[key]
  if not old then add_name(self, key) end
  charge(self, cost_of(key, value) - (old and cost_of(key, old) or 0))
  self.values[key] = value
  touch(self, key)
end

---@param key string
---@return boolean removed
function Database:remove(key)
  local old <const> = self.values[key]
  if not old then return false end
  charge(self, -cost_of(key, old))
  remove_name(self, key)
  self.values[key] = nil
  self:set_deadline(key, nil)
  touch(self, key)
  return true
end

--- When a key will be gone, on the loop's clock; nil: never.
---@param key string
---@return number?
function Database:deadline(key)
  return self.expiry:get(key)
end

---@param key string
---@param at number?
function Database:set_deadline(key, at)
  if not at and not self.expiry:get(key) then return end
  local before <const> = self.expiry.count
  self.expiry:set(key, at)
  charge(self, TIME_COST * (self.expiry.count - before))
  touch(self, key)
end

---@return integer
function Database:expiring()
  return self.expiry.count
end

--- Removes all keys at once, however many there are.
function Database:clear()
  for key in pairs(self.watchers) do
    if self.values[key] then touch(self, key) end
  end
  charge(self, -self.used)
  self.values, self.names, self.places, self.count, self.expiry = {}, {}, {}, 0, expiry.new()
end

--- Calls f(key, value) for some keys: at most `count` are looked at. From cursor 0 on until 0 is returned, each key
--- that is there all the time comes, some more than once. It goes from the last name to the first: what takes the place
--- of a name that is removed was behind it.
---@param cursor integer
---@param count integer
---@param f fun(key: string, value: perigee.resp.Value)
---@return integer cursor for the next call
function Database:scan(cursor, count, f)
  local from <const> = cursor == 0 and self.count or math.min(cursor, self.count)
  local stop <const> = math.max(from - count, 0)
  for place = from, stop + 1, -1 do
    local key <const> = self.names[place]
    local value <const> = key and self:get(key)
    if value then f(key, value) end
  end
  return stop
end

-- Watching.

--- Tells client.has_stale when a key is changed.
---@param key string
---@param client perigee.resp.Client
---@return boolean begun false: it does so already
function Database:watch(key, client)
  self:get(key) -- that its time is over is not a change
  local clients <const> = self.watchers[key] or {}
  if clients[client] then return false end
  self.watchers[key], clients[client] = clients, true
  return true
end

---@param key string
---@param client perigee.resp.Client
function Database:unwatch(key, client)
  local clients <const> = self.watchers[key]
  if not clients then return end
  clients[client] = nil
  if next(clients) == nil then self.watchers[key] = nil end
end

-- Lists.

--- The list of a key, which is made when there is none; nil when the key has something else.
---@param key string
---@return perigee.resp.List?
function Database:list(key)
  local value = self:get(key)
  if not value then
    value = { first = 1, last = 0, bytes = 0 }
    self:put(key, value)
  end
  return type(value) == "table" and value or nil
end

local function charge_list(self, list, bytes)
  list.bytes = list.bytes + bytes
  charge(self, bytes)
end

--- Adds an item to the list of a key.
---@param key string
---@param list perigee.resp.List
---@param item string
---@param at_left boolean
function Database:push(key, list, item, at_left)
  if at_left then
    list.first = list.first - 1
    list[list.first] = item
  else
    list.last = list.last + 1
    list[list.last] = item
  end
  charge_list(self, list, ITEM_COST + #item)
  touch(self, key)
end

--- Takes an item out of a list that has some; the key of an empty list goes.
---@param key string
---@param list perigee.resp.List
---@param at_left boolean
---@return string
function Database:pop(key, list, at_left)
  local place <const> = at_left and list.first or list.last
  local item <const> = list[place]
  list[place] = nil
  if at_left then list.first = place + 1 else list.last = place - 1 end
  charge_list(self, list, -(ITEM_COST + #item))
  touch(self, key)
  if list.first > list.last then self:remove(key) end
  return item
end

-- All databases.

local function new_database(space)
  return setmetatable({ space = space, values = {}, names = {}, places = {}, count = 0, used = 0, waiting = {},
    watchers = {}, expiry = expiry.new() }, Database)
end

---@param index integer 0 ...
---@return perigee.resp.Database
function Keyspace:database(index)
  local found = self.databases[index + 1]
  if not found then
    found = new_database(self)
    for i = #self.databases + 1, index do self.databases[i] = new_database(self) end
    self.databases[index + 1] = found
  end
  return found
end

--- Does it have as much as it may?
---@return boolean
function Keyspace:is_full()
  return self.used >= self.memory
end

function Keyspace:clear()
  for _, database in ipairs(self.databases) do database:clear() end
end

--- Removes keys whose time has come, for ever: for a task of its own.
function Keyspace:sweep()
  while true do
    task.sleep(1)
    for _, database in ipairs(self.databases) do
      database.expiry:sweep(function(key) database:get(key) end)
    end
  end
end

--- Lines for INFO.
---@return { [1]: string, [2]: any }[]
function Keyspace:info()
  local lines <const> = {}
  for i, database in ipairs(self.databases) do
    if database.count > 0 then
      local text <const> = ("keys=%d,expires=%d,avg_ttl=0"):format(database.count, database:expiring())
      lines[#lines + 1] = { "db" .. i - 1, text }
    end
  end
  return lines
end

function Keyspace:__tostring()
  return ("keyspace: %d bytes of %d"):format(self.used, self.memory)
end

--- Makes one without keys.
---@param options { memory: integer? }? memory: bytes from which on nothing is added, default 256 MiB
---@return perigee.resp.Keyspace
function M.new(options)
  return setmetatable({ memory = options and options.memory or 256 << 20, used = 0, databases = {} }, Keyspace)
end

return M
