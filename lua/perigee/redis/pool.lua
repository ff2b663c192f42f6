--- Connections of their own for what cannot share one: commands that wait at the server, and transactions that watch
--- keys. A task borrows one and gives it back; one that is left in the middle of something is closed, so that the
--- server forgets what it was asked.

local new_link <const> = require "perigee.redis.link"
local semaphore <const> = require "perigee.task.semaphore"

local IDLE <const> = 8 -- connections that are kept for the next one

---@class perigee.redis.Pool
---@field idle perigee.redis.Link[]
---@field links table<perigee.redis.Link, true> all
local Pool <const> = {}
Pool.__index = Pool

local Loan <const> = {}
Loan.__index = Loan

--- Not to be given to anybody else.
function Loan:discard()
  self.link:close()
end

function Loan:__close()
  local pool <const>, link <const> = self.pool, self.link
  self.place:release()
  if not link.keeper.is_closed and #pool.idle < IDLE then
    pool.idle[#pool.idle + 1] = link
    return
  end
  link:close()
  pool.links[link] = nil
end

--- A connection, to be held in a <close> variable: loan.link. Waits while all are in use.
---@return { link: perigee.redis.Link, discard: fun(self) }? loan
---@return string? message
---@return string? code "timeout" "closed"
function Pool:borrow()
  if self.is_closed then return nil, "the client is closed", "closed" end
  local place <const> = self.places:acquire(self.settings.timeout)
  if not place then
    return nil, ("all %d connections for commands that wait are in use"):format(self.settings.connections), "timeout"
  end
  local link <const> = table.remove(self.idle) or new_link(self.settings, self.backoff)
  link.on_abandon = link.close
  self.links[link] = true
  return setmetatable({ pool = self, link = link, place = place }, Loan)
end

--- What is under way fails with "closed".
function Pool:close()
  self.is_closed = true
  for link in pairs(self.links) do link:close() end
end

---@param settings perigee.redis.Settings
---@param backoff perigee.redis.Backoff
---@return perigee.redis.Pool
return function(settings, backoff)
  return setmetatable({ settings = settings, backoff = backoff, idle = {}, links = {}, is_closed = false,
    places = semaphore(settings.connections) }, Pool)
end
