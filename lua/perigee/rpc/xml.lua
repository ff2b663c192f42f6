--- XML-RPC (http://xmlrpc.com/spec.md): the text of a call to the text of its answer.

local fault <const> = require "perigee.rpc.fault"
local sendable <const> = require "perigee.rpc.sendable"
local xmlrpc <const> = require "perigee.codec.xmlrpc"

local codes <const> = fault.codes

local M <const> = {}

local function refuse(wrong)
  return xmlrpc.encode_fault(wrong.code, wrong.message)
end

--- The answer to a call: a value or a fault.
---@param service perigee.rpc.Service
---@param text string what a client has sent
---@return string
function M.answer(service, text)
  local name <const>, parameters <const> = xmlrpc.decode_call(text)
  if not name then return xmlrpc.encode_fault(codes.PARSE, tostring(parameters)) end
  local ok <const>, result <const> = service:call(name, parameters)
  if not ok then return refuse(result) end
  local answer <const>, wrong <const> = sendable(name, result, xmlrpc.encode_response)
  return answer or refuse(wrong)
end

return M
