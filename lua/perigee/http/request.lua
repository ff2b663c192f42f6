--- What the library adds to requests: bodies in pieces, forms and files.

local core <const> = require "core.http"
local multipart <const> = require "core.multipart"
local digest <const> = require "core.digest"

---@class perigee.http.Request
---@field method string
---@field path string decoded; "/" when there is none
---@field target string as it came
---@field host string
---@field version "1.1"|"1.0"
---@field query table<string, string> of several values of a name the first, see query_values
---@field query_string string? as it came
---@field headers table<string, string> names in lower case; of several fields, joined by ", "
---@field cookies table<string, string>
---@field params table<string, string> of the route's pattern, decoded
---@field tls perigee.Session? what was agreed on, and the client's certificate; nil when it is no https
---@field peer any the client's address
---@field length integer? bytes of the body, as far as the head says
---@field id string 16 hex digits, for the log and the client
---@field elapsed number seconds since it came
---@field is_open boolean the client is still there and not answered
local Request <const> = core.Request

--- Iterates over the body's bytes as they come. A failure raises nothing: it ends the loop, and request.failure says
--- why.
---@return fun(): string?
function Request:chunks()
  return function()
    local chunk <const>, message <const> = self:read_some()
    if message then self.failure = message end
    return chunk
  end
end

--- Reads a parser's events; feeds it from the body.
local function next_event(request, parser)
  while true do
    local event <const>, value <const>, code <const> = parser:next()
    if event ~= "more" then return event, value, code end
    local chunk <const>, message <const>, why <const> = request:read_some()
    if message then return nil, message, why end
    if not chunk then return nil, "read the form: it is cut short", "protocol" end
    parser:feed(chunk)
  end
end

local Part <const> = { __name = "perigee.http.Part" }
Part.__index = Part

--- The next bytes of the part; nil at its end, or nil, message, code.
function Part:read_some()
  if self.ended then return nil end
  local event <const>, value <const>, code <const> = next_event(self.request, self.parser)
  if event == "data" then return value end
  self.ended = true
  if event == nil then
    self.failure, self.code = value, code
    return nil, value, code
  end
end

--- Iterates over the part's bytes; part.failure says why it ended early.
function Part:chunks()
  return function() return (self:read_some()) end
end

--- All bytes of the part.
---@param limit integer? default 1 MiB
---@return string? bytes
---@return string? message
---@return string? code
function Part:read_all(limit)
  local pieces <const>, left = {}, limit or 1024 * 1024
  for piece in self:chunks() do
    left = left - #piece
    if left < 0 then return nil, ("read the part '%s': it is too long"):format(self.name or ""), "limit" end
    pieces[#pieces + 1] = piece
  end
  if self.failure then return nil, self.failure, self.code end
  return table.concat(pieces)
end

local function each_part(request, f)
  local parser <const>, message <const>, code <const> = multipart.new(request:header "content-type" or "")
  if not parser then return nil, message, code end
  while true do
    local event <const>, part <const>, why <const> = next_event(request, parser)
    if event == nil then return nil, part, why end
    if event == "end" then return true end
    part.request, part.parser = request, parser
    setmetatable(part, Part)
    local ok <const>, failure <const>, short <const> = f(part)
    if ok == false then return nil, failure, short end
    while part:read_some() do end
    if part.failure then return nil, part.failure, part.code end
  end
end

---@class perigee.http.SavedFile
---@field name string of the form's field
---@field filename string as the client calls it
---@field type string?
---@field path string where it is
---@field size integer bytes

--- Paths of files that are removed unless the form has come whole: a task may be cancelled while it waits for more.
local Unfinished <const> = { __close = function(paths)
  if paths.whole then return end
  for _, path in ipairs(paths) do os.remove(path) end
end }

local function save(part, directory, paths)
  local path <const> = ("%s/%s-%s"):format(directory,
    digest.random(8):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end), part.safe_name)
  local file <close>, message <const> = io.open(path, "wb")
  if not file then return nil, "save the file: " .. message end
  paths[#paths + 1] = path
  local size = 0
  for piece in part:chunks() do
    local written <const>, why <const> = file:write(piece)
    if not written then return nil, "save the file: " .. why end
    size = size + #piece
  end
  if part.failure then return nil, part.failure end
  local closed <const>, why <const> = file:close()
  if not closed then return nil, "save the file: " .. why end
  return { name = part.name, filename = part.filename, type = part.type, path = path, size = size }
end

--- Reads a form of multipart/form-data with its files. With a directory the files are saved there while they come,
--- under names that nobody else has; they are yours then, also to be removed. With a function, f(part) is called for
--- each part (name, filename, type; part:chunks(), part:read_all()), and nothing is saved.
---@param to string|fun(part: table) a directory or a function
---@return { fields: table<string, string>, files: perigee.http.SavedFile[] }? form
---@return string? message
---@return string? code
function Request:files(to)
  if type(to) == "function" then return each_part(self, function(part) to(part) end) end
  if type(to) ~= "string" then error("bad argument 'to' (a directory or a function expected)", 2) end
  local form <const> = { fields = {}, files = {} }
  local paths <close> = setmetatable({ whole = false }, Unfinished)
  local ok <const>, message <const>, code <const> = each_part(self, function(part)
    if not part.filename then
      local value <const>, why <const>, short <const> = part:read_all()
      if not value then return false, why, short end
      form.fields[part.name or ""] = form.fields[part.name or ""] or value
      return true
    end
    local file <const>, why <const> = save(part, to, paths)
    if not file then return false, why, part.code or "unreachable" end
    table.insert(form.files, file)
    return true
  end)
  if not ok then return nil, message, code end
  paths.whole = true
  return form
end

local function urlencoded(text)
  local list <const>, fields <const> = core.pairs_of(text), {}
  for i = 1, #list, 2 do
    if fields[list[i]] == nil then fields[list[i]] = list[i + 1] end
  end
  return fields
end

--- The fields of a form, of either kind; of several values of a name the first. Files are passed over: see files.
---@return table<string, string>? fields
---@return string? message
---@return string? code "protocol": it is no form
function Request:form()
  local type_name <const> = (self:header "content-type" or ""):match "^%s*([^;%s]*)":lower()
  if type_name == "application/x-www-form-urlencoded" then
    local body <const>, message <const>, code <const> = self:body()
    if not body then return nil, message, code end
    return urlencoded(body)
  end
  local fields <const> = {}
  local ok <const>, message <const>, code <const> = each_part(self, function(part)
    if part.filename then return true end
    local value <const>, why <const>, short <const> = part:read_all()
    if not value then return false, why, short end
    fields[part.name or ""] = fields[part.name or ""] or value
    return true
  end)
  if not ok then return nil, message, code end
  return fields
end

return Request
