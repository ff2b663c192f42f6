--- What keeps the messages of a bus, the jobs of a queue and the values of a store: which one, their URL says.

local place <const> = require "perigee.place"
local service <const> = require "perigee.service"

local SCHEMES <const> = { ["local"] = "local", redis = "redis", rediss = "redis", ["redis+unix"] = "redis" }

local M <const> = {}

--- Which kind of backend it is. Raises for a URL that leads to none.
---@param url string
---@return "local"|"redis"
function M.kind(url)
  if type(url) ~= "string" then error("bad argument 'url' (a URL expected: local:/path or redis://host:6379)", 0) end
  local kind <const> = SCHEMES[url:match "^([%a+]+):"]
  local problem <const> = kind == "local" and place.problem(url)
  if problem then error(problem, 0) end
  if kind then return kind end
  error(("bad argument 'url' (local:, local:/path, redis:// or rediss:// expected, got '%s')"):format(url), 0)
end

--- Whether the script that runs is only checked: then nothing that others have is touched.
---@return boolean
function M.is_checked()
  local current <const> = service.current()
  return current ~= nil and current.checking and true or false
end

--- Opens what a library has at a URL: by the open(url or place, options), or open(url or place, name, options), of its
--- module for that kind. A script that is only checked gets memory of its own, whatever the URL is.
---@param library "perigee.bus"|"perigee.queue"|"perigee.store"
---@param url string
---@param options table?
---@param ... string the name, if it has one
---@return any
---@return string? message
---@return string? code
function M.open(library, url, options, ...)
  local kind <const> = M.kind(url)
  local function open(module, target, given, ...)
    if select("#", ...) == 0 then return module.open(target, given) end
    return module.open(target, (...), given)
  end
  if kind == "redis" and not M.is_checked() then return open(require(library .. ".redis"), url, options, ...) end
  local found <const>, message <const>, code <const> = place.find(M.is_checked() and "local:" or url)
  if not found then return nil, message, code end
  return open(require(library .. ".local"), found, kind == "local" and options or nil, ...)
end

return M
