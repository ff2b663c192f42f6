--- Where a value is that cannot be encoded: "items[3].price".

local M <const> = {}

local function step(key)
  if math.type(key) then return ("[%s]"):format(tostring(key)) end
  if type(key) ~= "string" then return ("[%s]"):format(type(key)) end
  if key:find "^[%a_][%w_]*$" then return "." .. key end
  return ('["%s"]'):format(key:gsub('[%c"\\\128-\255]', "?"))
end

--- " at items[3].price"; "" for the value itself.
---@param path any[] the keys down to a table: the first one leads to the value itself, and is not looked at
---@param level integer of these
---@param key any? in that table
---@return string
function M.text(path, level, key)
  local steps <const> = {}
  for index = 2, level do steps[#steps + 1] = step(path[index]) end
  if key ~= nil then steps[#steps + 1] = step(key) end
  if #steps == 0 then return "" end
  return " at " .. table.concat(steps):gsub("^%.", "")
end

return M
