--- The options with which a service is served, which its protocols share.

local checked <const> = require "perigee.options"

local M <const> = {}

local known <const> = { limit = true, batch = true, calls = true, origins = true, websocket = true, server = true,
  idle_timeout = true }

local function check_count(options, name)
  local count <const> = options[name]
  if count ~= nil and (math.type(count) ~= "integer" or count < 1) then
    error(("option '%s' must be an integer of 1 or more"):format(name), 0)
  end
end

--- Raises for what is no option of any protocol, and for values that cannot be.
---@param options table
function M.check(options)
  checked.check_names(options, known)
  for _, name in ipairs { "limit", "batch", "calls" } do check_count(options, name) end
  checked.check_seconds(options, "idle_timeout")
  local origins <const> = options.origins
  if origins ~= nil and origins ~= "*" and type(origins) ~= "table" then
    error("option 'origins' must be a list or \"*\"", 0)
  end
end

--- The same for a client's.
---@param options table
---@param names table<string, true>
function M.check_client(options, names)
  checked.check_names(options, names)
  check_count(options, "limit")
  checked.check_seconds(options, "timeout")
end

return M
