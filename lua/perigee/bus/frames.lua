--- What the members of a mesh say to each other: frames, each its length (4 bytes, the lowest first), its kind (1
--- byte), and the rest, which is as many bytes as the length says, less one.
---
--- A connection serves one direction. Who has opened it says HELLO, MESSAGE, LOST, SEEN; who has accepted it says
--- WANTS: first all that it wants, then each change, under numbers that SEEN gives back.

local M <const> = {
  VERSION = 1,
  HELLO = 72,   ---@type integer version and name of the member
  MESSAGE = 77, ---@type integer topic and text
  LOST = 76,    ---@type integer reason, count, seconds, and the topics; without any it is all of them
  SEEN = 83,    ---@type integer the number of the last WANTS
  WANTS = 87,   ---@type integer number, and operations with their topics and globs
  ID = "^%d+%-%x+$", ---@type string the names of members, as a pattern
}

local HEAD <const> = 5                         -- bytes: length and kind
local LIMIT <const> = 64 * 1024 * 1024 + 70000 -- bytes of a frame: the largest message
local CHUNK <const> = 64 * 1024

---@param kind integer
---@param body string
---@return string
function M.pack(kind, body)
  return string.pack("<I4B", #body + 1, kind) .. body
end

--- What comes before the text of a message.
---@param topic string
---@param size integer bytes of the text
---@return string
function M.message_head(topic, size)
  return string.pack("<I4Bs2", #topic + size + 3, M.MESSAGE, topic)
end

local REASONS <const> = { "slow", "disconnected" }

---@param lost perigee.bus.Lost
---@param topics string[] none: all
---@return string
function M.lost(lost, topics)
  local parts <const> = { string.pack("<Bi8d", lost.reason == "slow" and 1 or 2, lost.count or -1, lost.seconds or -1) }
  for _, topic in ipairs(topics) do parts[#parts + 1] = string.pack("<s2", topic) end
  return M.pack(M.LOST, table.concat(parts))
end

local function names_from(body, at, stop)
  local names <const> = {}
  while at <= stop do names[#names + 1], at = string.unpack("<s2", body, at) end
  return names
end

---@param bytes string
---@param at integer
---@param stop integer
---@return perigee.bus.Lost
---@return string[] topics
function M.to_lost(bytes, at, stop)
  local reason <const>, count <const>, seconds <const>, rest <const> = string.unpack("<Bi8d", bytes, at)
  return { reason = REASONS[reason] or "slow", count = count >= 0 and count or nil,
    seconds = seconds >= 0 and seconds or nil }, names_from(bytes, rest, stop)
end

--- Takes the frames that are whole. What is left, and how many bytes the first frame in it lacks, when that is known.
local function take_whole(bytes, take)
  local at, size <const> = 1, #bytes
  while size - at + 1 >= HEAD do
    local length <const>, kind <const> = string.unpack("<I4B", bytes, at)
    if length < 1 or length > LIMIT then error(("a frame of %d bytes"):format(length), 0) end
    local stop <const> = at + length + 3
    if stop > size then return bytes:sub(at), stop - size end
    take(kind, bytes, at + HEAD, stop)
    at = stop + 1
  end
  return at > size and "" or bytes:sub(at)
end

--- Reads frames until the connection ends. Raises for what is no frame.
---@param conn perigee.Connection
---@param take fun(kind: integer, bytes: string, at: integer, stop: integer) the frame's rest is bytes:sub(at, stop)
---@param after fun()? is called when all frames that have come together were taken
function M.read(conn, take, after)
  local rest, missing = "", nil
  while true do
    local more <const> = missing and conn:read(missing) or not missing and conn:read_some(CHUNK)
    if not more then return end
    rest, missing = take_whole(rest == "" and more or rest .. more, take)
    if after then after() end
  end
end

return M
