--- How a pickle is refused while it is read: raised here, and caught where reading begins.

local M <const> = {}

---@class perigee.pickle.Failure
---@field message string
---@field code "protocol"|"limit"|"denied"
local Failure <const> = { __name = "perigee.pickle.Failure" }

---@param code "protocol"|"limit"|"denied"
---@param message string
function M.raise(code, message)
  error(setmetatable({ message = message, code = code }, Failure), 0)
end

--- It is no pickle. `position` is that behind the opcode which is wrong.
---@param position integer
---@param text string a format for the arguments that follow
function M.invalid(position, text, ...)
  M.raise("protocol", ("invalid pickle at byte %d: "):format(position - 1) .. text:format(...))
end

---@param position integer
function M.truncated(position)
  M.invalid(position, "it is cut off")
end

--- It names code.
---@param position integer
---@param what string
function M.denied(position, what)
  M.raise("denied", ("pickle names %s at byte %d: only data is taken"):format(what, position - 1))
end

--- What pcall gave: true and the value; or nil, message, code. An error of our own is raised again.
---@param ok boolean
---@param value any
---@return true? ok
---@return any value_or_message
---@return string? code
function M.catch(ok, value)
  if ok then return true, value end
  if getmetatable(value) ~= Failure then error(value, 0) end
  return nil, value.message, value.code
end

return M
