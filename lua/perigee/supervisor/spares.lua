--- Sockets that were there before anybody has asked for them: systemd's, or those of the supervisor before.

local sockets <const> = require "perigee.supervisor.sockets"

---@class perigee.supervisor.Spare
---@field descriptor perigee.Descriptor
---@field place string
---@field key string? the words that it was asked for by
---@field shared boolean
---@field foreign boolean

---@class perigee.supervisor.Spares
---@field list perigee.supervisor.Spare[]
local Spares <const> = {}
Spares.__index = Spares

--- Keeps a socket until somebody asks for its address.
---@param socket perigee.Descriptor
---@param record { key: string?, shared: boolean, foreign: boolean } as of Listeners:export
function Spares:add(socket, record)
  local kind <const> = socket.kind == "datagram" and "datagram" or "stream"
  table.insert(self.list, { descriptor = socket, key = record.key, shared = record.shared, foreign = record.foreign,
    place = socket.address and sockets.place_of(kind, socket.address) or "" })
end

local function is_wildcard_of(spare, place)
  return spare.foreign and spare.place:gsub(" :: ", " 0.0.0.0 ") == place
end

--- Takes those that were asked for by these words, or else those that are bound at the address.
---@param word string
---@param url string
---@return perigee.supervisor.Spare[]? nil: there are none
function Spares:take(word, url)
  if #self.list == 0 then return nil end
  local place <const> = sockets.place_of_url(url)
  local function pick(fits)
    local picked <const>, left <const> = {}, {}
    for _, spare in ipairs(self.list) do table.insert(fits(spare) and picked or left, spare) end
    if #picked > 0 then self.list = left end
    return #picked > 0 and picked or nil
  end
  return pick(function(spare) return spare.key == word end)
    or pick(function(spare) return spare.place == place end)
    or pick(function(spare) return is_wildcard_of(spare, place) end)
end

--- Closes those that nobody has asked for.
function Spares:close()
  for _, spare in ipairs(self.list) do spare.descriptor:close() end
  self.list = {}
end

---@return perigee.supervisor.Spares
return function()
  return setmetatable({ list = {} }, Spares)
end
