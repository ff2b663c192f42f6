--- The processes that share a place, and their messages to each other. Each is a member: it listens at a socket of its
--- own in the place's directory, and has a link to each other one. In a process the services share one.

local address <const> = require "core.address"
local core <const> = require "core.task"
local digest <const> = require "core.digest"
local frames <const> = require "perigee.bus.frames"
local incoming <const> = require "perigee.bus.incoming"
local links <const> = require "perigee.bus.link"
local listener <const> = require "core.listener"
local routes <const> = require "perigee.bus.routes"
local system <const> = require "core.system"
local wants <const> = require "perigee.bus.wants"

local PATIENCE <const> = 2                 -- seconds that a member may take to answer, before it counts as silent
local SHORT_PATIENCE <const> = 0.05        -- then: it may have woken up
local HELLO_SECONDS <const> = 30
local ALL <const> = tonumber("777", 8)
local HIGH_WATER <const> = (1 << 31) - 1
local UNTOLD <const> = 64 * 1024 * 1024    -- bytes of what we want, after which a member that takes none starts anew

---@class perigee.bus.Mesh: perigee.bus.Hub
---@field place perigee.Place
---@field id string ours
---@field routes perigee.bus.Routes who wants what in this process: inboxes
---@field remote perigee.bus.Routes who wants what of the others: links
---@field links table<string, perigee.bus.Link> to the others, by their ids
---@field scope perigee.Scope of its tasks
---@field changed perigee.Waitlist is woken when a member tells something, or goes
---@field state "opening"|"open"|"failed"|"closed"
---@field failure { message: string, code: string }?
---@field readers table<string, { conn: perigee.Connection, seen: integer }> connections from the others, by ids
---@field inboxes table<perigee.bus.Inbox, true>
---@field number integer of the last change of what we want, from 1
---@field package users integer
---@field package listener perigee.Listener?
local Mesh <const> = { __name = "perigee.bus.mesh" }
Mesh.__index = Mesh

local meshes <const> = {} ---@type table<string, perigee.bus.Mesh> by the names of their places

-- Other members.

--- There is another member: from now on there is a link to it.
---@param id string
function Mesh:add_link(id)
  if self.links[id] or id == self.id or self.state == "closed" then return end
  local link <const> = links.new(self, id)
  self.links[id] = link
  self.scope:spawn(function()
    link:run()
    if self.links[id] == link then self.links[id] = nil end
    self.changed:wake(math.huge)
  end)
end

local function find_members(self)
  for _, name in ipairs(system.list(self.place.members) or {}) do
    local id <const> = name:match "^(.*)%.sock$"
    if id and id:find(frames.ID) then self:add_link(id) end
  end
end

