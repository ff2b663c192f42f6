--- From the XML of XML-RPC to Lua values: strict, in one pass over the document, which expat reads. A DOCTYPE is
--- refused, so that there are no entities of the sender's.

local lxp <const> = require "lxp"
local json <const> = require "perigee.codec.json"
local scalars <const> = require "perigee.codec.xmlrpc.scalars"

local M <const> = {}

local read <const> = scalars.read

---@class perigee.xmlrpc.Decoder: perigee.xmlrpc.Reader
---@field tags string[] the open elements, `level` of them; "/" and the root's name below them
---@field level integer
---@field holders table[] what values go into: the parameters, and open arrays and structs; `holder` is the last
---@field depth integer arrays and structs that are open
---@field pieces string[] text of the element that is open; `count` of them
---@field kind string? of the root
local Decoder <const> = {}
Decoder.__index = Decoder

--- Ends the parse: the first failure is what is told.
function Decoder:fail(problem, code)
  if not self.problem then
    self.problem, self.code = problem, code or "protocol"
    self.at = select(3, self.parser:pos())
  end
  self.parser:stop()
  error(self, 0)
end

-- Which elements may be in which.
local inside <const> = {
  methodCall = { methodName = "methodName", params = "params" },
  methodResponse = { params = "params", fault = "fault" }, params = { param = "param" }, param = { value = "value" },
  fault = { value = "value" }, value = { array = "array", struct = "struct" },
  array = { data = "data" }, data = { value = "value" }, struct = { member = "member" },
  member = { name = "name", value = "value" },
}

for _, kind in ipairs { "methodCall", "methodResponse", "value" } do inside["/" .. kind] = { [kind] = kind } end

local holds_text <const> = { value = true, name = true, methodName = true }
for name, known in pairs(scalars.names) do inside.value[name], holds_text[name] = known, true end

--- The text of the open element, and forgets it.
function Decoder:take_text()
  local count <const> = self.count
  if count == 0 then return "" end
  local text <const> = count == 1 and self.pieces[1] or table.concat(self.pieces, "", 1, count)
  self.count = 0
  return text
end

-- What an element does when it begins. A holder is { into =, index =, name = }: an array or a struct.
local begin <const> = {}

local function hold(self, into, is_array)
  self.depth = self.depth + 1
  if self.depth > self.limit then self:fail("it is nested too deep", "limit") end
  local holder <const> = { into = into, index = is_array and 0 or nil }
  self.holders[self.depth], self.holder = holder, holder
end

function begin.array(self) hold(self, {}, true) end

function begin.struct(self) hold(self, {}) end

function begin.value(self) self.value = nil end

function begin.member(self) self.holder.name = nil end

--- An element that may be there once.
local function once(self, name)
  if self.seen[name] then self:fail(("a second <%s>"):format(name)) end
  self.seen[name] = true
end

function begin.methodName(self)
  once(self, "methodName")
  if self.seen.params then self:fail "<methodName> behind <params>" end
end

function begin.params(self)
  once(self, "params")
  if self.kind == "methodCall" and not self.seen.methodName then self:fail "<params> before <methodName>" end
  if self.seen.fault then self:fail "<params> beside <fault>" end
end

function begin.fault(self)
  once(self, "fault")
  if self.seen.params then self:fail "<fault> beside <params>" end
end

--- Puts a value in what is open around it.
local function deliver(self, value)
  local holder <const> = self.holder
  if holder.index then
    holder.index = holder.index + 1
    holder.into[holder.index] = value
  else
    if not holder.name then self:fail "<value> before <name>" end
    holder.into[holder.name] = value
  end
end

local function release(self)
  local into <const> = self.holder.into
  self.depth = self.depth - 1
  self.holder = self.holders[self.depth]
  return into
end

-- What is to be done when an element ends that is no scalar.
local finish <const> = {}

function finish.value(self)
  local text <const>, value = self:take_text(), self.value
  if value == nil then
    value = text
  elseif text:find "%S" then
    self:fail "text beside an element in <value>"
  end
  deliver(self, value)
  self.value, self.has_value = nil, true
end

function finish.array(self)
  if not self.has_data then self:fail "<array> without <data>" end
  local into <const> = release(self)
  self.value = next(into) == nil and json.array(into) or into
end

function finish.data(self) self.has_data = true end

function finish.struct(self) self.value = release(self) end

function finish.name(self)
  if self.holder.name then self:fail "a second <name>" end
  self.holder.name = self:take_text()
end

