--- Globs as Redis has them, over bytes: `*` any bytes, `?` one byte, [abc] [a-z] [^abc] one of them, `\` takes the next
--- byte as it is. One that never ends, "[abc", ends with the glob.
---
--- A glob is divided at its stars. What is between them stands for as many bytes as it has items, so it is enough to
--- take each at its first place: no glob makes this slow, whoever has written it.

local M <const> = {}

local NEVER <const> = "[^\0-\255]"

local function escaped(byte)
  return byte:find "%w" and byte or "%" .. byte
end

--- The bytes from `low` to `high` as items of a set in a pattern of Lua.
local function range(low, high)
  if low > high then low, high = high, low end
  local items <const> = {}
  for code = low:byte(), high:byte() do items[#items + 1] = escaped(string.char(code)) end
  return table.concat(items)
end

--- The set whose bracket is before `at`, and where the glob goes on.
local function set(glob, at)
  local inverted <const> = glob:sub(at, at) == "^"
  if inverted then at = at + 1 end
  local items <const> = {}
  while at <= #glob and glob:sub(at, at) ~= "]" do
    if glob:sub(at, at) == "\\" and at < #glob then
      items[#items + 1] = escaped(glob:sub(at + 1, at + 1))
      at = at + 2
    elseif glob:sub(at + 1, at + 1) == "-" and at + 2 <= #glob then
      items[#items + 1] = range(glob:sub(at, at), glob:sub(at + 2, at + 2))
      at = at + 3
    else
      items[#items + 1] = escaped(glob:sub(at, at))
      at = at + 1
    end
  end
  local members <const> = table.concat(items)
  if members == "" then return inverted and "." or NEVER, at + 1 end
  return ("[%s%s]"):format(inverted and "^" or "", members), at + 1
end

local function item(glob, at)
  local byte <const> = glob:sub(at, at)
  if byte == "?" then return ".", at + 1 end
  if byte == "[" then return set(glob, at + 1) end
  if byte == "\\" and at < #glob then return escaped(glob:sub(at + 1, at + 1)), at + 2 end
  return escaped(byte), at + 1
end

--- What is between the stars: patterns of Lua, and how many bytes each stands for.
local function pieces_of(glob)
  local pieces <const>, items, at = {}, {}, 1
  local function finish()
    pieces[#pieces + 1] = { pattern = table.concat(items), size = #items }
    items = {}
  end
  while at <= #glob do
    if glob:sub(at, at) == "*" then
      finish()
      at = at + 1
    else
      items[#items + 1], at = item(glob, at)
    end
  end
  finish()
  return pieces
end

local function matches_pieces(pieces, text)
  local first <const>, last <const> = pieces[1], pieces[#pieces]
  local stop <const> = #text - last.size -- the last piece comes after it
  local at = first.size + 1
  if at > stop + 1 or not text:find("^" .. first.pattern) then return false end
  for index = 2, #pieces - 1 do
    local _ <const>, found <const> = text:find(pieces[index].pattern, at)
    if not found or found > stop then return false end
    at = found + 1
  end
  return text:find("^" .. last.pattern, stop + 1) ~= nil
end

--- Does the glob say exactly one text? Then it is that.
local function is_literal(glob)
  return not glob:find "[*?%[\\]"
end

--- Makes a function that tells whether a text matches.
---@param glob string
---@return fun(text: string): boolean
function M.compile(glob)
  if is_literal(glob) then return function(text) return text == glob end end
  local start <const> = glob:match "^([^*?%[\\]*)%*+$"
  if start == "" then return function(text) return text ~= "" end end -- as Redis has it
  if start then return function(text) return text:sub(1, #start) == start end end
  local pieces <const> = pieces_of(glob)
  if #pieces > 1 then return function(text) return matches_pieces(pieces, text) end end
  local only <const> = pieces[1]
  local pattern <const> = "^" .. only.pattern
  return function(text) return #text == only.size and text:find(pattern) ~= nil end
end

return M
