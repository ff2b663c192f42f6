--- What the other members of a mesh say: their messages, what was lost on the way, and what they have seen of us.

local core <const> = require "core.task"
local frames <const> = require "perigee.bus.frames"
local log <const> = require "perigee.log"
local wants <const> = require "perigee.bus.wants"

local TURN <const> = 100 -- messages, after which others have their turn

local function on_message(self, bytes, at, stop)
  local topic <const>, from <const> = string.unpack("<s2", bytes, at)
  local text <const>, sinks <const> = bytes:sub(from, stop), self.routes:find(topic)
  local crowded = false
  for i = #sinks, 1, -1 do
    if sinks[i]:deliver(text, topic) then crowded = true end
  end
  return crowded
end

local function on_lost(self, bytes, at, stop)
  local lost <const>, topics <const> = frames.to_lost(bytes, at, stop)
  local told <const> = {}
  for _, topic in ipairs(topics) do
    for _, inbox in ipairs(self.routes:find(topic)) do told[inbox] = true end
  end
  for inbox in pairs(#topics > 0 and told or self.inboxes) do inbox:note_lost(lost) end
end

local function on_seen(self, reader, bytes, at)
  reader.seen = string.unpack("<i8", bytes, at)
  if self.links[reader.id] then self.links[reader.id].is_silent = false end
  self.changed:wake(math.huge)
end

local function on_hello(self, conn, bytes, at)
  local version <const>, id <const> = string.unpack("<Bs1", bytes, at)
  if version ~= frames.VERSION then error(("member %s speaks version %d of the bus"):format(id, version), 0) end
  if not id:find(frames.ID) then error(("a member cannot be named %q"):format(id), 0) end
  local reader <const> = { id = id, conn = conn, seen = -1 }
  conn.timeout = math.huge
  self.readers[id] = reader
  conn:write(wants.all(self.routes):pack(self.number))
  self:add_link(id)
  return reader
end

local function read_all(self, conn, state)
  local crowded, count = false, 0
  frames.read(conn, function(kind, bytes, at, stop)
    count = count + 1
    if kind == frames.MESSAGE and state.reader then crowded = on_message(self, bytes, at, stop) or crowded
    elseif kind == frames.SEEN and state.reader then on_seen(self, state.reader, bytes, at)
    elseif kind == frames.LOST and state.reader then on_lost(self, bytes, at, stop)
    elseif kind == frames.HELLO and not state.reader then state.reader = on_hello(self, conn, bytes, at)
    else error(("a frame of kind %d"):format(kind), 0) end
  end, function()
    if crowded or count > TURN then core.sleep(0) end
    crowded, count = false, 0
  end)
end

--- Serves the connection of another member to us, until it ends.
---@param self perigee.bus.Mesh
---@param conn perigee.Connection
return function(self, conn)
  local state <const> = {}
  local _ <close> = setmetatable({}, { __close = function()
    local reader <const> = state.reader
    if reader and self.readers[reader.id] == reader then self.readers[reader.id] = nil end
    self.changed:wake(math.huge)
  end })
  local ok <const>, message <const> = pcall(read_all, self, conn, state)
  if ok then return end
  if type(message) ~= "string" then error(message, 0) end -- it is cancelled
  log.warn("bus: what another member says cannot be understood", { reason = message })
end
