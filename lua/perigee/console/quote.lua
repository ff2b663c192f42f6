--- Text that was not written for a terminal or for JSON: what could upset them is shown as an escape.

local M <const> = {}

local SHORT <const> = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\", ['"'] = '\\"' }

local function escape_bytes(text)
  return (text:gsub(".", function(byte) return ("\\x%02X"):format(byte:byte()) end))
end

local function escape_characters(text)
  return (text:gsub(utf8.charpattern, function(character) return ("\\u{%X}"):format(utf8.codepoint(character)) end))
end

--- Controls of C1, and what turns the direction of writing, in valid UTF-8.
local function escape_wide(text)
  text = text:gsub("\xC2[\x80-\x9F]", escape_characters)
  text = text:gsub("\xE2\x80[\xAA-\xAE]", escape_characters)
  return (text:gsub("\xE2\x81[\xA6-\xA9]", escape_characters))
end

--- `valid` is called for the parts that are UTF-8, `broken` for the bytes between them.
local function map_parts(text, valid, broken)
  local parts <const>, position = {}, 1
  while position <= #text do
    local length <const>, bad <const> = utf8.len(text, position)
    local last <const> = length and #text or bad - 1
    if last >= position then parts[#parts + 1] = valid(text:sub(position, last)) end
    if length then break end
    local run <const> = text:match("^[\x80-\xC1\xF5-\xFF]+", bad) or text:sub(bad, bad) -- what begins no character
    parts[#parts + 1] = broken(run)
    position = bad + #run
  end
  return table.concat(parts)
end

--- The beginning of a text, not longer than `limit` bytes, and how many bytes are left out.
local function cut(text, limit)
  if #text <= limit then return text, 0 end
  local last = limit
  while last > limit - 4 and text:byte(last + 1) & 0xC0 == 0x80 do last = last - 1 end -- not inside a character
  return text:sub(1, last), #text - last
end

--- Text as valid UTF-8: other bytes become \xFF.
---@param text string
---@param limit integer? bytes of it that are given, and then how many there were
---@return string
function M.valid(text, limit)
  local beginning <const>, left <const> = cut(text, limit or math.maxinteger)
  local valid <const> = utf8.len(beginning) and beginning
    or map_parts(beginning, function(part) return part end, escape_bytes)
  return left > 0 and ("%s... %d more bytes"):format(valid, left) or valid
end

--- Text that may be shown on a terminal: of the control characters, line feeds and tabs alone are left.
---@param text string
---@return string
function M.shown(text)
  return map_parts(text, function(part)
    return escape_wide((part:gsub("[^\n\t\x20-\x7E\x80-\xFF]", escape_bytes)))
  end, escape_bytes)
end

--- A string in quotes, on one line.
---@param text string
---@param limit integer bytes of it that are shown
---@return string
function M.string(text, limit)
  local beginning <const>, left <const> = cut(text, limit)
  local quoted <const> = map_parts(beginning, function(part)
    return escape_wide((part:gsub('[%c"\\]', function(byte) return SHORT[byte] or escape_bytes(byte) end)))
  end, escape_bytes)
  return ('"%s"%s'):format(quoted, left > 0 and ("... %d more bytes"):format(left) or "")
end

--- Text without quotes, on one line.
---@param text string
---@param limit integer bytes of it that are shown
---@return string
function M.line(text, limit)
  local beginning <const>, left <const> = cut(text, limit)
  return M.shown(beginning):gsub("\n", "\\n") .. (left > 0 and ("... %d more bytes"):format(left) or "")
end

return M
