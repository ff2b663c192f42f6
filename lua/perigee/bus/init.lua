--- The bus: whoever publishes a message on a topic reaches everybody who is subscribed to it now, in all processes that
--- have opened the same URL.
---   local bus <const> = assert(require("perigee.bus").open "local:")
---   for text, topic, lost in bus:subscribe("news") do ... end
---   bus:publish("news", "it rains")
--- Messages are strings; perigee.codec.* make strings of other values. Nothing is kept for those who are not there:
--- what must not be lost belongs into perigee.queue.

local class <const> = require "perigee.bus.class"
local place <const> = require "perigee.place"
local server <const> = require "perigee.server"

local M <const> = {}

local SCHEMES <const> = { ["local"] = "local", redis = "redis", rediss = "redis", ["redis+unix"] = "redis" }

local function open(url, options)
  if type(url) ~= "string" then error("bad argument 'url' (a URL expected: local: or redis://host:6379)", 0) end
  local scheme <const> = url:match "^([%a+]+):"
  local kind <const> = SCHEMES[scheme]
  if not kind then
    error(("bad argument 'url' (local:, local:/path, redis:// or rediss:// expected, got '%s')"):format(url), 0)
  end
  class.check_options(options, 0)
  if kind == "redis" then return require "perigee.bus.redis".open(url, options) end
  local found <const>, message <const>, code <const> = place.find(url)
  if not found then return nil, message, code end
  return require "perigee.bus.local".open(found, options)
end

--- Opens a bus. "local:" is shared by the workers of one `perigee run`, and by the processes that they start with
--- process.start; "local:/path" by all processes of this user that name the directory; redis://, rediss:// (TLS) and
--- redis+unix:// by all that use the Redis there.
---
--- Options: limit (messages that may wait for a subscriber, default 1000), policy (of a subscriber that has so many:
--- "drop", the default: the oldest are dropped, and the next one that it gets tells of it; "close": the subscription is
--- closed), on_lost (function(lost) that is called as soon as messages are known to be lost); of Redis also those of
--- perigee.redis.connect.
---@param url string
---@param options { limit: integer?, policy: "drop"|"close"|nil, on_lost: fun(lost: perigee.bus.Lost)? }?
---@return perigee.Bus? bus
---@return string? message
---@return string? code "denied", "limit", "refused" ...
function M.open(url, options)
  return server.returned(pcall(open, url, options))
end

return M
