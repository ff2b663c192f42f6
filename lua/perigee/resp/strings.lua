--- The commands of RESP about keys, and the strings in them: GET SET DEL EXISTS TYPE, EXPIRE PEXPIRE TTL PTTL PERSIST,
--- DBSIZE FLUSHDB FLUSHALL.

local codec <const> = require "perigee.codec.resp"
local numbers <const> = require "perigee.resp.numbers"
local task <const> = require "perigee.task"

local M <const> = {}

local OK <const>, SYNTAX <const> = codec.simple "OK", codec.error "ERR syntax error"
local LONGEST <const> = 1 << 53 -- milliseconds that a key may live

M.WRONG_TYPE = codec.error "WRONGTYPE Operation against a key holding the wrong kind of value"
M.FULL = codec.error "OOM command not allowed when used memory > 'maxmemory'."

local NOT_ALL <const> = codec.error "ERR NX and XX, GT or LT options at the same time are not compatible"
local NOT_BOTH <const> = codec.error "ERR GT and LT options at the same time are not compatible"

local function bad_time(name)
  return codec.error(("ERR invalid expire time in '%s' command"):format(name))
end

local types <const> = { string = codec.simple "string", table = codec.simple "list", ["nil"] = codec.simple "none" }

-- Times. A unit says how many milliseconds it has, and whether it counts from 1970.

local units <const> = {
  EX = { 1000 }, PX = { 1 }, EXAT = { 1000, from_1970 = true }, PXAT = { 1, from_1970 = true },
}

--- The time on the loop's clock that a number of units means, or nil when there is no such time.
local function time_of(unit, number)
  local most <const> = LONGEST // unit[1]
  if number > most or number < -most then return end
  local seconds <const> = number * unit[1] / 1000
  return task.now() + seconds - (unit.from_1970 and os.time() or 0)
end

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
  given.at = number > 0 and time_of(given.unit, number) or nil
  if not given.at then return nil, bad_time "set" end
  return given
end

local PLAIN <const> = {}

local function set_in(space)
  return function(client, key, value, ...)
    local given, problem = PLAIN, nil
    if ... then given, problem = set_options(...) end
    if problem then return problem end
    if space:is_full() then return M.FULL end
    local database <const> = space:database(client.database)
    local old <const> = database:get(key)
    if given.gets and type(old) == "table" then return M.WRONG_TYPE end
    if given.condition and (given.condition == "NX") == (old ~= nil) then return given.gets and old or nil end
    database:put(key, value)
    if given.at and given.at <= task.now() then database:remove(key)
    elseif not given.keeps then database:set_deadline(key, given.at) end
    if given.gets then return old end
    return OK
  end
end

-- EXPIRE.

local ranks <const> = { NX = true, XX = true, GT = true, LT = true }

local function expire_conditions(...)
  local given <const> = {}
  for _, word in ipairs { ... } do
    local name <const> = word:upper()
    if not ranks[name] then return nil, codec.error("ERR Unsupported option " .. word:sub(1, 128)) end
    given[name] = true
  end
  if given.NX and (given.XX or given.GT or given.LT) then return nil, NOT_ALL end
  if given.GT and given.LT then return nil, NOT_BOTH end
  return given
end

--- Without a time a key lives longer than with any.
local function may_expire(conditions, old, at)
  if conditions.NX and old or conditions.XX and not old then return false end
  if conditions.GT and (not old or at <= old) then return false end
  return not (conditions.LT and old and at >= old)
end

local function expire_in(space, unit, name)
  return function(client, key, text, ...)
    local conditions <const>, problem <const> = expire_conditions(...)
    if not conditions then return problem end
    local number <const> = numbers.integer(text)
    if not number then return numbers.NOT_INTEGER end
    local at <const> = time_of(unit, number)
    if not at then return bad_time(name) end
    local database <const> = space:database(client.database)
    if not database:get(key) or not may_expire(conditions, database:deadline(key), at) then return 0 end
    if at <= task.now() then database:remove(key) else database:set_deadline(key, at) end
    return 1
  end
end

local function left_in(space, milliseconds)
  return function(client, key)
    local database <const> = space:database(client.database)
    if not database:get(key) then return -2 end
    local at <const> = database:deadline(key)
    if not at then return -1 end
    return math.floor((at - task.now()) * 1000 / milliseconds + 0.5)
  end
end

local function persist_in(space)
  return function(client, key)
    local database <const> = space:database(client.database)
    if not database:get(key) or not database:deadline(key) then return 0 end
    database:set_deadline(key, nil)
    return 1
  end
end

-- The others.

local function get_in(space)
  return function(client, key)
    local value <const> = space:database(client.database):get(key)
    return type(value) == "table" and M.WRONG_TYPE or value
  end
end

--- A command that counts the keys for which `method` of the database has a result.
local function counting(space, method)
  return function(client, ...)
    local database <const>, count = space:database(client.database), 0
    for _, key in ipairs { ... } do
      if database:get(key) and database[method](database, key) then count = count + 1 end
    end
    return count
  end
end

local function is_flush_option(word)
  return not word or word:upper() == "ASYNC" or word:upper() == "SYNC"
end

local function flushing(clear)
  return function(client, option, more)
    if more or not is_flush_option(option) then return SYNTAX end
    clear(client)
    return OK
  end
end

--- The commands over a keyspace.
---@param space perigee.resp.Keyspace
---@return table<string, perigee.resp.Command>
function M.commands(space)
  local function of(client) return space:database(client.database) end
  return {
    GET = { 2, get_in(space), group = "string", summary = "The string of a key." },
    SET = { -3, set_in(space), group = "string", summary = "Sets the string of a key." },
    DEL = { -2, counting(space, "remove"), summary = "Removes keys." },
    EXISTS = { -2, counting(space, "get"), summary = "Counts the keys that there are." },
    TYPE = { 2, function(client, key) return types[type(of(client):get(key))] end, summary = "What a key has." },
    EXPIRE = { -3, expire_in(space, units.EX, "expire"), summary = "Has a key go after seconds." },
    PEXPIRE = { -3, expire_in(space, units.PX, "pexpire"), summary = "Has a key go after milliseconds." },
    TTL = { 2, left_in(space, 1000), summary = "Seconds until a key goes." },
    PTTL = { 2, left_in(space, 1), summary = "Milliseconds until a key goes." },
    PERSIST = { 2, persist_in(space), summary = "Has a key stay." },
    DBSIZE = { 1, function(client) return of(client).count end, group = "server", summary = "Counts the keys." },
    FLUSHDB = { -1, flushing(function(client) of(client):clear() end), group = "server",
      summary = "Removes the keys of this database." },
    FLUSHALL = { -1, flushing(function() space:clear() end), group = "server", summary = "Removes all keys." },
  }
end

return M
