--- What may be a line, a name and the name of a room: nothing that could upset a terminal or a browser.

local NAME_MAX <const> = 24 -- bytes

local M <const> = { NAME_MAX = NAME_MAX }

--- What was typed, without what could upset anybody.
---@param line string
---@return string
function M.clean(line)
  if not utf8.len(line) then line = line:gsub("[\128-\255]", "?") end
  return (line:gsub("%c", " "):gsub("\xC2[\x80-\x9F]", " "):match "^%s*(.-)%s*$")
end

---@param line any
---@return boolean
function M.is_clean(line)
  return type(line) == "string" and not line:find "%c" and not line:find "\xC2[\x80-\x9F]" and utf8.len(line) ~= nil
end

---@param name any
---@return boolean
function M.is_name(name)
  return M.is_clean(name) and #name <= NAME_MAX and name:find "^[^%s/*,:][^%s,:]*$" ~= nil
end

---@param name any
---@return boolean
function M.is_room(name)
  return type(name) == "string" and #name <= NAME_MAX and name:find "^[%w_-]+$" ~= nil
end

--- A name with a number behind it; both together are a name.
---@param name string
---@param number integer
---@return string
function M.numbered(name, number)
  local digits <const> = tostring(number)
  local room <const> = NAME_MAX - #digits
  if #name > room then name = name:sub(1, utf8.offset(name, 0, room + 1) - 1) end -- no character is cut
  return name .. digits
end

return M
