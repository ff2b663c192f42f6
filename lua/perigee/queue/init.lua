--- Queues of jobs: each is done by one of those who take jobs, in whatever process, and none is lost. A job whose taker
--- dies is taken by another; so each is done at least once, and seldom twice.
---   local queue <const> = assert(require("perigee.queue").open("local:/var/lib/shop", "mails"))
---   queue:put(json.encode { to = "ann@example.org" })
---   queue:work(function(text) send(json.decode(text)) end, { parallel = 10 })

local backend <const> = require "perigee.backend"
local class <const> = require "perigee.queue.class"
local server <const> = require "perigee.server"

local M <const> = {}

local function open(url, name, options)
  backend.kind(url)
  class.check(name, options, 0)
  return backend.open("perigee.queue", url, options, name)
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
