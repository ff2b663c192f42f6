--- The query of a URL, made of names and values (RFC 3986 3.4, in the shape of forms): every byte but letters, digits
--- and -._~ is escaped.

local core <const> = require "core.http"

local M <const> = {}

local TEXTS <const> = { string = true, number = true, boolean = true }

local function add(pairs_of, name, value)
  if not TEXTS[type(value)] then
    error(("option 'query': the value of '%s' must be a string, a number, a boolean or a list of these, not %s"):format(
      name, type(value)), 0)
  end
  pairs_of[#pairs_of + 1] = core.encode(name) .. "=" .. core.encode(tostring(value))
end

local function add_list(pairs_of, name, list)
  local count = 0
  for _ in pairs(list) do count = count + 1 end
  if count ~= #list then error(("option 'query': the value of '%s' is no list"):format(name), 0) end
  for _, value in ipairs(list) do add(pairs_of, name, value) end
end

local function sorted_names(values)
  local names <const> = {}
  for name in pairs(values) do
    if type(name) ~= "string" then
      error(("option 'query': names must be strings, not %s"):format(type(name)), 0)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- "a=1&b=x%20y": names in order, the values of a list one after the other. Raises for what is no text.
---@param values table<string, string|number|boolean|(string|number|boolean)[]>
---@return string
function M.encode(values)
  if type(values) ~= "table" then error("option 'query' must be a table, not " .. type(values), 0) end
  local pairs_of <const> = {}
  for _, name in ipairs(sorted_names(values)) do
    local value <const> = values[name]
    if type(value) == "table" then add_list(pairs_of, name, value) else add(pairs_of, name, value) end
  end
  return table.concat(pairs_of, "&")
end

--- A URL with these behind the query that it has, and before its fragment.
---@param url string
---@param values table<string, string|number|boolean|(string|number|boolean)[]>?
---@return string
function M.append(url, values)
  local text <const> = values ~= nil and M.encode(values) or ""
  if text == "" then return url end
  local before <const>, fragment <const> = url:match "^([^#]*)(.*)$"
  local joint <const> = not before:find("?", 1, true) and "?" or before:find "[?&]$" and "" or "&"
  return before .. joint .. text .. fragment
end

return M
