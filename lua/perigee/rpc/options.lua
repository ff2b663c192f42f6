--- The options with which a service is served, which its protocols share.

local M <const> = {}

local known <const> = { limit = true, batch = true, calls = true, origins = true, websocket = true, server = true,
  idle_timeout = true }

local function check_count(options, name)
  local count <const> = options[name]
  if count ~= nil and (math.type(count) ~= "integer" or count < 1) then
    error(("option '%s' must be an integer of 1 or more"):format(name), 0)
  end
end

local function check_seconds(options, name)
  local seconds <const> = options[name]
  if seconds ~= nil and (type(seconds) ~= "number" or seconds <= 0) then
    error(("option '%s' must be seconds above 0, not %s"):format(name, tostring(seconds)), 0)
  end
end

--- Raises unless all names are among these.
---@param options table
---@param names table<string, true>
function M.check_names(options, names)
  if type(options) ~= "table" then error("bad argument 'options' (a table expected)", 0) end
  for name in pairs(options) do
    if not names[name] then error(("there is no option '%s'"):format(tostring(name)), 0) end
  end
end

--- Raises for what is no option of any protocol, and for values that cannot be.
---@param options table
function M.check(options)
  M.check_names(options, known)
  for _, name in ipairs { "limit", "batch", "calls" } do check_count(options, name) end
  check_seconds(options, "idle_timeout")
  local origins <const> = options.origins
  if origins ~= nil and origins ~= "*" and type(origins) ~= "table" then
    error("option 'origins' must be a list or \"*\"", 0)
  end
end

--- The same for a client's.
---@param options table
---@param names table<string, true>
function M.check_client(options, names)
  M.check_names(options, names)
  check_count(options, "limit")
  check_seconds(options, "timeout")
end

return M
