--- Values as text for people: tables nested, with sorted keys, and cut where they are large. Nothing of a value is
--- called but __tostring.

local quote <const> = require "perigee.console.quote"

local WIDTH <const> = 100            -- columns
local DEPTH <const> = 6              -- of tables in tables
local ROWS <const> = { 100, 20, 10, 5, 5, 5 } -- entries that a table shows, by its depth
local ENTRIES <const> = 1000         -- that all tables show together
local VALUES <const> = 100           -- that are shown
local STRING <const>, TOP_STRING <const>, KEY <const> = 200, 4000, 60 -- bytes that are shown

local M <const> = {}

local keywords <const> = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true "
  .. "until while"):gmatch "%a+" do
  keywords[word] = true
end

--- Whether a key can be written as a name.
---@param key any
---@return boolean
function M.is_name(key)
  return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil and not keywords[key]
end

M.keywords = keywords

-- Values that are not tables.

local function number_text(number)
  local text = tostring(number)
  for digits = 15, 17 do
    if tonumber(text) == number or number ~= number then break end
    text = ("%%.%dg"):format(digits):format(number)
  end
  return text
end

--- "string.format", for a function of the standard library.
local function library_name(f)
  for module, functions in pairs(package.loaded) do
    for name, value in pairs(type(functions) == "table" and functions or {}) do
      if rawequal(value, f) and type(name) == "string" then return module == "_G" and name or module .. "." .. name end
    end
  end
  return "in C"
end

