--- The bus: whoever publishes a message on a topic reaches everybody who is subscribed to it now, in all processes that
--- have opened the same URL.
---   local bus <const> = assert(require("perigee.bus").open "local:")
---   for text, topic, lost in bus:subscribe("news") do ... end
---   bus:publish("news", "it rains")
--- Messages are strings; perigee.codec.* make strings of other values. Nothing is kept for those who are not there:
--- what must not be lost belongs into perigee.queue.

local backend <const> = require "perigee.backend"
local class <const> = require "perigee.bus.class"
local server <const> = require "perigee.server"

local M <const> = {}

local function open(url, options)
  backend.kind(url)
  class.check_options(options, 0)
  return backend.open("perigee.bus", url, options)
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
