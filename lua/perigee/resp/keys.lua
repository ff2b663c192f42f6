--- The commands of RESP about keys, whatever they have: DEL EXISTS TYPE KEYS SCAN, EXPIRE PEXPIRE TTL PTTL PERSIST,
--- DBSIZE FLUSHDB FLUSHALL.

local codec <const> = require "perigee.codec.resp"
local globs <const> = require "perigee.bus.glob"
local json <const> = require "perigee.codec.json"
local numbers <const> = require "perigee.resp.numbers"
local problems <const> = require "perigee.resp.problems"
local task <const> = require "perigee.task"
local times <const> = require "perigee.resp.times"

local LONGEST <const> = 1024  -- bytes of a glob that all keys are compared with
local AT_ONCE <const> = 1000  -- keys that KEYS looks at before the other tasks have a turn
local MOST <const> = 10000    -- that a SCAN looks at
local COUNT <const> = 10      -- likewise, when it does not say how many

local M <const> = {}

local OK <const> = codec.simple "OK"
local NOT_ALL <const> = codec.error "ERR NX and XX, GT or LT options at the same time are not compatible"
local NOT_BOTH <const> = codec.error "ERR GT and LT options at the same time are not compatible"
local BAD_CURSOR <const> = codec.error "ERR invalid cursor"
local TOO_LONG <const> = codec.error(("ERR the pattern has more than %d bytes"):format(LONGEST))

local types <const> = { string = "string", table = "list", ["nil"] = "none" }

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
    local at <const> = times.at(unit, number)
    if not at then return times.bad(name) end
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

-- KEYS and SCAN.

local function any() return true end

--- What tells whether a key matches, or nil and the error.
local function matcher(glob)
  if glob == "*" then return any end
  if #glob > LONGEST then return nil, TOO_LONG end
  return globs.compile(glob)
end

--- A key that is removed and made again while others have their turn comes once all the same.
local function keys_in(space)
  return function(client, glob)
    local matches <const>, problem <const> = matcher(glob)
    if not matches then return problem end
    local database <const>, list <const>, seen <const>, cursor = space:database(client.database), json.array {}, {}, 0
    local function add(key)
      if seen[key] or not matches(key) then return end
      list[#list + 1], seen[key] = key, true
    end
    repeat
      cursor = database:scan(cursor, AT_ONCE, add)
      if cursor > 0 then client:pause() end
    until cursor == 0
    return list
  end
end

--- MATCH glob, COUNT number and TYPE name, in whatever order; or nil and the error.
local function scan_options(...)
  local words <const>, given <const> = { ... }, { count = COUNT, matches = any }
  for at = 1, #words, 2 do
    local name <const>, value <const> = words[at]:upper(), words[at + 1]
    local problem = not value and problems.SYNTAX or nil
    if problem then return nil, problem end
    if name == "MATCH" then
      given.matches, problem = matcher(value)
    elseif name == "COUNT" then
      given.count = numbers.integer(value)
      problem = not given.count and numbers.NOT_INTEGER or given.count < 1 and problems.SYNTAX or nil
    elseif name == "TYPE" then
      given.type = value:lower()
    else
      problem = problems.SYNTAX
    end
    if problem then return nil, problem end
  end
  return given
end

local function scan_in(space)
  return function(client, text, ...)
    local cursor <const> = text:find "^%d+$" and math.tointeger(tonumber(text))
    if not cursor then return BAD_CURSOR end
    local given <const>, problem <const> = scan_options(...)
    if not given then return problem end
    local list <const> = json.array {}
    local following <const> = space:database(client.database):scan(cursor, math.min(given.count, MOST),
      function(key, value)
        local fits <const> = not given.type or types[type(value)] == given.type
        if fits and given.matches(key) then list[#list + 1] = key end
      end)
    return { tostring(following), list }
  end
end

-- The others.

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
    if more or not is_flush_option(option) then return problems.SYNTAX end
    clear(client)
    return OK
  end
end

--- The commands over a keyspace.
---@param space perigee.resp.Keyspace
---@return table<string, perigee.resp.Command>
function M.commands(space)
  local function of(client) return space:database(client.database) end
  local function type_of(client, key) return codec.simple(types[type(of(client):get(key))]) end
  return {
    DEL = { -2, counting(space, "remove"), summary = "Removes keys." },
    EXISTS = { -2, counting(space, "get"), summary = "Counts the keys that there are." },
    TYPE = { 2, type_of, summary = "What a key has." },
    KEYS = { 2, keys_in(space), summary = "The keys that match a glob." },
    SCAN = { -2, scan_in(space), summary = "Some of the keys, and where to go on." },
    EXPIRE = { -3, expire_in(space, times.units.EX, "expire"), summary = "Has a key go after seconds." },
    PEXPIRE = { -3, expire_in(space, times.units.PX, "pexpire"), summary = "Has a key go after milliseconds." },
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
