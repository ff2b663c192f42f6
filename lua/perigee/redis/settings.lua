--- From the URL and the options of redis.connect to what a connection needs.

local TIMEOUT <const> = 10 -- seconds
local LIMIT <const> = 64 * 1024 * 1024 -- bytes of one reply
local CONNECTIONS <const> = 64
local DELAYS <const> = { 0.05, 5 } -- seconds, the first and the longest between two attempts to connect

---@class perigee.redis.Settings
---@field address string for net.connect
---@field shown string the URL for messages, without user and password
---@field user string?
---@field password string?
---@field database integer
---@field name string? of the client
---@field timeout number seconds
---@field protocol 2|3
---@field tls any
---@field server_name string?
---@field limit integer bytes of one reply
---@field connections integer of blocking commands and transactions, at most
---@field backoff number[] seconds

local M <const> = {}

local function misuse(format, ...)
  error(format:format(...), 0)
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function to_number(value, name, least, is_whole)
  local number <const> = math.type(value) and value or type(value) == "string" and tonumber(value)
  if not number or number ~= number or number < least or is_whole and not math.tointeger(number) then
    misuse("option '%s' must be %s of %s or more, not %s", name, is_whole and "an integer" or "a number", least,
      tostring(value))
  end
  return is_whole and math.tointeger(number) or number
end

local function to_text(value, name)
  if type(value) ~= "string" then misuse("option '%s' must be a string, not a %s", name, type(value)) end
  return value
end

local function to_name(value)
  if to_text(value, "name"):find "[^!-~]" then
    misuse("option 'name' must be printable ASCII without spaces, not '%s'", value)
  end
  return value
end

local function to_protocol(value)
  local version <const> = to_number(value, "protocol", 2, true)
  if version > 3 then misuse("option 'protocol' must be 2 or 3, not %d", version) end
  return version
end

local function to_delays(value)
  if type(value) ~= "table" or #value ~= 2 then
    misuse "option 'backoff' must be { first, longest } seconds between attempts to connect"
  end
  local first <const> = to_number(value[1], "backoff", 0)
  return { first, to_number(value[2], "backoff", first) }
end

--- How each option is checked; all but these three can be given in the URL's query too.
local NOT_IN_URL <const> = { tls = true, server_name = true, backoff = true }
local CHECKS <const> = {
  user = function(value) return to_text(value, "user") end,
  password = function(value) return to_text(value, "password") end,
  database = function(value) return to_number(value, "database", 0, true) end,
  name = to_name,
  timeout = function(value) return to_number(value, "timeout", 0.001) end,
  protocol = to_protocol,
  tls = function(value) return value end,
  server_name = function(value) return to_text(value, "server_name") end,
  limit = function(value) return to_number(value, "limit", 1, true) end,
  connections = function(value) return to_number(value, "connections", 1, true) end,
  backoff = to_delays,
}

local function read_query(query, settings, url)
  for part in query:gmatch "[^&]+" do
    local given <const>, value <const> = part:match "^([^=]+)=(.*)$"
    local name <const> = given == "db" and "database" or given
    if not CHECKS[name] or NOT_IN_URL[name] then misuse("'%s' has no meaning in %s", part, url) end
    settings[name] = CHECKS[name](decode(value))
  end
end

--- user:password@, user@ or :password@ at the beginning of what follows the scheme: the rest.
local function read_user(rest, settings)
  local authority <const>, after <const> = rest:match "^([^/?]*)(.*)$"
  local user <const>, host <const> = authority:match "^(.*)@([^@]*)$"
  if not user then return rest end
  local name <const>, password <const> = user:match "^([^:]*):?(.*)$"
  settings.user = name ~= "" and decode(name) or nil
  settings.password = user:find ":" and decode(password) or nil
  return host .. after
end

local function read_unix(rest, settings, url)
  local path <const>, query <const> = rest:match "^([^?]+)%??(.*)$"
  if not path then misuse("there is no path in %s", url) end
  settings.address = "unix:" .. decode(path)
  settings.shown = "redis+unix://" .. path
  read_query(query, settings, url)
end

local function check_port(port, url)
  if port == "" then return 6379 end
  local number <const> = math.tointeger(tonumber(port:match "^%d+$"))
  if not number or number < 1 or number > 65535 then misuse("there is no port in %s", url) end
  return number
end

local function read_tcp(scheme, rest, settings, url)
  local authority <const>, path <const>, query <const> = rest:match "^([^/?]*)/?([^?]*)%??(.*)$"
  local host <const>, port <const> = authority:match "^(%[[%x:.]+%]):?(.*)$"
  local name <const>, number <const> = authority:match "^([^:]*):?(.*)$"
  local where <const> = ("%s:%d"):format(host or name ~= "" and name or "localhost", check_port(port or number, url))
  settings.address = (scheme == "rediss" and "tls://" or "tcp://") .. where
  settings.shown = scheme .. "://" .. where
  if path ~= "" then settings.database = CHECKS.database(decode(path)) end
  read_query(query, settings, url)
end

--- The URL without what is secret in it, also where that should have been escaped.
local function hide(url)
  return (url:gsub("^([%w+]+://).*@", "%1"):gsub("password=[^&]*", "password=..."))
end

local function read_url(url)
  if type(url) ~= "string" then misuse "bad argument 'url' (a URL expected)" end
  local scheme <const>, rest <const> = url:match "^([%w+]+)://(.*)$"
  local settings <const>, shown <const> = {}, hide(url)
  if scheme == "redis+unix" then read_unix(read_user(rest, settings), settings, shown)
  elseif scheme == "redis" or scheme == "rediss" then read_tcp(scheme, read_user(rest, settings), settings, shown)
  else misuse("the URL of a Redis must begin with redis://, rediss:// or redis+unix://, not '%s'", shown) end
  return settings
end

local function read_options(options, settings)
  if options == nil then return end
  if type(options) ~= "table" then misuse "bad argument 'options' (a table expected)" end
  for name, value in pairs(options) do
    if not CHECKS[name] then misuse("there is no option '%s'", tostring(name)) end
    settings[name] = CHECKS[name](value)
  end
end

--- Raises for what is wrong.
---@param url string
---@param options table?
---@return perigee.redis.Settings
function M.read(url, options)
  local settings <const> = read_url(url)
  read_options(options, settings)
  settings.database = settings.database or 0
  settings.timeout = settings.timeout or TIMEOUT
  settings.protocol = settings.protocol or 3
  settings.limit = settings.limit or LIMIT
  settings.connections = settings.connections or CONNECTIONS
  settings.backoff = settings.backoff or DELAYS
  if settings.user and not settings.password then settings.password = "" end
  return settings
end

return M
