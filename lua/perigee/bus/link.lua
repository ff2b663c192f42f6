--- The way from this member of a mesh to another: what it wants, and the connection over which it gets that. A member
--- that does not keep up loses messages, and is told how many; so does one whose connection is broken.

local core <const> = require "core.task"
local frames <const> = require "perigee.bus.frames"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local wants <const> = require "perigee.bus.wants"

local LIMIT <const> = 16 * 1024 * 1024 -- bytes that may be queued before one message more
local CROWDED <const> = 1024 * 1024    -- bytes queued, from which publishers let others have their turn
local HIGH_WATER <const> = (1 << 31) - 1
local CONNECT_SECONDS <const> = 5
local FIRST_REST <const>, LONGEST_REST <const> = 0.005, 1 -- seconds between two attempts
local COUNTED_TOPICS <const> = 64      -- whose losses are counted each by itself

--- What was lost on the way and not told yet.
---@class perigee.bus.Losses
---@field counts table<string, integer> messages by topic
---@field topics integer how many there are
---@field broken_at number? when the connection broke

---@class perigee.bus.Link
---@field id string of the member
---@field path string of its socket
---@field has_told boolean it has told all that it wanted
---@field is_silent boolean it was waited for, and has said nothing
---@field package routes perigee.bus.Routes who wants what, of all members
---@field package changed perigee.Waitlist is woken when the member tells or goes
---@field package conn perigee.Connection?
---@field package topics table<string, true>
---@field package globs table<string, true>
---@field package first string[]? frames of what it wants, until it has told everything
---@field package losses perigee.bus.Losses?
---@field package is_over boolean
local Link <const> = { __name = "perigee.bus.link" }
Link.__index = Link

-- What the member wants.

function Link:add_topic(name)
  self.topics[name] = true
  self.routes:add_topic(name, self)
end

function Link:remove_topic(name)
  self.topics[name] = nil
  self.routes:remove_topic(name, self)
end

function Link:add_glob(name)
  self.globs[name] = true
  self.routes:add_glob(name, self)
end

function Link:remove_glob(name)
  self.globs[name] = nil
  self.routes:remove_glob(name, self)
end

local function forget_wants(self)
  for name in pairs(self.topics) do self.routes:remove_topic(name, self) end
  for name in pairs(self.globs) do self.routes:remove_glob(name, self) end
  self.topics, self.globs = {}, {}
end

-- What was lost.

local function tell_losses(self)
  local losses <const>, conn <const> = self.losses, self.conn
  self.losses = nil
  if losses.broken_at then
    return conn:write(frames.lost({ reason = "disconnected", seconds = core.now() - losses.broken_at }, {}))
  end
  if losses.topics > COUNTED_TOPICS then return conn:write(frames.lost({ reason = "slow" }, {})) end
  for topic, count in pairs(losses.counts) do
    conn:write(frames.lost({ reason = "slow", count = count }, { topic }))
  end
end

--- Once all that is queued has gone, the member is told of what it has lost, and gets messages again.
local function recover(self, conn)
  if conn:flush() and self.conn == conn then tell_losses(self) end
end

local function lose(self, topic)
  local conn <const> = self.conn
  if not self.losses then
    self.losses = { counts = {}, topics = 0 }
    if conn then self.scope:spawn(recover, self, conn) end
  end
  local losses <const> = self.losses
  if losses.topics > COUNTED_TOPICS then return end
  if not losses.counts[topic] then losses.topics = losses.topics + 1 end
  losses.counts[topic] = (losses.counts[topic] or 0) + 1
end

--- Sends a message, or counts it as lost.
---@param head string see perigee.bus.frames.message_head
---@param text string
---@param topic string
---@return boolean crowded much is queued
function Link:send(head, text, topic)
  local conn <const> = self.conn
  if not conn or self.losses or conn.queued > LIMIT then
    lose(self, topic)
    return conn ~= nil
  end
  conn:write(head, text)
  return conn.queued > CROWDED
end

-- The connection.

--- What a member tells first on a connection is everything that it wants, in one frame or several: only when it is
--- whole does it take the place of what we knew before.
local function apply_first(bytes, at, stop, self)
  local number <const> = string.unpack("<i8", bytes, at)
  table.insert(self.first, bytes:sub(at, stop))
  if number == 0 then return number end
  forget_wants(self)
  for _, part in ipairs(self.first) do wants.apply(part, 1, #part, self) end
  self.first = nil
  return number
end

local function on_wants(self, conn, bytes, at, stop)
  local apply <const> = self.first and apply_first or wants.apply
  local number <const> = apply(bytes, at, stop, self)
  if number == 0 then return end
  self.has_told, self.is_silent = true, false
  self.changed:wake(math.huge)
  conn:write(frames.pack(frames.SEEN, string.pack("<i8", number)))
end

local function talk(self, conn)
  conn.timeout, conn.high_water = math.huge, HIGH_WATER
  conn:write(frames.pack(frames.HELLO, string.pack("<Bs1", frames.VERSION, self.own_id)))
  self.conn, self.first = conn, {}
  if self.losses then tell_losses(self) end
  frames.read(conn, function(kind, bytes, at, stop)
    if kind == frames.WANTS then on_wants(self, conn, bytes, at, stop) end
  end)
end

local function on_broken(self, conn, ok, message)
  conn:close()
  self.conn = nil
  self.losses = self.losses or { counts = {}, topics = 0 }
  self.losses.broken_at = self.losses.broken_at or core.now()
  if not ok then log.warn("bus: a member says what cannot be understood", { member = self.id, reason = message }) end
end

--- Nobody listens there any more. Members put their socket at its path only when they listen.
local function has_gone(self, code)
  if code == "refused" then os.remove(self.path) end
  return code == "refused" or not system.file_kind(self.path)
end

--- Uses a connection until it ends: whether it has lasted.
local function use(self, conn)
  local began <const> = core.now()
  local _ <close> = conn
  local ok <const>, message <const> = pcall(talk, self, conn)
  if not ok and type(message) ~= "string" then error(message, 0) end -- it is cancelled
  on_broken(self, conn, ok, message)
  return core.now() - began > LONGEST_REST
end

--- Keeps the way open until the member has gone.
function Link:run()
  local rest, is_told = FIRST_REST, false
  while true do
    local conn <const>, message <const>, code <const> =
      net.connect("unix:" .. self.path, { timeout = CONNECT_SECONDS })
    if not conn and has_gone(self, code) then return self:close() end
    if not conn and not is_told then
      log.warn("bus: a member cannot be reached", { member = self.id, reason = message })
    end
    is_told = not conn
    if conn and use(self, conn) then rest = FIRST_REST end
    core.sleep(rest)
    rest = math.min(rest * 2, LONGEST_REST)
  end
end

--- Ends it. What is queued is still sent.
function Link:close()
  if self.is_over then return end
  self.is_over = true
  forget_wants(self)
  if self.conn then self.conn:close() end
  self.conn = nil
  self.changed:wake(math.huge)
end

local M <const> = {}

---@param mesh perigee.bus.Mesh
---@param id string
---@return perigee.bus.Link
function M.new(mesh, id)
  return setmetatable({ id = id, own_id = mesh.id, path = mesh.place.members .. "/" .. id .. ".sock",
    routes = mesh.remote, changed = mesh.changed, scope = mesh.scope, topics = {}, globs = {}, has_told = false,
    is_silent = false, is_over = false }, Link)
end

return M
