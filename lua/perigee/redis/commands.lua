--- What is known of single commands: those that would disturb everybody else on a shared connection, and those that
--- wait at the server.

local resp <const> = require "perigee.codec.resp"

local M <const> = {}

local SUBSCRIBE <const> = "use client:subscribe or client:psubscribe"
local TRANSACTION <const> = "use client:transaction"
local OPTIONS <const> = "it belongs into the URL or the options of redis.connect"

local REFUSED <const> = {
  SUBSCRIBE = SUBSCRIBE, PSUBSCRIBE = SUBSCRIBE, SSUBSCRIBE = SUBSCRIBE, UNSUBSCRIBE = SUBSCRIBE,
  PUNSUBSCRIBE = SUBSCRIBE, SUNSUBSCRIBE = SUBSCRIBE,
  MULTI = TRANSACTION, EXEC = TRANSACTION, DISCARD = TRANSACTION, WATCH = TRANSACTION, UNWATCH = TRANSACTION,
  SELECT = OPTIONS, AUTH = OPTIONS, HELLO = OPTIONS, QUIT = "use client:close", RESET = "use client:close",
  MONITOR = "it has no end", SYNC = "it is for replicas", PSYNC = "it is for replicas", REPLCONF = "it is for replicas",
}

local function last(words)
  return tonumber(words[words.n])
end

local function first(words)
  return tonumber(words[1])
end

--- XREAD ... BLOCK milliseconds ...: nil when it does not wait.
local function block(words)
  for i = 1, words.n - 1 do
    if type(words[i]) == "string" and words[i]:upper() == "BLOCK" then
      local milliseconds <const> = tonumber(words[i + 1])
      return milliseconds and milliseconds / 1000 or 0
    end
    if type(words[i]) == "string" and words[i]:upper() == "STREAMS" then return nil end
  end
  return nil
end

--- How many seconds each waits, by its words; 0: for ever.
local BLOCKING <const> = { BLPOP = last, BRPOP = last, BRPOPLPUSH = last, BLMOVE = last, BZPOPMIN = last,
  BZPOPMAX = last, BLMPOP = first, BZMPOP = first, XREAD = block, XREADGROUP = block }

--- The name of a command in upper case. Like the following two it raises at the line that has called its caller.
---@param name any
---@return string
function M.upper(name)
  if type(name) ~= "string" then error("bad argument 'name' (the name of a command expected)", 3) end
  return name:upper()
end

local function is_word(value)
  local metatable <const> = type(value) == "userdata" and debug.getmetatable(value)
  return type(value) == "string" or math.type(value) or metatable and metatable.__name == "perigee.buffer"
end

--- A command as it is sent.
---@param name string
---@param ... string|number|perigee.Buffer
---@return string
function M.encode(name, ...)
  local ok <const>, text <const> = pcall(resp.command, name, ...)
  if ok then return text end
  for i = 1, select("#", ...) do
    local value <const> = (select(i, ...))
    if not is_word(value) then
      error(("bad argument #%d to %s (a string, number or buffer expected, got a %s)"):format(i, name, type(value)), 3)
    end
  end
  error(text, 3)
end

--- Raises for a command that cannot share a connection.
---@param name string upper case
---@param word any the first word after the name
function M.check(name, word)
  local reason <const> = REFUSED[name]
  if reason then error(("%s cannot share a connection: %s"):format(name, reason), 3) end
  if name == "CLIENT" and type(word) == "string" and word:upper() == "REPLY" then
    error("CLIENT REPLY cannot share a connection: others wait for their replies", 3)
  end
end

--- Seconds that a command may wait at the server, math.huge for ever; nil: it does not wait.
---@param name string upper case
---@return number?
function M.waits(name, ...)
  local seconds_of <const> = BLOCKING[name]
  if not seconds_of then return nil end
  local seconds <const> = seconds_of(table.pack(...))
  if seconds == 0 then return math.huge end
  return seconds or seconds_of ~= block and 0 or nil
end

--- Gives a class a method for each command that is asked for: object:hset(...) is object:call("HSET", ...).
---@param class table
function M.add_methods(class)
  class.__index = class
  setmetatable(class, { __index = function(_, name)
    if type(name) ~= "string" or not name:find "^%l[%l%d]*$" then return nil end
    local command <const> = name:upper()
    class[name] = function(self, ...) return self:call(command, ...) end
    return class[name]
  end })
end

return M
