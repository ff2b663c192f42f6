--- Message framing: whole messages over a connection, which by itself only carries bytes. Each function here
--- gives a `frames` object (perigee.frame.frames) with receive(), send(...) and messages().

local bounded <const> = require "perigee.frame.bounded"
local misuse <const> = require "perigee.frame.frames".misuse
local sized <const> = require "perigee.frame.sized"

local DEFAULT_LIMIT <const> = 1024 * 1024 -- bytes: no peer can make us hold more for one message

local frame <const> = {}

-- The level of misuse() is 3 in the checks: check, frame.*, its caller.
local function check_conn(conn)
  local kind <const> = type(conn)
  if (kind == "table" or kind == "userdata") and conn.read and conn.write then return end
  misuse(3, "conn", "connection", conn)
end

local function to_positive(value)
  local integer <const> = math.type(value) and math.tointeger(value)
  return integer and integer > 0 and integer or nil
end

local function check_options(options)
  if options == nil then return {}, DEFAULT_LIMIT end
  if type(options) ~= "table" then misuse(3, "options", "table", options) end
  if options.limit == nil then return options, DEFAULT_LIMIT end
  local limit <const> = to_positive(options.limit)
  if not limit then misuse(3, "limit", "positive integer", options.limit) end
  return options, limit
end

local function check_prefix(format)
  local letter, digits = nil, nil
  if type(format) == "string" then letter, digits = format:match "^[<>=]?([bBhHlLjJTiI])(%d*)$" end
  local known <const> = letter and (digits == "" or letter:lower() == "i")
  local ok <const>, size <const> = pcall(string.packsize, known and format or "?")
  if not ok then misuse(3, "format", "integer format of string.pack", format) end
  return size, letter:find "%l" ~= nil
end

local function check_struct(format)
  local ok <const>, size <const> = pcall(string.packsize, format)
  local is_sized <const> = type(format) == "string" and ok and size > 0
  local count <const> = is_sized and select("#", string.unpack(format, ("\0"):rep(size))) - 1
  if not count or count == 0 then misuse(3, "format", "string.pack format of fixed size", format) end
  return size, count
end

local function largest_of(size, signed)
  return size >= 8 and math.maxinteger or (1 << size * 8 - (signed and 1 or 0)) - 1
end

--- Messages that all have `size` bytes.
---@param conn perigee.connection
---@param size integer bytes, positive
---@return perigee.frames
function frame.fixed(conn, size)
  check_conn(conn)
  local bytes <const> = to_positive(size)
  if not bytes then misuse(2, "size", "positive integer", size) end
  return setmetatable({ conn = conn, size = bytes }, bounded.Fixed)
end

--- Messages that each end in a delimiter, which they cannot hold.
---@param conn perigee.connection
---@param delimiter string one byte or more
---@param options { limit: integer? }? limit: bytes of one message, default 1 MiB
---@return perigee.frames
function frame.delimited(conn, delimiter, options)
  check_conn(conn)
  if type(delimiter) ~= "string" or delimiter == "" then
    misuse(2, "delimiter", "non-empty string", delimiter)
  end
  local _ <const>, limit <const> = check_options(options)
  return setmetatable({ conn = conn, delimiter = delimiter, limit = limit }, bounded.Delimited)
end

--- Messages after their length as a binary integer.
---@param conn perigee.connection
---@param format string one integer format of string.pack, such as ">I4", "<I2" or "B"
---@param options { limit: integer?, inclusive: boolean? }? limit: bytes of one message without its length,
--- default 1 MiB; inclusive: the length counts its own bytes too
---@return perigee.frames
function frame.prefixed(conn, format, options)
  check_conn(conn)
  local size <const>, signed <const> = check_prefix(format)
  local given <const>, limit <const> = check_options(options)
  local included <const> = given.inclusive and size or 0
  return setmetatable({
    conn = conn, limit = limit, format = format, prefix = size, signed = signed, included = included,
    largest = largest_of(size, signed) - included,
  }, sized.Prefixed)
end

--- Messages after their length as an unsigned LEB128 integer, as protobuf's delimited messages. Strict: no
--- more than ten bytes, and none that is not needed.
---@param conn perigee.connection
---@param options { limit: integer? }? limit: bytes of one message, default 1 MiB
---@return perigee.frames
function frame.varint(conn, options)
  check_conn(conn)
  local _ <const>, limit <const> = check_options(options)
  local object <const> = { conn = conn, limit = limit, largest = math.maxinteger, value = 0, shift = 0 }
  return setmetatable(object, sized.Varint)
end

--- Netstrings: "5:hello,". Strict: no leading zeros, the comma is required.
---@param conn perigee.connection
---@param options { limit: integer? }? limit: bytes of one message, default 1 MiB
---@return perigee.frames
function frame.netstring(conn, options)
  check_conn(conn)
  local _ <const>, limit <const> = check_options(options)
  return setmetatable({ conn = conn, limit = limit, largest = math.maxinteger }, sized.Netstring)
end

--- Messages that are one record each: receive() returns its values, send(...) takes them.
---@param conn perigee.connection
---@param format string of string.pack, of a fixed size: no "s" and no "z"
---@return perigee.frames
function frame.struct(conn, format)
  check_conn(conn)
  local size <const>, count <const> = check_struct(format)
  return setmetatable({ conn = conn, format = format, size = size, count = count }, bounded.Struct)
end

return frame
