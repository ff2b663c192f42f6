--- Numbers in the words of commands, as strict as Redis: nothing before, behind or within them.

local codec <const> = require "perigee.codec.resp"

local M <const> = {
  NOT_INTEGER = codec.error "ERR value is not an integer or out of range",
}

--- An integer of 64 bits as text: without leading zeros, a plus or spaces.
---@param text string
---@return integer?
function M.integer(text)
  if not text:find "^-?%d+$" then return end
  local number <const> = math.tointeger(tonumber(text))
  return number and tostring(number) == text and number or nil
end

--- A number in decimal.
---@param text string
---@return number?
function M.decimal(text)
  return text:find "^[+-]?[%d.][%d.eE+-]*$" and tonumber(text) or nil
end

return M
