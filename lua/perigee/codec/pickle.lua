--- Pickles of Python, protocols 0 to 5, as data: None, booleans, integers of 64 bits, floats, text, bytes, lists,
--- tuples, dicts and sets go both ways; whatever names code is refused.
---   local text = pickle.encode({ "add", pickle.tuple { 2, 3 }, {} })
---   local value, message, code = pickle.decode(text)
---
--- A list is a plain table, an empty one bears the mark of json.array; a dict is a plain table, and bears the mark of
--- pickle.dict when it has keys that are no strings; tuples, sets and frozensets are arrays with a mark. None is
--- pickle.null in a table, and nil by itself. An unmarked table with the keys 1..n is encoded as a list, any other as a
--- dict. A string is encoded as text when it is UTF-8, as bytes when not; a perigee.buffer as bytes.

local checked <const> = require "perigee.options"
local decode <const> = require "perigee.codec.pickle.decode"
local encode <const> = require "perigee.codec.pickle.encode"
local marks <const> = require "perigee.codec.pickle.marks"
local names <const> = require "perigee.codec.pickle.names"
local returned <const> = require "perigee.misuse"

local M <const> = { null = marks.null }

local PROTOCOL <const> = 4 -- Python's own since 3.8
local DEPTH <const>, DEPTH_MAX <const> = 512, 4096
local LIMIT <const> = 10000000

local function check_integer(options, name, low, high, otherwise)
  local value <const> = options[name]
  if value == nil then return otherwise end
  local integer <const> = math.type(value) and math.tointeger(value)
  if integer and integer >= low and integer <= high then return integer end
  error(("option '%s' must be an integer from %d to %d, not %s"):format(name, low, high, tostring(value)), 0)
end

local function encoding(options)
  checked.check_names(options, { protocol = true, depth = true })
  return {
    protocol = check_integer(options, "protocol", 0, 5, PROTOCOL),
    depth = check_integer(options, "depth", 1, DEPTH_MAX, DEPTH),
  }
end

local function decoding(options)
  checked.check_names(options, { binary = true, exceptions = true, depth = true, limit = true })
  local binary <const> = options.binary == nil and "string" or options.binary
  if binary ~= "string" and binary ~= "buffer" then
    error(('option \'binary\' must be "string" or "buffer", not %s'):format(tostring(binary)), 0)
  end
  return {
    binary = binary, exceptions = options.exceptions == true,
    depth = check_integer(options, "depth", 1, DEPTH_MAX, DEPTH),
    limit = check_integer(options, "limit", 1, math.maxinteger // 4, LIMIT),
  }
end

local default_encoding <const>, default_decoding <const> = encoding {}, decoding {}

--- Raises for what cannot be encoded, and names where it is: "cannot encode a function at items[3].price". These are
--- functions, threads, userdata other than buffers, cycles, tables deeper than `depth`, and keys that Python does not
--- take: tables other than tuples and frozensets.
---@param value any
---@param options { protocol: integer?, depth: integer? }? protocol: 0 to 5, default 4; depth: levels of nesting,
--- default 512
---@return string
function M.encode(value, options)
  return returned(pcall(encode, value, options and encoding(options) or default_encoding))
end

local function decode_checked(text, options)
  if type(text) ~= "string" then error("bad argument 'text' (a string expected)", 0) end
  local value <const>, message <const>, code <const> = decode(text, options and decoding(options) or default_decoding)
  if value == marks.null then return nil end
  return value, message, code
end

--- Reads a pickle. What is read is a tree: a value may be in several places, but in none of its own parts.
---
--- Options: binary ("string": bytes as Lua strings, the default; "buffer": as perigee.buffer), exceptions (true: those
--- of Python's builtins are taken, as perigee.pickle.Exception; default false), depth (levels of nesting, default 512),
--- limit (values, with those that are shared counted each time; a table counts as eight; default 10 million).
---@param text string
---@param options { binary: "string"|"buffer"|nil, exceptions: boolean?, depth: integer?, limit: integer? }?
---@return any value nil for None
---@return string? message "invalid pickle at byte 17: ...", "pickle names os.system at byte 3: only data is taken"
---@return "protocol"|"limit"|"denied"|nil code "denied": it names code; "limit": an integer of more than 64 bits, too
--- many values
function M.decode(text, options)
  return returned(pcall(decode_checked, text, options))
end

--- Marks a table as a tuple.
---@generic T: table
---@param t T the values at 1..n
---@return T t
M.tuple = marks.tuple

--- Marks a table as a set.
---@generic T: table
---@param t T its members at 1..n
---@return T t
M.set = marks.set

--- Marks a table as a set that may be a key or a member of a set.
---@generic T: table
---@param t T its members at 1..n
---@return T t
M.frozenset = marks.frozenset

--- Marks a table as a dict, also with the keys 1..n.
---@generic T: table
---@param t T
---@return T t
M.dict = marks.dict

--- Marks a table as a list, also when it is empty.
---@generic T: table
---@param t T
---@return T t
M.list = marks.list

--- An exception of Python's builtins, for a peer that raises it.
---@param kind string its class: "KeyError"
---@param message string?
---@return perigee.pickle.Exception
function M.exception(kind, message)
  if type(kind) ~= "string" or not names.is_exception(kind) then
    error(("bad argument 'kind' (%s is no exception of Python's builtins)"):format(tostring(kind)), 2)
  end
  return marks.raised { exception = kind, arguments = { message } }
end

--- Is this an exception that was decoded, or made here?
---@param value any
---@return boolean
function M.is_exception(value)
  return type(value) == "table" and marks.kind(value) == "exception"
end

--- The protocol that a pickle says it is of: 0 to 5; 1 when it says none, which is 0 or 1.
---@param text string
---@return integer
function M.protocol(text)
  local first <const>, second <const> = text:byte(1, 2)
  return first == 0x80 and math.min(second or 1, 5) or 1
end

--- What a table is in Python, by its mark.
---@param value table
---@return "list"|"dict"|"tuple"|"set"|"frozenset"|"exception"|nil kind
M.kind = marks.kind

return M
