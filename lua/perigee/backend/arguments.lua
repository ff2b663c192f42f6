--- What is wrong with the arguments of buses, queues and stores.

local M <const> = {
  FAR = 1e9, -- seconds that something can be put off at most
}

--- A value, for a message that says what was got.
---@param value any
---@return string
function M.describe(value)
  return type(value) == "string" and ("%q"):format(value) or type(value)
end

--- A method's argument that must be a string. Raises at the line that has called the method.
---@param name string
---@param value any
---@return string value
function M.check_string(name, value)
  if type(value) == "string" then return value end
  local hint <const> = type(value) == "table"
    and ": encode it, with perigee.codec.json or perigee.codec.msgpack" or ""
  error(("bad argument '%s' (a string expected, got %s%s)"):format(name, M.describe(value), hint), 3)
end

--- A method's argument that must be seconds of 0 or more, or nil. Raises at the line that has called the method.
---@param name string
---@param value any
---@param highest number seconds
---@return number? value
function M.check_seconds(name, value, highest)
  if value == nil or type(value) == "number" and value >= 0 and value <= highest then return value end
  error(("bad argument '%s' (seconds of 0 or more expected, got %s)"):format(name, tostring(value)), 3)
end

return M
