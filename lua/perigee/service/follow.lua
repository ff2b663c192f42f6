--- Connections that go on with newer code: at a reload, what serves them from then on is found by where they came in.

local core <const> = require "core.task"
local listener <const> = require "core.listener"
require "core.connection"
require "core.websocket"

local M <const> = {}

---@class perigee.service.Follower
---@field conn perigee.Connection|perigee.WebSocket
---@field take fun(handler: function, newer: perigee.service.Generation): boolean
---@field generation perigee.service.Generation? that it belongs to
local Follower <const> = { __name = "perigee.service.follower" }
Follower.__index = Follower

--- Newer code has taken over: the connection belongs to that, if it is served there. Does not wait.
---@param newer perigee.service.Generation
function Follower:follow(newer)
  local handler <const> = listener.handler_of(self.conn)
  if not handler or not self.take(handler, newer) then return end
  newer.scope:take(self.conn)
  self.generation.followers[self], newer.followers[self] = nil, true
  self.generation = newer
end

function Follower:__close()
  if self.generation then self.generation.followers[self] = nil end
end

--- Has the connection that the running task serves follow reloads. With each, `take` is called with the function that
--- serves those who come now to where this connection came in. Where it returns true, the connection is served by the
--- newer version from then on, and belongs to it; else it has its time to end, as others have. It must not wait.
---@param conn perigee.Connection|perigee.WebSocket
---@param take fun(handler: function, newer: perigee.service.Generation): boolean
---@return perigee.service.Follower to be held in a <close> variable
function M.follow(conn, take)
  local current <const> = core.context()
  local self <const> = setmetatable({ conn = conn, take = take, generation = current }, Follower)
  if not current then return self end
  current.followers[self] = true
  if current.is_over and current.service.generation then self:follow(current.service.generation) end
  return self
end

return M