local function parameters_of(f, info)
  local names <const> = {}
  for i = 1, info.nparams do names[i] = debug.getlocal(f, i) end
  if info.isvararg then names[#names + 1] = "..." end
  return table.concat(names, ", ")
end

local function function_text(f)
  local info <const> = debug.getinfo(f, "Su")
  if info.what == "C" then return "function " .. library_name(f) end
  local source <const> = info.source:match "^[@=](.*)" or info.short_src
  return ("function(%s) at %s:%d"):format(parameters_of(f, info), source, info.linedefined)
end

local function described(value)
  local done <const>, text <const> = pcall(tostring, value)
  if done then return quote.line(text, STRING) end
  return ("<%s whose __tostring fails: %s>"):format(type(value), quote.line(tostring(text), STRING))
end

local writers <const> = { number = number_text, ["function"] = function_text, userdata = described, boolean = tostring }

writers["nil"] = tostring

function writers.thread(thread)
  return ("%s (%s)"):format(tostring(thread), coroutine.status(thread))
end

local function scalar_text(value, limit)
  if type(value) == "string" then return quote.string(value, limit) end
  return writers[type(value)](value)
end

-- The keys of a table.

local RANKS <const> = { number = 1, string = 2, boolean = 3 }

local function precedes(a, b)
  local first <const>, second <const> = RANKS[type(a)] or 4, RANKS[type(b)] or 4
  if first ~= second then return first < second end
  if first < 3 then return a < b end
  if first == 3 then return not a and b end
  return ("%p"):format(a) < ("%p"):format(b)
end

--- Puts a key where it belongs in a sorted list, of which `limit` are kept.
local function insert_sorted(keys, key, limit)
  if #keys >= limit and (limit == 0 or not precedes(key, keys[#keys])) then return end
  local low, high = 1, #keys + 1
  while low < high do
    local middle <const> = (low + high) // 2
    if precedes(key, keys[middle]) then high = middle else low = middle + 1 end
  end
  table.insert(keys, low, key)
  keys[limit + 1] = nil
end

--- The first keys of a table behind its array, sorted, and how many there are.
local function keys_of(object, length, limit)
  local keys <const>, count = {}, 0
  for key in next, object do
    if math.type(key) ~= "integer" or key < 1 or key > length then
      count = count + 1
      insert_sorted(keys, key, limit)
    end
  end
  return keys, count
end

local function key_text(key)
  if M.is_name(key) then return key end
  return ("[%s]"):format(type(key) == "table" and ("%p"):format(key) or scalar_text(key, KEY))
end

-- Tables.

---@class perigee.console.Printer
---@field left integer entries that may still be shown
---@field outer table<table, string> the tables around the value, and how one comes there
local Printer <const> = {}
Printer.__index = Printer

--- The entries that are shown, each as a text; `positional` is how many of them have no key.
function Printer:pieces(object, path, depth, width)
  local pieces <const>, length <const> = {}, rawlen(object)
  local limit <const> = math.min(ROWS[depth], self.left)
  local positional <const> = math.min(length, limit)
  local keys <const>, keyed <const> = keys_of(object, length, limit - positional)
  self.left = self.left - positional - #keys
  for i = 1, positional do
    pieces[i] = self:text(rawget(object, i), ("%s[%d]"):format(path, i), depth + 1, width)
  end
  for _, key in ipairs(keys) do
    local name <const> = key_text(key)
    local inner <const> = path .. (M.is_name(key) and "." or "") .. name
    pieces[#pieces + 1] = name .. " = " .. self:text(rawget(object, key), inner, depth + 1, width - #name - 3)
  end
  local more <const> = length + keyed - positional - #keys
  if more > 0 then pieces[#pieces + 1] = ("... %d more"):format(more) end
  return pieces, positional
end

--- Entries without keys share lines.
local function fill_lines(pieces, positional, width)
  local lines <const>, line = {}, nil
  for i, piece in ipairs(pieces) do
    local text <const> = piece .. (i < #pieces and "," or "")
    local fits <const> = i <= positional and line and not text:find "\n" and #line + #text < width
    if line and not fits then lines[#lines + 1] = line end
    line = fits and line .. " " .. text or text
    if text:find "\n" then lines[#lines + 1], line = line, nil end
  end
  lines[#lines + 1] = line
  return lines
end

local function layout(pieces, positional, width)
  local one <const> = "{ " .. table.concat(pieces, ", ") .. " }"
  if #one <= width and not one:find "\n" then return one end
  local lines <const> = fill_lines(pieces, positional, width - 2)
  for i, line in ipairs(lines) do lines[i] = "  " .. line:gsub("\n", "\n  ") end
  return "{\n" .. table.concat(lines, "\n") .. "\n}"
end

function Printer:table_text(object, path, depth, width)
  if self.outer[object] then return ("<cycle: %s>"):format(self.outer[object]) end
  if next(object) == nil then return "{}" end
  if depth > DEPTH or self.left == 0 then return "{ ... }" end
  self.outer[object] = path
  local pieces <const>, positional <const> = self:pieces(object, path, depth, width - 2)
  self.outer[object] = nil
  return layout(pieces, positional, width)
end

--- The name of the class of a table, to stand before it.
local function class_of(metatable)
  local name <const> = metatable and rawget(metatable, "__name")
  return type(name) == "string" and quote.line(name, KEY) .. " " or ""
end

function Printer:text(value, path, depth, width)
  if type(value) ~= "table" then return scalar_text(value, depth == 1 and TOP_STRING or STRING) end
  local metatable <const> = debug.getmetatable(value)
  if metatable and rawget(metatable, "__tostring") ~= nil then return described(value) end
  return class_of(metatable) .. self:table_text(value, path, depth, width)
end

local function new_printer()
  return setmetatable({ left = ENTRIES, outer = {} }, Printer)
end

--- A value as text of one or more lines.
---@param value any
---@param width integer? columns, default 100
---@return string
function M.value(value, width)
  return new_printer():text(value, "result", 1, width or WIDTH)
end

--- Several values, one below the other; without any, the empty string.
---@param values table with its count in `n`
---@param first integer? where they begin, default 1
---@return string
function M.values(values, first)
  local lines <const>, printer <const> = {}, new_printer()
  for i = first or 1, values.n do
    if #lines == VALUES then
      lines[#lines + 1] = ("... %d more"):format(values.n - i + 1)
      break
    end
    lines[#lines + 1] = printer:text(values[i], "result", 1, WIDTH)
  end
  return table.concat(lines, "\n")
end

return M
