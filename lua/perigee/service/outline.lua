--- The functions of a source text, with their names as one would call them, and what their code is. Nothing runs.

local dump <const> = require "perigee.service.dump"
local tokens_of <const> = require "perigee.service.tokens"

--- A function that has a name, or stands at the top level: with the anonymous ones inside of it, which belong to it.
---@class perigee.service.Outlined
---@field name string "Client:join", "commands.help", "helper in Client.new", "function at line 12"
---@field key string the same for the same function in another version of the text, as far as one can tell
---@field kind string the same for all anonymous functions; of others the key
---@field line integer where it begins
---@field code string[] equal where the compiled code is

---@class perigee.service.Outline
---@field functions perigee.service.Outlined[] in the order of the text
---@field top perigee.service.Token[] what is outside of all functions, less the definitions of named ones

--- Something that has begun and will end: a function, a block, or brackets.
---@class perigee.service.outline.Frame
---@field opener string
---@field at integer index of its token
---@field name string? of a table that is being constructed
---@field unit perigee.service.Outlined? of a function

local OPENERS <const> = { ["function"] = true, ["do"] = true, ["if"] = true, ["repeat"] = true,
  ["{"] = true, ["("] = true, ["["] = true }
local CLOSERS <const> = { ["end"] = true, ["until"] = true, ["}"] = true, [")"] = true, ["]"] = true }

---@class perigee.service.outline.Reader
---@field tokens perigee.service.Token[]
---@field prototypes perigee.service.dump.Prototype[] of the functions, in the order of the text
---@field count integer functions that have begun
---@field frames perigee.service.outline.Frame[]
---@field depth integer functions that one is in
---@field outline perigee.service.Outline
local Reader <const> = {}
Reader.__index = Reader

local function text_at(reader, index)
  local token <const> = reader.tokens[index]
  return token and token.text
end

--- "a.b.c" that ends at a token, and the index where it begins; nil when there is no name.
local function path_that_ends(reader, index)
  local token <const> = reader.tokens[index]
  if not token or token.kind ~= "name" then return nil end
  local path = token.text
  local before = text_at(reader, index - 1)
  while (before == "." or before == ":") and reader.tokens[index - 2].kind == "name" do
    path, index = reader.tokens[index - 2].text .. before .. path, index - 2
    before = text_at(reader, index - 1)
  end
  return path, index
end

--- The name of what a value at `index` is assigned to: "a.b" of `a.b = VALUE`, of `local a <const> = { b = VALUE }`.
local function assigned_name(reader, index)
  if text_at(reader, index - 1) ~= "=" then return nil end
  local last <const> = text_at(reader, index - 2) == ">" and index - 5 or index - 2
  local path <const> = path_that_ends(reader, last)
  local frame <const> = reader.frames[#reader.frames]
  if not path or not frame or frame.opener ~= "{" or not frame.name then return path end
  return frame.name .. "." .. path
end

--- The name in `function NAME (...)`.
local function defined_name(reader, index)
  local last = index
  while text_at(reader, last + 1) ~= "(" do last = last + 1 end
  return last > index and path_that_ends(reader, last) or nil
end

--- What an anonymous function is an argument of: `app:get("/hello",`.
local function call_text(reader, index)
  local frame <const> = reader.frames[#reader.frames]
  if not frame or frame.opener ~= "(" then return "" end
  local _, first <const> = path_that_ends(reader, frame.at - 1)
  local words <const> = {}
  for at = first or frame.at, index - 1 do words[#words + 1] = text_at(reader, at) end
  return table.concat(words, " ")
end

local function enclosing_unit(reader)
  for at = #reader.frames, 1, -1 do
    local frame <const> = reader.frames[at]
    if frame.unit then return frame.unit end
  end
end

local function add_code(unit, prototype)
  local names <const> = {}
  for index = 0, prototype.upvalue_count - 1 do names[index + 1] = prototype.upvalues[index].name end
  table.insert(unit.code, prototype.code .. "\0" .. table.concat(names, " "))
end

local function new_unit(reader, index, name, outer)
  local line <const> = reader.tokens[index].line
  local unit <const> = { name = name or "function at line " .. line, line = line, code = {},
    key = name or "function " .. call_text(reader, index), kind = name or "function" }
  if outer then
    for _, field in ipairs { "name", "key", "kind" } do unit[field] = name .. " in " .. outer[field] end
  end
  table.insert(reader.outline.functions, unit)
  return unit
end

--- The tokens of a definition are none of the top level's; those of an expression leave one there.
local function note_at_top(reader, index, is_definition)
  local top <const> = reader.outline.top
  if not is_definition then
    top[#top + 1] = reader.tokens[index]
  elseif text_at(reader, index - 1) == "local" then
    top[#top] = nil
  end
end

function Reader:begin_function(index)
  local defined <const>, outer <const> = defined_name(self, index), enclosing_unit(self)
  local name <const> = defined or assigned_name(self, index)
  local unit <const> = (name or not outer) and new_unit(self, index, name, outer) or outer
  self.count = self.count + 1
  add_code(unit, self.prototypes[self.count])
  if self.depth == 0 then note_at_top(self, index, defined ~= nil) end
  self.depth = self.depth + 1
  return unit
end

function Reader:open(index, opener)
  local frame <const> = { opener = opener, at = index }
  if opener == "function" then frame.unit = self:begin_function(index) end
  if opener == "{" then frame.name = assigned_name(self, index) end
  table.insert(self.frames, frame)
end

function Reader:close()
  local frame <const> = table.remove(self.frames)
  if frame and frame.unit then self.depth = self.depth - 1 end
  return frame and frame.unit ~= nil
end

function Reader:read()
  for index, token in ipairs(self.tokens) do
    local is_word <const> = token.kind == "name" or token.kind == "sign"
    local was_function <const> = is_word and CLOSERS[token.text] and self:close()
    if self.depth == 0 and not was_function and token.text ~= "function" then
      table.insert(self.outline.top, token)
    end
    if is_word and OPENERS[token.text] then self:open(index, token.text) end
  end
end

--- The functions inside of one, in the order of the text: each before those inside of it.
local function list_prototypes(prototype, list)
  for index = 0, prototype.prototype_count - 1 do
    list[#list + 1] = prototype.prototypes[index]
    list_prototypes(prototype.prototypes[index], list)
  end
  return list
end

local function compiled(source)
  local plain <const> = source:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  return load(plain, "=source", "t")
end

--- A text that does not compile has no functions.
---@param source string
---@return perigee.service.Outline
return function(source)
  local tokens <const>, chunk <const> = tokens_of(source), compiled(source)
  if not chunk then return { functions = {}, top = tokens } end
  local prototypes <const> = list_prototypes(dump.read(string.dump(chunk)), {})
  local outline <const> = { functions = {}, top = {} }
  setmetatable({ tokens = tokens, prototypes = prototypes, count = 0, frames = {}, depth = 0, outline = outline },
    Reader):read()
  return outline
end
