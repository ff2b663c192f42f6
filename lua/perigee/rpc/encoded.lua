--- A call as its protocol has it. Arguments that cannot be encoded are an error of the line that calls by a proxy, two
--- functions up.
---@generic T
---@param encode fun(name: string, arguments: table, ...: any): T
---@param name string
---@param arguments table with n
---@param ... any
---@return T
return function(encode, name, arguments, ...)
  local ok <const>, call <const> = pcall(encode, name, arguments, ...)
  if ok then return call end
  local why <const> = type(call) == "string" and call:gsub("^perigee/[%w_/]+%.lua:%d+: ", "") or tostring(call)
  error(("call %s: %s"):format(name, why), 4)
end
