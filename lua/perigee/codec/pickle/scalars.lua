--- The numbers and texts of a pickle: from its bytes to values.

local failure <const> = require "perigee.codec.pickle.failure"

local byte <const> = string.byte
local invalid <const>, raise <const> = failure.invalid, failure.raise

local M <const> = {}

--- `count` bytes, and the position behind them.
---@param text string
---@param position integer
---@param count integer
---@return string bytes
---@return integer next
function M.take(text, position, count)
  if count < 0 then invalid(position, "a length of %d", count) end
  if count > #text - position + 1 then failure.truncated(position) end
  return text:sub(position, position + count - 1), position + count
end

--- A number of a fixed size, in a format of string.unpack.
---@param format string
---@param size integer
---@return fun(text: string, position: integer): number, integer
function M.fixed(format, size)
  local unpack <const> = string.unpack
  return function(text, position)
    if size > #text - position + 1 then failure.truncated(position) end
    return unpack(format, text, position)
  end
end

--- A byte.
---@param text string
---@param position integer
---@return integer value
---@return integer next
function M.u1(text, position)
  return byte(text, position) or failure.truncated(position), position + 1
end

--- The bytes up to a line feed, and the position behind it.
---@param text string
---@param position integer
---@return string line
---@return integer next
function M.line(text, position)
  local feed <const> = text:find("\n", position, true)
  if not feed then failure.truncated(position) end
  return text:sub(position, feed - 1), feed + 1
end

local function too_large(position)
  raise("limit", ("pickle at byte %d: an integer of more than 64 bits"):format(position - 1))
end

--- Decimal digits.
---@param digits string
---@param position integer
---@return integer
function M.decimal(digits, position)
  if not digits:find "^[+-]?%d+$" then invalid(position, "no integer") end
  local value <const> = tonumber((digits:gsub("^%+", "")))
  if math.type(value) ~= "integer" then too_large(position) end
  return value --[[@as integer]]
end

--- As Python writes floats.
---@param digits string
---@param position integer
---@return number
function M.float(digits, position)
  local sign <const>, name <const> = digits:lower():match "^([+-]?)(%a+)$"
  if name == "inf" then return sign == "-" and -math.huge or math.huge end
  if name == "nan" then return 0 / 0 end
  local plain <const> = digits:gsub("^%+", "")
  local value <const> = plain:find "^-?[%d.]+[eE]?[+-]?%d*$" and tonumber(plain:find "[.eE]" and plain or plain .. ".0")
  if not value then invalid(position, "no number") end
  return value
end

--- Two's complement, little end first, of as many bytes as there are.
---@param bytes string
---@param position integer
---@return integer
function M.integer(bytes, position)
  local size <const> = #bytes
  if size == 0 then return 0 end
  if size <= 8 then return (("<i%d"):format(size):unpack(bytes)) end
  local value <const> = ("<i8"):unpack(bytes)
  if bytes:find(value < 0 and "[^\xFF]" or "[^\0]", 9) then too_large(position) end
  return value
end

--- Python's text: UTF-8, in which its lone surrogates may be.
---@param text string
---@return boolean
function M.is_text(text)
  if utf8.len(text) then return true end
  return utf8.len(text, 1, -1, true) ~= nil and not text:find "[\xF5-\xFF]" and not text:find "\xF4[\x90-\xBF]"
end

---@param text string
---@param position integer
---@return string text
function M.check_text(text, position)
  if not utf8.len(text) and not M.is_text(text) then invalid(position, "a text that is not UTF-8") end
  return text
end

local function from_latin1(bytes)
  return (bytes:gsub("[\x80-\xFF]", function(char) return utf8.char(char:byte()) end))
end

--- The text in protocol 0: Latin-1, with \u and \U.
---@param line string
---@param position integer
---@return string text
function M.raw_unicode(line, position)
  return (from_latin1(line):gsub("\\([\\uU]?)(%x?%x?%x?%x?)(%x?%x?%x?%x?)", function(kind, first, second)
    if kind == "" or kind == "\\" then return false end
    local digits <const> = kind == "u" and first or first .. second
    local code <const> = #digits == (kind == "u" and 4 or 8) and tonumber(digits, 16)
    if not code or code > 0x10FFFF then invalid(position, "a text with a wrong escape") end
    return utf8.char(code) .. (kind == "u" and second or "")
  end))
end

local escapes <const> = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ["'"] = "'", ['"'] = '"' }

--- A string in quotes, as Python 2 writes its own.
---@param line string
---@param position integer
---@return string bytes
function M.quoted(line, position)
  local quote <const>, inner <const> = line:match "^(['\"])(.*)%1$"
  if not quote then invalid(position, "a string without its quotes") end
  return (inner:gsub("\\(.?)(%x?%x?)", function(kind, digits)
    if kind == "x" and #digits == 2 then return string.char(tonumber(digits, 16)) end
    local char <const> = escapes[kind]
    if not char then invalid(position, "a string with a wrong escape") end
    return char .. digits
  end))
end

--- The bytes whose Latin-1 a text is; nil: it has other characters.
---@param text string UTF-8
---@return string? bytes
function M.to_latin1(text)
  if not text:find "[\x80-\xFF]" then return text end
  if text:find "[\xC4-\xFF]" or not utf8.len(text) then return nil end
  return (text:gsub("([\xC2\xC3])([\x80-\xBF])", function(first, second)
    return string.char((first:byte() & 3) << 6 | second:byte() & 0x3F)
  end))
end

M.from_latin1 = from_latin1

return M
