--- ZMTP 3.0 and 3.1 (rfc.zeromq.org/spec/23 and /37): the greeting, commands and messages of a connection, with the
--- NULL mechanism.

local GREETING_SIZE <const> = 64
local SIGNATURE <const> = "\xff\0\0\0\0\0\0\0\1\x7f"
local MAJOR <const>, MINOR <const> = 3, 1
local MECHANISM <const> = "NULL" .. ("\0"):rep(16)
local MORE <const>, LONG <const>, COMMAND <const> = 1, 2, 4
local COMMAND_LIMIT <const> = 65536 -- bytes
local PARTS_LIMIT <const> = 1024    -- of one message
local SHOWN <const> = 100           -- bytes

local M <const> = {}

--- What is sent first.
M.greeting = SIGNATURE .. string.char(MAJOR, MINOR) .. MECHANISM .. ("\0"):rep(32)

local function frame(flags, body)
  if #body < 256 then return string.char(flags, #body) .. body end
  return string.pack(">Bs8", flags | LONG, body)
end

--- A message of these parts, of which there is one at least.
---@param parts string[]
---@return string
function M.message(parts)
  local frames <const> = {}
  for index, part in ipairs(parts) do frames[index] = frame(index < #parts and MORE or 0, part) end
  return table.concat(frames)
end

---@param name string
---@param body string
---@return string
function M.command(name, body)
  return frame(COMMAND, string.pack("s1", name) .. body)
end

--- The command READY: which kind of socket this is.
---@param kind string "REP"
---@return string
function M.ready(kind)
  return M.command("READY", string.pack(">s1s4s1s4", "Socket-Type", kind, "Identity", ""))
end

--- Words of the other side's, as they are shown in messages.
---@param text string
---@return string
function M.shown(text)
  return (text:sub(1, SHOWN):gsub("[^%g ]", "?"))
end

--- Reads the other side's greeting.
---@param conn perigee.Connection
---@return integer? minor its version is 3.minor
---@return string? message
---@return string? code
function M.read_greeting(conn)
  local bytes <const>, message <const>, code <const> = conn:read(GREETING_SIZE)
  if not bytes then return nil, message, code end
  local first <const>, last <const>, major <const>, minor <const> = bytes:byte(1), bytes:byte(10, 12)
  if first ~= 0xff or last & 1 == 0 then return nil, "the other side speaks no ZMTP", "protocol" end
  if major < MAJOR then return nil, ("the other side speaks ZMTP %d, not 3"):format(major), "protocol" end
  local mechanism <const> = bytes:sub(13, 32):match "^[^\0]*"
  if mechanism == "NULL" then return minor end
  return nil, ("the other side wants the mechanism \"%s\", not NULL"):format(M.shown(mechanism)), "protocol"
end

local function read_size(conn, flags, first)
  if flags & LONG == 0 then return first end
  local rest <const>, message <const>, code <const> = conn:read(7)
  if not rest then return nil, message, code end
  return (string.unpack(">I8", string.char(first) .. rest))
end

--- One frame, of at most `limit` bytes.
local function read_frame(conn, limit)
  local head <const>, message <const>, code <const> = conn:read(2)
  if not head then return nil, message, code end
  local flags <const>, first <const> = head:byte(1, 2)
  if flags > 7 or flags & COMMAND ~= 0 and flags & MORE ~= 0 then
    return nil, ("a frame with the flags 0x%02x"):format(flags), "protocol"
  end
  local size <const>, why <const>, short <const> = read_size(conn, flags, first)
  if not size then return nil, why, short end
  local most <const> = flags & COMMAND ~= 0 and COMMAND_LIMIT or limit
  if math.ult(most, size) then
    return nil, ("a frame of %u bytes, where %d are the limit"):format(size, most), "limit"
  end
  local body <const>, reason <const>, word <const> = conn:read(size)
  if not body then return nil, reason, word end
  return flags, body
end

--- The next command or message.
---@param conn perigee.Connection
---@param limit integer bytes of a message
---@return "command"|"message"|nil kind
---@return any value of a command its name, of a message its parts; or message
---@return string? body of a command; or code
function M.read(conn, limit)
  local parts <const>, left = {}, limit
  while true do
    local flags <const>, body <const>, code <const> = read_frame(conn, left)
    if not flags then return nil, body, code end
    if flags & COMMAND ~= 0 then
      if #parts > 0 then return nil, "a command within a message", "protocol" end
      local ok <const>, name <const>, at <const> = pcall(string.unpack, "s1", body)
      if not ok then return nil, "a command without a name", "protocol" end
      return "command", name, body:sub(at)
    end
    parts[#parts + 1] = body
    left = left - #body
    if flags & MORE == 0 then return "message", parts end
    if #parts >= PARTS_LIMIT then return nil, ("a message of more than %d parts"):format(PARTS_LIMIT), "limit" end
  end
end

--- What the command READY says, by names in lower case.
---@param body string
---@return table<string, string>? properties
---@return string? message
---@return string? code
function M.properties(body)
  local properties <const>, at = {}, 1
  while at <= #body do
    local ok <const>, name <const>, value <const>, following <const> = pcall(string.unpack, ">s1s4", body, at)
    if not ok then return nil, "the properties of READY are cut off", "protocol" end
    properties[name:lower()] = value
    at = following
  end
  return properties
end

return M
