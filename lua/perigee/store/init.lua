--- Stores: strings by key, which all processes that have opened the same URL share, and which may expire.
---   local sessions <const> = assert(require("perigee.store").open("local:/var/lib/shop", "sessions"))
---   sessions:set(token, json.encode(session), { expire = 3600 })
---   local text <const> = sessions:get(token)

local class <const> = require "perigee.store.class"
local place <const> = require "perigee.place"
local server <const> = require "perigee.server"

local M <const> = {}

local SCHEMES <const> = { ["local"] = "local", redis = "redis", rediss = "redis", ["redis+unix"] = "redis" }

local function open(url, name, options)
  if type(url) ~= "string" then error("bad argument 'url' (a URL expected: local:/path or redis://host:6379)", 0) end
  local kind <const> = SCHEMES[url:match "^([%a+]+):"]
  if not kind then
    error(("bad argument 'url' (local:, local:/path, redis:// or rediss:// expected, got '%s')"):format(url), 0)
  end
  local called <const> = class.check(name, options, 0)
  if kind == "redis" then return require "perigee.store.redis".open(url, called, options) end
  local found <const>, message <const>, code <const> = place.find(url)
  if not found then return nil, message, code end
  return require "perigee.store.local".open(found, called, options)
end

--- Opens a store. "local:/path" keeps its values in that directory, and survives everything; "local:" in the memory of
--- this `perigee run`; redis://, rediss:// (TLS) and redis+unix:// in a Redis.
---
--- Options: of Redis, those of perigee.redis.connect.
---@param url string
---@param name string? default "default"
---@param options table?
---@return perigee.Store? store
---@return string? message
---@return string? code "denied", "limit", "refused" ...
function M.open(url, name, options)
  return server.returned(pcall(open, url, name, options))
end

return M
