--- The bus of one machine: between the tasks of a process without a detour, and between processes over Unix sockets.
--- Nothing is kept for those who are not there.

local class <const> = require "perigee.bus.class"
local meshes <const> = require "perigee.bus.mesh"

local M <const> = {}

--- Opens the bus of a place.
---@param place perigee.Place
---@param options { limit: integer?, policy: "drop"|"close"|nil, on_lost: fun(lost: perigee.bus.Lost)? }? see
--- perigee.bus.open
---@return perigee.Bus?
---@return string? message
---@return string? code
function M.open(place, options)
  local unknown <const> = next(class.check_options(options, 2))
  if unknown ~= nil then error(("there is no option '%s'"):format(tostring(unknown)), 2) end
  local mesh <const>, message <const>, code <const> = meshes.open(place)
  if not mesh then return nil, "open the bus: " .. message, code end
  return class.new(mesh, options)
end

return M
