--- The header fields of the HTTP client: from a table to lines, and from an answer's lines to values.

local M <const> = {}

local own <const> = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true, te = true,
  trailer = true, upgrade = true, ["keep-alive"] = true, ["proxy-connection"] = true }

-- A request by these has a body by its nature, be it empty (RFC 9110 8.6).
local enclosing <const> = { POST = true, PUT = true, PATCH = true }

--- The body of a request that was given none.
---@param method string
---@return string?
function M.empty_body(method)
  return enclosing[method] and "" or nil
end

local function check_name(name)
  if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    error(("option 'headers': '%s' is no name of a header"):format(tostring(name)), 0)
  end
  if own[name:lower()] then error(("option 'headers': '%s' is the client's own affair"):format(name), 0) end
end

local function line_of(name, value)
  if value == false then return name .. ":" end
  local kind <const> = type(value)
  if kind ~= "string" and kind ~= "number" then
    error(("option 'headers': the value of '%s' must be a string, not %s"):format(name, kind), 0)
  end
  local text <const> = tostring(value)
  if text:find "[\r\n\0]" then error(("option 'headers': the value of '%s' has a line's end in it"):format(name), 0) end
  return text:find "%S" and name .. ": " .. text or name .. ";"
end

local function add(lines, name, value)
  if type(value) ~= "table" then
    lines[#lines + 1] = line_of(name, value)
    return
  end
  for _, each in ipairs(value) do lines[#lines + 1] = line_of(name, each) end
end

--- As libcurl takes them.
---@param headers table<string, string|number|false|string[]>?
---@param body string?
---@return string[] lines
---@return boolean keeps_encoding the caller says for itself which encodings it takes
function M.lines(headers, body)
  if headers ~= nil and type(headers) ~= "table" then error("option 'headers' must be a table", 0) end
  local lines <const>, seen <const> = {}, {}
  for name, value in pairs(headers or {}) do
    check_name(name)
    seen[name:lower()] = true
    add(lines, name, value)
  end
  if not seen["user-agent"] then lines[#lines + 1] = "User-Agent: perigee" end
  if body and not seen["content-type"] then lines[#lines + 1] = "Content-Type:" end
  return lines, seen["accept-encoding"] or false
end

--- All values of the fields of one name.
---@param head string lines
---@param name string
---@return string[]
function M.values(head, name)
  local wanted <const>, values <const> = name:lower(), {}
  for line in head:gmatch "[^\n]+" do
    local found <const>, value <const> = line:match "^([^:]-)[ \t]*:[ \t]*(.-)[ \t]*$"
    if found and found:lower() == wanted then values[#values + 1] = value end
  end
  return values
end

return M
