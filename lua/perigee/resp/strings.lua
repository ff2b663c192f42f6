--- The commands of RESP about strings: GET SET MGET MSET SETNX SETEX PSETEX GETDEL, INCR DECR INCRBY DECRBY; and with
--- them those about keys, and those that watch keys.

local codec <const> = require "perigee.codec.resp"
local json <const> = require "perigee.codec.json"
local keys <const> = require "perigee.resp.keys"
local numbers <const> = require "perigee.resp.numbers"
local problems <const> = require "perigee.resp.problems"
local task <const> = require "perigee.task"
local times <const> = require "perigee.resp.times"
local watching <const> = require "perigee.resp.watching"

local MOST <const> = 64 << 20 -- bytes that one answer has

local M <const> = {}

local OK <const> = codec.simple "OK"
local SYNTAX <const>, WRONG_TYPE <const>, FULL <const> = problems.SYNTAX, problems.WRONG_TYPE, problems.FULL
local ODD <const> = codec.error "ERR wrong number of arguments for 'mset' command"
local TOO_MUCH <const> = codec.error(("ERR the values have more than %d bytes"):format(MOST))
local OVERFLOW <const> = codec.error "ERR increment or decrement would overflow"
local NO_NEGATIVE <const> = codec.error "ERR decrement would overflow"

local units <const> = times.units

-- SET.

--- Takes an option out of the words at `at`: where the next one is, or the error.
local function set_option(given, words, at)
  local name <const> = words[at]:upper()
  if name == "NX" or name == "XX" then
    if given.condition and given.condition ~= name then return nil, SYNTAX end
    given.condition = name
  elseif name == "GET" then
    given.gets = true
  elseif name == "KEEPTTL" then
    if given.unit then return nil, SYNTAX end
    given.keeps = true
  elseif units[name] and words[at + 1] and (given.unit or units[name]) == units[name] and not given.keeps then
    given.unit, given.number = units[name], words[at + 1]
    return at + 2
  else
    return nil, SYNTAX
  end
  return at + 1
end

local function set_options(...)
  local words <const>, given <const> = { ... }, {}
  local at, problem = 1, nil
  while at and at <= #words do at, problem = set_option(given, words, at) end
  if problem then return nil, problem end
  if not given.unit then return given end
  local number <const> = numbers.integer(given.number)
  if not number then return nil, numbers.NOT_INTEGER end
  given.at = number > 0 and times.at(given.unit, number) or nil
  if not given.at then return nil, times.bad "set" end
  return given
end

local PLAIN <const> = {}

local function set_in(space)
  return function(client, key, value, ...)
    local given, problem = PLAIN, nil
    if ... then given, problem = set_options(...) end
    if problem then return problem end
    if space:is_full() then return FULL end
    local database <const> = space:database(client.database)
    local old <const> = database:get(key)
    if given.gets and type(old) == "table" then return WRONG_TYPE end
    if given.condition and (given.condition == "NX") == (old ~= nil) then return given.gets and old or nil end
    database:put(key, value)
    if given.at and given.at <= task.now() then database:remove(key)
    elseif not given.keeps then database:set_deadline(key, given.at) end
    if given.gets then return old end
    return OK
  end
end

--- SETEX and PSETEX.
local function set_for(space, unit, name)
  return function(client, key, text, value)
    local number <const> = numbers.integer(text)
    if not number then return numbers.NOT_INTEGER end
    local at <const> = number > 0 and times.at(unit, number)
    if not at then return times.bad(name) end
    if space:is_full() then return FULL end
    local database <const> = space:database(client.database)
    database:put(key, value)
    database:set_deadline(key, at)
    return OK
  end
end

local function set_new_in(space)
  return function(client, key, value)
    if space:is_full() then return FULL end
    local database <const> = space:database(client.database)
    if database:get(key) then return 0 end
    database:put(key, value)
    return 1
  end
end

-- Several.

local function set_all_in(space)
  return function(client, ...)
    local words <const> = { ... }
    if #words % 2 == 1 then return ODD end
    if space:is_full() then return FULL end
    local database <const> = space:database(client.database)
    for at = 1, #words, 2 do
      database:get(words[at]) -- one whose time is over goes
      database:put(words[at], words[at + 1])
      database:set_deadline(words[at], nil)
    end
    return OK
  end
end

local function get_all_in(space)
  return function(client, ...)
    local database <const>, list <const>, bytes = space:database(client.database), json.array {}, 0
    for i, key in ipairs { ... } do
      local value <const> = database:get(key)
      list[i] = type(value) == "string" and value or json.null
      bytes = bytes + (type(value) == "string" and #value or 0)
      if bytes > MOST then return TOO_MUCH end
    end
    return list
  end
end

-- Counting.

local function would_overflow(number, by)
  if by < 0 then return number < math.mininteger - by end
  return number > math.maxinteger - by
end

--- Adds to the number of a key; its time stays.
local function add(space, client, key, by)
  if space:is_full() then return FULL end
  local database <const> = space:database(client.database)
  local old <const> = database:get(key)
  if type(old) == "table" then return WRONG_TYPE end
  local number <const> = old == nil and 0 or numbers.integer(old)
  if not number then return numbers.NOT_INTEGER end
  if would_overflow(number, by) then return OVERFLOW end
  database:put(key, tostring(number + by))
  return number + by
end

local function step_in(space, by)
  return function(client, key) return add(space, client, key, by) end
end

local function add_in(space, sign)
  return function(client, key, text)
    local by <const> = numbers.integer(text)
    if not by then return numbers.NOT_INTEGER end
    if sign < 0 and by == math.mininteger then return NO_NEGATIVE end
    return add(space, client, key, sign * by)
  end
end

-- The others.

local function get_in(space)
  return function(client, key)
    local value <const> = space:database(client.database):get(key)
    return type(value) == "table" and WRONG_TYPE or value
  end
end

local function take_in(space)
  return function(client, key)
    local database <const> = space:database(client.database)
    local value <const> = database:get(key)
    if type(value) == "table" then return WRONG_TYPE end
    database:remove(key)
    return value
  end
end

local function own_commands(space)
  local more <const>, less <const> = "Adds to the number of a key.", "Subtracts from the number of a key."
  return {
    GET = { 2, get_in(space), summary = "The string of a key." },
    SET = { -3, set_in(space), summary = "Sets the string of a key." },
    MGET = { -2, get_all_in(space), summary = "The strings of keys." },
    MSET = { -3, set_all_in(space), summary = "Sets the strings of keys." },
    SETNX = { 3, set_new_in(space), summary = "Sets the string of a key that is not there." },
    SETEX = { 4, set_for(space, units.EX, "setex"), summary = "Sets a string for seconds." },
    PSETEX = { 4, set_for(space, units.PX, "psetex"), summary = "Sets a string for milliseconds." },
    GETDEL = { 2, take_in(space), summary = "The string of a key, which goes." },
    INCR = { 2, step_in(space, 1), summary = more }, DECR = { 2, step_in(space, -1), summary = less },
    INCRBY = { 3, add_in(space, 1), summary = more }, DECRBY = { 3, add_in(space, -1), summary = less },
  }
end

--- The commands over a keyspace.
---@param space perigee.resp.Keyspace
---@return table<string, perigee.resp.Command>
function M.commands(space)
  local commands <const> = own_commands(space)
  for _, command in pairs(commands) do command.group = "string" end
  for _, others in ipairs { keys.commands(space), watching.commands(space) } do
    for name, command in pairs(others) do commands[name] = command end
  end
  return commands
end

return M
