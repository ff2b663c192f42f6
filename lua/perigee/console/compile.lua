--- From what was typed to a function: an expression, whose values are shown, or statements.

local M <const> = {}

local NAME <const> = "=console"

local function lacks_end(message)
  return message:find "near '?<eof>'?$" ~= nil
end

--- Compiles a line. Of an input that only lacks its end, the message is what the compiler says.
---@param source string
---@param environment table its globals
---@return function? chunk
---@return string? message
---@return boolean? incomplete more lines are expected
function M.compile(source, environment)
  local expression <const>, why <const> = load("return " .. source, NAME, "t", environment)
  if expression then return expression end
  local chunk <const>, message <const> = load(source, NAME, "t", environment)
  if chunk then return chunk end
  if lacks_end(why) then return nil, why, true end
  return nil, message, lacks_end(message)
end

return M
