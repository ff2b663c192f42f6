--- Files of options, for --config: a line for each, `service.option = value`. Blank lines and what comes after a # are
--- skipped; a value in quotes keeps its blanks and its #.

local M <const> = {}

local ESCAPED <const> = { n = "\n", t = "\t", ['"'] = '"', ["\\"] = "\\" }

--- The text inside of double quotes; nil and what is wrong with it.
local function unescape(text)
  local unknown
  local result <const> = text:gsub("\\(.)", function(letter)
    unknown = unknown or not ESCAPED[letter] and letter
    return ESCAPED[letter]
  end)
  if unknown then return nil, ([[\%s is unknown: between "" there are \" \\ \n \t]]):format(unknown) end
  return result
end

--- The end of a quoted text that begins at the second byte.
local function closing_quote(text, quote)
  local position = 2
  while position <= #text do
    local byte <const> = text:sub(position, position)
    if byte == quote then return position end
    position = position + (byte == "\\" and quote == '"' and 2 or 1)
  end
end

local function quoted_value(text, quote)
  local last <const> = closing_quote(text, quote)
  if not last then return nil, ("the closing %s is missing"):format(quote) end
  local rest <const> = text:sub(last + 1)
  if not rest:find "^%s*$" and not rest:find "^%s+#" then
    return nil, ("after the closing %s there is '%s'"):format(quote, rest:match "^%s*(.-)%s*$")
  end
  local inner <const> = text:sub(2, last - 1)
  if quote == '"' then return unescape(inner) end
  return inner
end

local function value_of(text)
  local quote <const> = text:match "^[\"']"
  if quote then return quoted_value(text, quote) end
  if text:find "^#" then return nil, "the value is missing: one that begins with # is to be quoted" end
  return (text:gsub("%s+#.*$", ""):gsub("%s+$", ""))
end

local function setting_of(line)
  local service <const>, name <const>, text <const> = line:match "^%s*([^.=%s]+)%.([^=%s]+)%s*=%s*(.*)$"
  if not service then return nil, "it is not of the form SERVICE.OPTION = VALUE" end
  local value <const>, message <const> = value_of(text)
  if not value then return nil, message end
  return service, name, value
end

---@class perigee.cli.config.Reader
---@field path string
---@field services table<string, boolean>
---@field options table<string, table<string, string>>
---@field origins table<string, table<string, string>> where each option was given: "chat.conf:3"
local Reader <const> = {}
Reader.__index = Reader

--- Takes one line: true, or nil and what is wrong.
function Reader:take(line, number)
  if line:find "^%s*$" or line:find "^%s*#" then return true end
  local service <const>, name <const>, value <const> = setting_of(line)
  if not service then return nil, name end
  if not self.services[service] then return nil, ("no script here is the service '%s'"):format(service) end
  self.options[service], self.origins[service] = self.options[service] or {}, self.origins[service] or {}
  local before <const> = self.origins[service][name]
  if before then return nil, ("%s.%s is given twice, also at %s"):format(service, name, before) end
  self.options[service][name], self.origins[service][name] = value, ("%s:%d"):format(self.path, number)
  return true
end

local function read_text(path)
  local file <close>, message <const> = io.open(path)
  if not file then return nil, message end
  local text <const>, why <const> = file:read "a"
  if not text then return nil, ("%s: %s"):format(path, why) end
  return (text:gsub("^\xEF\xBB\xBF", ""))
end

--- Reads a file.
---@param path string
---@param services table<string, boolean> the names that there are
---@return table<string, table<string, string>>? options by service and name
---@return string|table<string, table<string, string>> message "FILE:LINE: what is wrong"; or, with options, where each
--- was given
function M.read(path, services)
  local text <const>, message <const> = read_text(path)
  if not text then return nil, message end
  local reader <const> = setmetatable({ path = path, services = services, options = {}, origins = {} }, Reader)
  local number = 0
  for line in (text .. "\n"):gmatch "(.-)\r?\n" do
    number = number + 1
    local taken <const>, problem <const> = reader:take(line, number)
    if not taken then return nil, ("%s:%d: %s"):format(path, number, problem) end
  end
  return reader.options, reader.origins
end

return M
