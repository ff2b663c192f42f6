--- Stores: strings by key, which all processes that have opened the same URL share, and which may expire.
---   local sessions <const> = assert(require("perigee.store").open("local:/var/lib/shop", "sessions"))
---   sessions:set(token, json.encode(session), { expire = 3600 })
---   local text <const> = sessions:get(token)

local backend <const> = require "perigee.backend"
local class <const> = require "perigee.store.class"
local server <const> = require "perigee.server"

local M <const> = {}

local function open(url, name, options)
  backend.kind(url)
  local called <const> = class.check(name, options, 0)
  return backend.open("perigee.store", url, options, called)
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
