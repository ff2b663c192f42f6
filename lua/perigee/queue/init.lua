--- Queues of jobs: each is done by one of those who take jobs, in whatever process, and none is lost. A job whose taker
--- dies is taken by another; so each is done at least once, and seldom twice.
---   local queue <const> = assert(require("perigee.queue").open("local:/var/lib/shop", "mails"))
---   queue:put(json.encode { to = "ann@example.org" })
---   queue:work(function(text) send(json.decode(text)) end, { parallel = 10 })

local class <const> = require "perigee.queue.class"
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
  class.check(name, options, 0)
  if kind == "redis" then return require "perigee.queue.redis".open(url, name, options) end
  local found <const>, message <const>, code <const> = place.find(url)
  if not found then return nil, message, code end
  return require "perigee.queue.local".open(found, name, options)
end

--- Opens a queue. "local:/path" keeps its jobs in that directory, and survives everything; "local:" in the memory of
--- this `perigee run`; redis://, rediss:// (TLS) and redis+unix:// in a Redis.
---
--- Options: lease (seconds before a dead taker's job is taken again, default 10; that of one who lives is extended all
--- the time), attempts (deliveries before a job is put aside as failed, default 10); of Redis also those of
--- perigee.redis.connect.
---@param url string
---@param name string
---@param options { lease: number?, attempts: integer? }?
---@return perigee.Jobs? queue
---@return string? message
---@return string? code "denied", "limit", "refused" ...
function M.open(url, name, options)
  return server.returned(pcall(open, url, name, options))
end

return M
