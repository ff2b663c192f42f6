--- The commands of RESP about lists: LPUSH RPUSH LPOP RPOP LLEN LRANGE, and BLPOP BRPOP, which wait.

local codec <const> = require "perigee.codec.resp"
local json <const> = require "perigee.codec.json"
local numbers <const> = require "perigee.resp.numbers"
local problems <const> = require "perigee.resp.problems"
local task <const> = require "perigee.task"
local waiting <const> = require "perigee.resp.waiting"

local M <const> = {}

local WRONG_TYPE <const>, FULL <const> = problems.WRONG_TYPE, problems.FULL
local NOT_POSITIVE <const> = codec.error "ERR value is out of range, must be positive"
local NO_SECONDS <const> = codec.error "ERR timeout is not a float or out of range"
local BEFORE_NOW <const> = codec.error "ERR timeout is negative"
local LONGEST <const> = 1 << 50 -- seconds that somebody may wait

local function length_of(list)
  return list.last - list.first + 1
end

--- The list of a key, nil when there is none; or the error.
local function find(database, key)
  local list <const> = database:get(key)
  if type(list) == "string" then return nil, WRONG_TYPE end
  return list
end

local function push_in(space, at_left)
  return function(client, key, ...)
    local database <const> = space:database(client.database)
    if space:is_full() then return FULL end
    local list <const> = database:list(key)
    if not list then return WRONG_TYPE end
    for _, item in ipairs { ... } do database:push(key, list, item, at_left) end
    local length <const> = length_of(list)
    if database.waiting[key] then client:finally(waiting.serve, database, key) end
    return length
  end
end

local function pop_some(database, key, list, at_left, count)
  local items <const> = json.array {}
  for i = 1, math.min(count, length_of(list)) do items[i] = database:pop(key, list, at_left) end
  return items
end

local function pop_in(space, at_left, name)
  return function(client, key, text, more)
    if more then return codec.error(("ERR wrong number of arguments for '%s' command"):format(name)) end
    local count <const> = text and numbers.integer(text)
    if text and (not count or count < 0) then return NOT_POSITIVE end
    local database <const> = space:database(client.database)
    local list <const>, problem <const> = find(database, key)
    if problem then return problem end
    if not list then return count and codec.null_array or nil end
    if count then return pop_some(database, key, list, at_left, count) end
    return database:pop(key, list, at_left)
  end
end

local function length_in(space)
  return function(client, key)
    local list <const>, problem <const> = find(space:database(client.database), key)
    return problem or list and length_of(list) or 0
  end
end

local function range_in(space)
  return function(client, key, from, to)
    local start, stop = numbers.integer(from), numbers.integer(to)
    if not start or not stop then return numbers.NOT_INTEGER end
    local list <const>, problem <const> = find(space:database(client.database), key)
    if problem then return problem end
    if not list then return json.array {} end
    local length <const> = length_of(list)
    if start < 0 then start = math.max(start + length, 0) end
    if stop < 0 then stop = stop + length end
    stop = math.min(stop, length - 1)
    return json.array(table.move(list, list.first + start, list.first + stop, 1, {}))
  end
end

-- Waiting.

--- The first item of the first key that has some, or the error.
local function take_now(database, at_left, keys)
  for _, key in ipairs(keys) do
    local list <const>, problem <const> = find(database, key)
    if problem then return problem end
    if list then return { key, database:pop(key, list, at_left) } end
  end
end

--- A client that ends while it waits, or before it has got what was taken for it, leaves nothing behind.
local function wait_for(database, client, at_left, keys, seconds)
  local waiter <const> = waiting.join(database, client, at_left, keys)
  local has_answer = false
  local _ <close> = setmetatable({}, { __close = function()
    waiting.leave(database, waiter)
    if waiter.item and not has_answer then waiting.give_back(database, waiter) end
  end })
  local deadline <const> = task.now() + seconds
  while not waiter.item and not client.gone and client:wait(math.max(deadline - task.now(), 0)) do end
  if client.gone then return end
  has_answer = true
  return waiter.item and { waiter.key, waiter.item } or codec.null_array
end

local function seconds_of(text)
  local seconds <const> = numbers.decimal(text)
  if not seconds or seconds > LONGEST then return nil, NO_SECONDS end
  if seconds < 0 then return nil, BEFORE_NOW end
  return seconds == 0 and math.huge or seconds
end

local function wait_in(space, at_left)
  return function(client, ...)
    local keys <const> = { ... }
    local seconds <const>, problem <const> = seconds_of(table.remove(keys))
    if not seconds then return problem end
    local database <const> = space:database(client.database)
    return take_now(database, at_left, keys) or wait_for(database, client, at_left, keys, seconds)
  end
end

--- The commands over a keyspace.
---@param space perigee.resp.Keyspace
---@return table<string, perigee.resp.Command>
function M.commands(space)
  return {
    LPUSH = { -3, push_in(space, true), group = "list", summary = "Puts items before the first of a list." },
    RPUSH = { -3, push_in(space, false), group = "list", summary = "Puts items behind the last of a list." },
    LPOP = { -2, pop_in(space, true, "lpop"), group = "list", summary = "Takes the first items of a list." },
    RPOP = { -2, pop_in(space, false, "rpop"), group = "list", summary = "Takes the last items of a list." },
    LLEN = { 2, length_in(space), group = "list", summary = "Counts the items of a list." },
    LRANGE = { 4, range_in(space), group = "list", summary = "Items of a list, from one place to another." },
    BLPOP = { -3, wait_in(space, true), group = "list", summary = "Waits for the first item of a list." },
    BRPOP = { -3, wait_in(space, false), group = "list", summary = "Waits for the last item of a list." },
  }
end

return M
