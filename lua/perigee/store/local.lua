--- Stores of one machine: in the directory of a place, which processes share.

local class <const> = require "perigee.store.class"
local core <const> = require "core.task"
local environments <const> = require "perigee.backend.environment"

---@class perigee.store.Local: perigee.store.Backend
---@field package environment perigee.Durable
---@field package values perigee.DurableStore
local Local <const> = {}
Local.__index = Local

function Local:get(key)
  return self.values:get(key)
end

function Local:exists(key)
  return self.values:exists(key)
end

function Local:set(key, value, seconds, absent)
  return self.values:set(key, value, seconds, absent)
end

function Local:replace(key, old, new, seconds)
  return self.values:replace(key, old, new, seconds)
end

function Local:delete(keys)
  return self.values:delete(table.unpack(keys))
end

function Local:increment(key, by, seconds)
  return self.values:increment(key, by, seconds)
end

function Local:expire(key, seconds)
  return self.values:expire(key, seconds)
end

function Local:keys(prefix)
  local list <const> = {}
  local after
  repeat
    local some <const>, last <const>, code <const> = self.values:keys(prefix, after)
    if not some then return nil, last, code end
    table.move(some, 1, #some, #list + 1, list)
    if last then core.sleep(0) end -- others have their turn
    after = last
  until not after
  return list
end

function Local:close()
  self.environment:close()
end

local M <const> = {}

--- Opens a store of a place.
---@param place perigee.Place
---@param name string? default "default"; at most 255 bytes
---@param options { size: integer? }? size: bytes that all stores and queues of the place may take, as the first one of
--- a process says; default 8 GiB, in memory 1 GiB
---@return perigee.Store?
---@return string? message
---@return string? code
function M.open(place, name, options)
  local called <const> = class.check(name, options, 2)
  for key in pairs(options or {}) do
    if key ~= "size" then error(("there is no option '%s'"):format(tostring(key)), 2) end
  end
  local environment <const>, values <const>, title <const> =
    environments.open(place, "store", called, options and options.size)
  if not environment then return nil, values, title end
  return class.new(setmetatable({ environment = environment, values = values, name = title }, Local))
end

return M
