--- Reads source code of Lua as far as is needed to see where its functions are, and how they are called: the words and
--- signs of a text that compiles, without comments. What is of no interest may come in pieces: "1e", "-", "5".

---@class perigee.service.Token
---@field text string
---@field kind "name"|"string"|"number"|"sign" keywords are names
---@field line integer

---@class perigee.service.tokens.Reader
---@field source string
---@field position integer of the next byte
---@field line integer
local Reader <const> = {}
Reader.__index = Reader

local function count_lines(text)
  local _, count <const> = text:gsub("\n", "\n")
  return count
end

--- Takes what is there up to `last`.
function Reader:take(last)
  local text <const> = self.source:sub(self.position, last)
  self.position = last + 1
  self.line = self.line + count_lines(text)
  return text
end

--- The last byte of the long bracket that begins at `position`, or nil.
function Reader:long_bracket(position)
  local level <const> = self.source:match("^%[(=*)%[", position)
  if not level then return nil end
  local _, last <const> = self.source:find("]" .. level .. "]", position, true)
  return last or #self.source
end

function Reader:skip_blanks()
  while true do
    local last = select(2, self.source:find("^%s+", self.position))
    if not last and self.source:find("^%-%-", self.position) then
      last = self:long_bracket(self.position + 2) or (self.source:find("\n", self.position, true) or #self.source)
    end
    if not last then return end
    self:take(last)
  end
end

--- The last byte of the quoted string that begins here.
function Reader:end_of_string(quote)
  local position = self.position + 1
  while position <= #self.source do
    local byte <const> = self.source:sub(position, position)
    if byte == quote then return position end
    position = position + (byte == "\\" and 2 or 1)
  end
  return #self.source
end

--- Kind and last byte of the next token.
function Reader:measure()
  local source <const>, position <const> = self.source, self.position
  local _, last = source:find("^[%a_][%w_]*", position)
  if last then return "name", last end
  local quote <const> = source:match("^[\"']", position)
  if quote then return "string", self:end_of_string(quote) end
  last = self:long_bracket(position)
  if last then return "string", last end
  _, last = source:find("^%.?%d[%w_.]*", position)
  if last then return "number", last end
  last = select(2, source:find("^%.%.%.?", position)) or select(2, source:find("^[=~<>]=", position))
  return "sign", last or position
end

--- The tokens of a text that compiles. Of another the result is something, too.
---@param source string
---@return perigee.service.Token[]
return function(source)
  local plain <const> = source:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  local reader <const>, tokens <const> = setmetatable({ source = plain, position = 1, line = 1 }, Reader), {}
  while true do
    reader:skip_blanks()
    if reader.position > #plain then return tokens end
    local kind <const>, last <const> = reader:measure()
    local line <const> = reader.line
    tokens[#tokens + 1] = { kind = kind, line = line, text = reader:take(last) }
  end
end
