--- What a method has returned, as its protocol has it, or the fault that its caller gets when the protocol has nothing
--- for it: of several calls at once those have failed whose results cannot be sent, and no others.

local fault <const> = require "perigee.rpc.fault"

local MULTICALL <const> = "system.multicall"

--- In a list, where it is as deep as among the others.
local function keep_sendable(results, encode, wrong)
  for index, result in ipairs(results) do
    if not pcall(encode, { result }) then
      results[index] = { faultCode = wrong.code, faultString = wrong.message }
    end
  end
  return results
end

---@generic T
---@param name string the method's
---@param result any
---@param encode fun(result: any): T raises for what cannot be sent
---@return T? encoded
---@return perigee.rpc.Fault?
return function(name, result, encode)
  local is_encoded <const>, encoded <const> = pcall(encode, result)
  if is_encoded then return encoded end
  local wrong <const> = fault.unsendable(name, encoded)
  if name == MULTICALL then return encode(keep_sendable(result, encode, wrong)) end
  return nil, wrong
end
