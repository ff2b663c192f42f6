--- The bus of a Redis: what is published there, by whatever program, and by all processes that have opened its URL.
--- Topics are channels by the same name.

local class <const> = require "perigee.bus.class"
local redis <const> = require "perigee.redis"

---@class perigee.bus.Redis: perigee.bus.Hub
---@field package client perigee.redis.Client
local Hub <const> = {}
Hub.__index = Hub

function Hub:publish(topic, text)
  local count <const>, message <const>, code <const> = self.client:publish(topic, text)
  if not count then return nil, "publish: " .. message, code end
  return true
end

function Hub:subscribe(inbox)
  return self.client.hub:subscribe(inbox)
end

function Hub:unsubscribe(inbox)
  self.client.hub:unsubscribe(inbox)
end

function Hub:finish(inbox)
  self.client.hub:finish(inbox)
end

function Hub:close()
  self.client:close()
end

local M <const> = {}

--- Opens the bus of a Redis.
---@param url string redis://, rediss:// or redis+unix://
---@param options table? see perigee.bus.open and perigee.redis.connect
---@return perigee.Bus?
---@return string? message
---@return string? code "refused" "denied" "tls" "timeout" ...
function M.open(url, options)
  local client <const>, message <const>, code <const> = redis.open(url, class.check_options(options, 2))
  if not client then return nil, "open the bus: " .. message, code end
  return class.new(setmetatable({ client = client, name = client.url }, Hub), options)
end

return M