--- The members of which `is_done(link)` is not true, and how long they are waited for.
local function missing(self, is_done)
  local links_left <const>, patience = {}, 0
  for _, link in pairs(self.links) do
    if not is_done(link) then
      links_left[#links_left + 1] = link
      patience = math.max(patience, link.is_silent and SHORT_PATIENCE or PATIENCE)
    end
  end
  return links_left, patience
end

--- Waits until `is_done(link)` of every other member: true. One that says nothing, as it is stopped, is not waited for
--- long: false.
local function await(self, is_done)
  local began <const> = core.now()
  local left, patience = missing(self, is_done)
  while #left > 0 and self.state ~= "closed" do
    if not self.changed:wait(math.max(began + patience - core.now(), 0)) then
      for _, link in ipairs(left) do link.is_silent = true end
      return false
    end
    left, patience = missing(self, is_done)
  end
  return #left == 0
end

-- What we tell them.

local function tell_always(self, changes)
  self.number = self.number + 1
  local bytes
  for _, reader in pairs(self.readers) do
    bytes = bytes or changes:pack(self.number)
    if reader.conn.queued > UNTOLD then reader.conn:abort() else reader.conn:write(bytes) end
  end
end

local function tell(self, changes)
  if not changes:is_empty() then tell_always(self, changes) end
end

--- Waits until the others have seen all that they were told: what they have sent before has come then.
---@return boolean seen false: somebody says nothing
local function await_seen(self)
  local number <const> = self.number
  return await(self, function(link)
    local reader <const> = self.readers[link.id]
    return reader and reader.seen >= number
  end)
end

--- Publishes. A publisher that is quicker than the others lets them have their turn.
---@param topic string
---@param text string
---@return true
function Mesh:publish(topic, text)
  local here <const>, there <const>, crowded = self.routes:find(topic), self.remote:find(topic), false
  for i = #here, 1, -1 do
    if here[i]:deliver(text, topic) then crowded = true end
  end
  local head <const> = #there > 0 and frames.message_head(topic, #text)
  for i = #there, 1, -1 do
    if there[i]:send(head, text, topic) then crowded = true end
  end
  if crowded and coroutine.isyieldable() then core.sleep(0) end
  return true
end

--- Subscribes, and waits until the others know.
---@param inbox perigee.bus.Inbox
---@return true
function Mesh:subscribe(inbox)
  local changes <const> = wants.new()
  self.inboxes[inbox] = true
  for _, topic in ipairs(inbox.topics) do
    if self.routes:add_topic(topic, inbox) then changes:add_topic(topic) end
  end
  for _, glob in ipairs(inbox.globs) do
    if self.routes:add_glob(glob, inbox) then changes:add_glob(glob) end
  end
  tell(self, changes)
  await_seen(self)
  return true
end

---@param inbox perigee.bus.Inbox
function Mesh:unsubscribe(inbox)
  local changes <const> = wants.new()
  self.inboxes[inbox] = nil
  for _, topic in ipairs(inbox.topics) do
    if self.routes:remove_topic(topic, inbox) then changes:remove_topic(topic) end
  end
  for _, glob in ipairs(inbox.globs) do
    if self.routes:remove_glob(glob, inbox) then changes:remove_glob(glob) end
  end
  if self.state == "open" then tell(self, changes) end
end

--- Has an inbox end when all has come that was published before.
---@param inbox perigee.bus.Inbox
function Mesh:finish(inbox)
  tell_always(self, wants.new())
  self.scope:spawn(function()
    inbox:finish(not await_seen(self) and { reason = "disconnected" } or nil)
  end)
end

-- Its life.

--- Listens, and only then puts its socket where the others look: whoever finds it there and cannot connect removes it.
--- Who may enter the directory may connect.
local function listen(self)
  local path <const> = self.place.members .. "/" .. self.id
  local found <const>, why <const>, word <const> = address.lookup("unix:" .. path)
  if not found then return nil, why, word end
  local opened <const>, message <const>, code <const> = listener.listen(found[1], function(conn)
    incoming(self, conn)
  end, { timeout = HELLO_SECONDS, high_water = HIGH_WATER, max_connections = 1 << 20 })
  if not opened then return nil, message, code end
  self.listener, self.path = opened, path .. ".sock"
  system.set_mode(path, ALL)
  local moved <const>, problem <const> = os.rename(path, self.path)
  if moved then return true end
  return nil, problem, "denied"
end

local function open(self)
  local held <const>, why <const>, word <const> = self.place:hold()
  if not held then return nil, why, word end
  self.holds = true
  local listening <const>, message <const>, code <const> = listen(self)
  if not listening then return nil, message, code end
  find_members(self)
  await(self, function(link) return link.has_told end)
  return true
end

--- In a task of its own scope, as the listener belongs to the scope that it is made in.
local function start(self)
  local opened <const>, message <const>, code <const> = open(self)
  if self.state ~= "opening" then return end
  self.state = opened and "open" or "failed"
  self.failure = not opened and { message = message, code = code } or nil
  self.changed:wake(math.huge)
end

local function close(self)
  self.state = "closed"
  if meshes[self.place.name] == self then meshes[self.place.name] = nil end
  if self.path then os.remove(self.path) end
  if self.listener then self.listener:close() end
  for _, link in pairs(self.links) do link:close() end
  self.scope:cancel()
  self.changed:wake(math.huge)
  if self.holds then self.place:let_go() end
end

--- One user less; the last one ends it.
function Mesh:close()
  self.users = self.users - 1
  if self.users == 0 then close(self) end
end

local function new(place)
  local id <const> = ("%d-%s"):format(system.pid(), digest.random(4):gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end))
  return setmetatable({ place = place, name = tostring(place), id = id, routes = routes.new(), remote = routes.new(),
    links = {}, readers = {}, inboxes = {}, number = 1, users = 0, state = "opening", scope = core.scope(),
    changed = core.waitlist() }, Mesh)
end

local M <const> = {}

--- The mesh of a place, with one user more. It is open when this returns: what others have subscribed to is known.
---@param place perigee.Place
---@return perigee.bus.Mesh?
---@return string? message
---@return string? code
function M.open(place)
  local mesh = meshes[place.name]
  if not mesh or mesh.state == "failed" then
    mesh = new(place)
    meshes[place.name] = mesh
    mesh.scope:spawn(start, mesh)
  end
  mesh.users = mesh.users + 1
  local guard <close> = setmetatable({ mesh = mesh }, { __close = function(self)
    if self.mesh then self.mesh:close() end
  end })
  while mesh.state == "opening" do mesh.changed:wait() end
  if mesh.failure then return nil, mesh.failure.message, mesh.failure.code end
  guard.mesh = nil
  return mesh
end

return M