local function check_value(self)
  if not self.has_value then self:fail(("<%s> without <value>"):format(self.tags[self.level])) end
end

finish.member, finish.param, finish.fault = check_value, check_value, check_value

function finish.methodName(self) self.method = self:take_text() end

function finish.params() end

function finish.methodCall(self)
  if not self.method then self:fail "<methodCall> without <methodName>" end
end

function finish.methodResponse(self)
  if not (self.seen.params or self.seen.fault) then self:fail "<methodResponse> without <params> or <fault>" end
end

-- The document.

local function refuse(self, name, tag)
  local shown <const> = #name > 40 and name:sub(1, 40) .. "..." or name
  if self.level == 0 then self:fail(("<%s> expected, not <%s>"):format(self.kind, shown)) end
  self:fail(("<%s> in <%s>"):format(shown, tag))
end

--- Is this the second element where there is one at most?
local function is_second(self, tag, name)
  if tag == "value" then return self.value ~= nil end
  return name == "value" and tag ~= "data" and self.has_value or name == "data" and self.has_data
end

--- The element that begins here, if it may.
local function element_of(self, name)
  local tag <const> = self.tags[self.level]
  local allowed <const> = inside[tag]
  local known <const> = allowed and allowed[name]
  if not known then refuse(self, name, tag) end
  if is_second(self, tag, known) then self:fail(("a second element in <%s>"):format(tag)) end
  if self.count > 0 and self:take_text():find "%S" then self:fail(("text beside <%s> in <%s>"):format(name, tag)) end
  return known
end

--- The one whose document is parsed: nothing waits meanwhile, but a finalizer may parse one of its own.
---@type perigee.xmlrpc.Decoder
local current

local callbacks <const> = {}

function callbacks.StartElement(_, name)
  local self <const> = current
  local known <const> = element_of(self, name)
  local level <const> = self.level + 1
  self.level, self.tags[level], self.has_value, self.has_data = level, known, false, false
  local start <const> = begin[known]
  if start then start(self) end
end

function callbacks.EndElement()
  local self <const> = current
  local level <const> = self.level
  local tag <const> = self.tags[level]
  local reader <const> = read[tag]
  if reader then
    self.value = reader(self, self:take_text())
  else
    finish[tag](self)
  end
  self.level = level - 1
end

function callbacks.CharacterData(_, text)
  local self <const> = current
  local tag <const> = self.tags[self.level]
  if holds_text[tag] then
    local count <const> = self.count + 1
    self.count, self.pieces[count] = count, text
  elseif text:find "%S" then
    self:fail(("text in <%s>"):format(tag))
  end
end

function callbacks.StartDoctypeDecl()
  current:fail "a DOCTYPE is refused"
end

local function parse(self, text)
  local parser <const> = self.parser
  local parsed, message, _, _, at = parser:parse(text)
  if parsed then parsed, message, _, _, at = parser:parse() end
  if not parsed then self.problem, self.code, self.at = message, "protocol", at end
end

local function new_decoder(kind, depth, binary)
  local holder <const> = { into = {}, index = 0 }
  return setmetatable({ kind = kind, limit = depth, binary = binary, tags = { [0] = "/" .. kind }, level = 0,
    holders = { [0] = holder }, holder = holder, depth = 0, pieces = {}, count = 0, seen = {}, has_value = false,
    has_data = false, parser = lxp.new(callbacks) }, Decoder)
end

--- Reads a document whose root is `kind`. The values are in `into`, a method's name is `method`, and `seen.fault` is
--- true when the value is a fault's.
---@param text string
---@param kind "methodCall"|"methodResponse"|"value"
---@param depth integer levels of arrays and structs that are allowed
---@param binary "string"|"buffer" what base64 becomes
---@return { into: any[], count: integer, method: string?, seen: table<string, boolean> }?
---@return string? message
---@return "protocol"|"limit"|nil code
function M.decode(text, kind, depth, binary)
  local self <const> = new_decoder(kind, depth, binary)
  local holder <const> = self.holder
  local outer <const> = current -- one whose text goes on: this is called by a finalizer
  current = self
  local ok <const>, raised <const> = pcall(parse, self, text)
  current = outer
  pcall(self.parser.close, self.parser) -- what it holds is not known to Lua's collector
  if self.problem then
    return nil, ("invalid XML-RPC at byte %d: %s"):format(math.max(self.at, 1), self.problem), self.code
  end
  if not ok then error(raised, 0) end
  return { into = holder.into, count = holder.index, method = self.method, seen = self.seen }
end

return M
