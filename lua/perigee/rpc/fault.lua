--- Faults: the errors that a caller far away is told of. Everything else that goes wrong in a method stays here.

local log <const> = require "perigee.log"

---@class perigee.rpc.Fault
---@field code integer
---@field message string
---@field data any more about it, or nil
local Fault <const> = { __name = "perigee.rpc.Fault" }
Fault.__index = Fault

function Fault:__tostring()
  return self.message
end

local M <const> = {}

--- The codes of JSON-RPC 2.0, section 5.1, which the other protocols use as well; and that of a method's own expected
--- failure, nil, message.
---@type table<string, integer>
M.codes = {
  PARSE = -32700, INVALID_REQUEST = -32600, NOT_FOUND = -32601, INVALID_PARAMETERS = -32602, INTERNAL = -32603,
  LIMIT = -32000, APPLICATION = 1,
}

--- Makes a fault, to be raised by a method: error(rpc.fault(404, "no such item")).
---@param code integer
---@param message string
---@param data any? more about it, of what the protocol can carry; XML-RPC leaves it out
---@return perigee.rpc.Fault
function M.new(code, message, data)
  if not math.tointeger(code) then error("bad argument 'code' (an integer expected)", 2) end
  if type(message) ~= "string" then error("bad argument 'message' (a string expected)", 2) end
  return setmetatable({ code = math.tointeger(code), message = message, data = data }, Fault)
end

--- What the caller is told when a result cannot be encoded; why not is in the log.
---@param method string
---@param reason string
---@return perigee.rpc.Fault
function M.unsendable(method, reason)
  local message <const> = "what a method returned cannot be sent"
  log.failure(message, { method = method, reason = reason }, message .. ": " .. method)
  return M.new(M.codes.INTERNAL, "internal error")
end

--- Logs that the data of a fault cannot be encoded: it is sent without.
---@param reason string
function M.drop_data(reason)
  log.failure("the data of a fault cannot be sent", { reason = reason })
end

---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == Fault
end

return M
