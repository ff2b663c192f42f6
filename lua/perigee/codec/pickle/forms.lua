--- What numbers, texts, tuples and names look like in each protocol of pickle.

local scalars <const> = require "perigee.codec.pickle.scalars"

local INT_MIN <const>, INT_MAX <const> = -1 << 31, (1 << 31) - 1

local pack <const> = string.pack
local M <const>, J <const> = ("MJ"):byte(1, 2) -- opcodes

---@class perigee.pickle.Form
---@field integer fun(value: integer): string
---@field float fun(value: number): string
---@field boolean fun(value: boolean): string
---@field text fun(value: string): string, string?
---@field bytes fun(value: string): string, string?
---@field global fun(module: string, name: string): string
---@field put fun(index: integer): string keeps the value on top in the memo
---@field get fun(index: integer): string
---@field tuple fun(count: integer): string, string what is before its values and what is behind
---@field list { open: string, before: string, after: string } `open` makes an empty one, the others are around values
---@field dict { open: string, before: string, after: string }
---@field has_sets boolean

local small <const> = {}
for value = 0, 255 do small[value] = string.char(("K"):byte(), value) end

local function integer_binary(value)
  if small[value] then return small[value] end
  if value >= 0 and value <= 0xFFFF then return pack("<BI2", M, value) end
  if value >= INT_MIN and value <= INT_MAX then return pack("<Bi4", J, value) end
  return pack("<c2i8", "\x8a\x08", value)
end

local function integer_text(value)
  return (value >= INT_MIN and value <= INT_MAX and "I%d\n" or "L%dL\n"):format(value)
end

local function float_text(value)
  return value ~= value and "Fnan\n" or ("F%.17g\n"):format(value)
end

--- Backslashes, as escapes begin with them, and what Python takes for the end of a line or of a file.
local function is_escaped(code)
  return code == 0 or code == 10 or code == 13 or code == 26 or code == 92 or code > 126
end

local function escape(text)
  local parts <const> = {}
  for _, code in utf8.codes(text, true) do
    local form <const> = code > 0xFFFF and "\\U%08x" or is_escaped(code) and "\\u%04x" or "%c"
    parts[#parts + 1] = form:format(code)
  end
  return table.concat(parts)
end

local function text_line(text)
  return "V" .. (text:find "[%c\\\127-\255]" and escape(text) or text) .. "\n"
end

-- Long texts and bytes are not copied to be joined with what is before them.

local function text_long(text)
  return "X" .. pack("<I4", #text), text
end

local short_texts <const>, short_bytes <const> = {}, {}
for size = 0, 255 do
  short_texts[size], short_bytes[size] = "\x8c" .. string.char(size), "C" .. string.char(size)
end

local function text_any(text)
  local size <const> = #text
  if size <= 0xFF then return short_texts[size], text end
  return size <= 0xFFFFFFFF and "X" .. pack("<I4", size) or "\x8d" .. pack("<I8", size), text
end

local function bytes_any(bytes)
  local size <const> = #bytes
  if size <= 0xFF then return short_bytes[size], bytes end
  return size <= 0xFFFFFFFF and "B" .. pack("<I4", size) or "\x8e" .. pack("<I8", size), bytes
end

local function joined(head, body)
  return head .. (body or "")
end

--- Before there were bytes: by a function that makes them of text.
local function bytes_by_name(text, before, after)
  local name <const> = "c_codecs\nencode\n" .. before
  local behind <const> = joined(text "latin1") .. after .. "R"
  return function(bytes) return name .. joined(text(scalars.from_latin1(bytes))), behind end
end

local function global_line(module, name)
  return ("c%s\n%s\n"):format(module, name)
end

local function global_of_stack(module, name)
  return joined(text_any(module)) .. joined(text_any(name)) .. "\x93"
end

local function index_binary(short, long)
  return function(index)
    return index <= 0xFF and short .. string.char(index) or long .. ("<I4"):pack(index)
  end
end

local tuple_ends <const> = { "\x85", "\x86", "\x87" }

local function tuple_marked(count)
  if count == 0 then return "", ")" end
  return "(", "t"
end

local function tuple_short(count)
  if tuple_ends[count] then return "", tuple_ends[count] end
  return tuple_marked(count)
end

--- What each protocol changes in the one before.
---@type table<integer, table>
local changes <const> = {
  [0] = {
    integer = integer_text, float = float_text, text = text_line, bytes = bytes_by_name(text_line, "(", "t"),
    boolean = function(value) return value and "I01\n" or "I00\n" end, global = global_line,
    put = function(index) return ("p%d\n"):format(index) end, get = function(index) return ("g%d\n"):format(index) end,
    tuple = function() return "(", "t" end, list = { open = "(l", each = "a" }, dict = { open = "(d", each = "s" },
  },
  {
    integer = function(value)
      return (value >= INT_MIN and value <= INT_MAX and integer_binary or integer_text)(value)
    end,
    float = function(value) return (">c1d"):pack("G", value) end,
    text = text_long, bytes = bytes_by_name(text_long, "(", "t"), tuple = tuple_marked,
    put = index_binary("q", "r"), get = index_binary("h", "j"),
    list = { open = "]", before = "(", after = "e" }, dict = { open = "}", before = "(", after = "u" },
  },
  {
    integer = integer_binary,
    boolean = function(value) return value and "\x88" or "\x89" end,
    bytes = bytes_by_name(text_long, "", "\x86"), tuple = tuple_short,
  },
  { bytes = bytes_any },
  { text = text_any, global = global_of_stack, put = function() return "\x94" end, has_sets = true },
  {},
}

---@type table<integer, perigee.pickle.Form>
local forms <const> = {}
for protocol = 0, 5 do
  local form <const> = {}
  for name, value in pairs(forms[protocol - 1] or {}) do form[name] = value end
  for name, value in pairs(changes[protocol]) do form[name] = value end
  forms[protocol] = form
end

return forms
