--- Places: what `local:` URLs of perigee.bus, perigee.queue and perigee.store lead to.
---   local:/path   that directory, by its absolute path: what is stored there is durable
---   local:        memory that all workers of one `perigee run` share, and the processes that they start by
---                 process.start; it lasts as long as one of them that uses it, or their supervisor
--- Beside its data a place has a directory in shared memory, where those who use it meet. Whoever uses that holds a
--- lock in it, which ends with the process however that ends; the last one removes the directory, and what killed
--- processes have left is swept by the next one that comes.

local core <const> = require "core.task"
local digest <const> = require "core.digest"
local process <const> = require "core.process"
local system <const> = require "core.system"
require "core.descriptor" -- the class of locks

local VARIABLE <const> = "PERIGEE_LOCAL" -- the name of the memory that this process shares with others
local SHARED_MEMORY <const> = "/dev/shm"
local ELSEWHERE <const> = "/tmp"           -- where there is no shared memory
local LOCK_SECONDS <const> = 5             -- for others to finish removing what they have left
local RETRY_SECONDS <const> = 0.01

local M <const> = {}

---@class perigee.Place
---@field directory string where the data lies
---@field is_durable boolean
---@field name string says which one it is, on this machine
---@field members string the directory for the sockets of those who use it; it is there between hold and let_go
---@field meeting string the directory in shared memory
---@field lock perigee.Descriptor?
---@field uses integer
local Place <const> = { __name = "perigee.place" }
Place.__index = Place

local places <const> = {} ---@type table<string, perigee.Place> that this process knows, by their names
local own ---@type string? the name of this process's memory
local owner ---@type string? the user whose places are to be, where that is not the one that this process is

local function to_hex(bytes)
  return (bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

local function base()
  return system.file_kind(SHARED_MEMORY) == "directory" and SHARED_MEMORY or ELSEWHERE
end

local function prefix(uid)
  return ("%s/perigee-%d-"):format(base(), uid)
end

-- Removing.

local function remove_files(directory)
  for _, name in ipairs(system.list(directory) or {}) do
    if name ~= "lock" then os.remove(directory .. "/" .. name) end
  end
end

--- Removes a meeting directory when nobody uses it. What is not ours alone could lead us elsewhere: it is left alone.
local function remove_unused(meeting)
  if not system.is_private(meeting) then return end
  local lock <const>, _ <const>, code <const> = system.lock(meeting .. "/lock", true)
  if not lock then
    if code == "unreachable" then os.remove(meeting) end -- nothing is in it
    return
  end
  remove_files(meeting .. "/members")
  remove_files(meeting)
  os.remove(meeting .. "/lock")
  os.remove(meeting)
  lock:close()
end

--- Removes what processes of this user that were killed have left.
local function sweep()
  local start <const> = prefix(assert(system.user_id()))
  for _, name in ipairs(system.list(base()) or {}) do
    local path <const> = base() .. "/" .. name
    if path:sub(1, #start) == start and path:find("^%x+$", #start + 1) then remove_unused(path) end
  end
end

-- Using.

--- Makes the directory and locks it. Somebody may be about to remove it: then it is tried again.
local function lock_meeting(meeting)
  local deadline <const> = core.now() + LOCK_SECONDS
  while true do
    local made <const>, message <const>, code <const> = system.private_directory(meeting, owner)
    if not made then return nil, message, code end
    local lock <const>, why <const>, word <const> = system.lock(meeting .. "/lock")
    if lock then return lock end
    if word ~= "exists" and word ~= "unreachable" or core.now() > deadline then return nil, why, word end
    core.sleep(RETRY_SECONDS)
  end
end

local function open_meeting(meeting)
  local lock <const>, message <const>, code <const> = lock_meeting(meeting)
  if not lock then return nil, message, code end
  local made <const>, why <const>, word <const> = system.private_directory(meeting .. "/members", owner)
  if made then return lock end
  lock:close()
  return nil, why, word
end

--- Makes the directory for its members, which is there until let_go.
---@return true?
---@return string? message
---@return string? code
function Place:hold()
  if not self.lock then
    local lock <const>, message <const>, code <const> = open_meeting(self.meeting)
    if not lock then return nil, message, code end
    if self.lock then lock:close() else self.lock = lock end -- another task was quicker
  end
  self.uses = self.uses + 1
  return true
end

--- Ends what hold has begun.
function Place:let_go()
  self.uses = self.uses - 1
  if self.uses > 0 then return end
  self.lock:close()
  self.lock = nil
  remove_unused(self.meeting)
end

function Place:__tostring()
  return ("place: %s"):format(self.is_durable and self.directory or "memory " .. self.name)
end

local function place_of(name, directory)
  if places[name] then return places[name] end
  local uid <const>, message <const>, code <const> = system.user_id(owner)
  if not uid then return nil, message, code end
  local meeting <const> = prefix(uid) .. name
  places[name] = setmetatable({ name = name, meeting = meeting, members = meeting .. "/members", uses = 0,
    directory = directory or meeting, is_durable = directory ~= nil }, Place)
  return places[name]
end

--- From now on places are made for a user: whom this process is to become, or its workers are.
---@param user string "NAME", a number, or "NAME:GROUP"
function M.make_for(user)
  owner = user
end

-- Memory.

--- The name of the memory that this process shares with its workers, or with the processes that it starts.
local function own_name()
  own = own or to_hex(digest.random(8))
  return own
end

--- The process holds its memory until it ends; then it lets go of what it holds.
local memory <const> = setmetatable({ place = nil }, { __gc = function(self)
  if self.place then self.place:let_go() end
end })

--- The memory of this process and of those that it shares it with.
---@return perigee.Place?
---@return string? message
---@return string? code
function M.memory()
  if memory.place then return memory.place end
  sweep()
  local place <const>, why <const>, word <const> = place_of(own_name())
  if not place then return nil, why, word end
  local held <const>, message <const>, code <const> = place:hold()
  if not held then return nil, "open local: " .. message, code end
  if memory.place then place:let_go() else memory.place = place end
  return place
end

--- Lets go of the memory, before the process ends.
function M.leave()
  if not memory.place then return end
  memory.place:let_go()
  memory.place = nil
end

--- Takes the name of the memory that this process is to share from the environment, where it is no longer then.
---@return true?
---@return string? message
function M.take()
  local name <const> = os.getenv(VARIABLE)
  if not name then return true end
  process.unset(VARIABLE)
  if not name:find "^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$" then
    return nil, ("%s=%s: it is not of 16 hexadecimal digits"):format(VARIABLE, name)
  end
  own = name
  return true
end

--- The environment variable for a process that is to share our memory, and its value.
---@return string name
---@return string value
function M.variable()
  return VARIABLE, own_name()
end

-- Directories.

--- Where the path leads; the last part of it may be missing.
local function make_directory(path)
  local real <const> = system.real_path(path)
  local made <const>, message <const>, code <const> = system.private_directory(real or path, owner)
  if not made then return nil, message, code end
  return system.real_path(path)
end

local function durable(path)
  local directory <const>, message <const>, code <const> = make_directory(path)
  if not directory then return nil, ("open local:%s: %s"):format(path, message), code end
  return place_of(to_hex(digest.digest(directory):sub(1, 8)), directory)
end

--- What is wrong with a URL, if it leads to no place.
---@param url any
---@return string?
function M.problem(url)
  local path <const> = type(url) == "string" and url:match "^local:(.*)$"
  if not path then return ("bad argument 'url' (local: or local:/path expected, got %s)"):format(tostring(url)) end
  if path:find "\0" then return "bad argument 'url' (a path has no zero bytes)" end
  if path:find "^[^/]" then
    return ("bad argument 'url' (local:%s is no absolute path: local: or local:/path expected)"):format(path)
  end
end

--- The place that a URL leads to. Its directory is made when it is not there.
---@param url string "local:" or "local:/path"
---@return perigee.Place?
---@return string? message
---@return string? code "denied": it cannot be made, or belongs to another user
function M.find(url)
  local problem <const> = M.problem(url)
  if problem then error(problem, 2) end
  local path <const> = url:match "^local:(.*)$"
  if path == "" then return M.memory() end
  return durable(path)
end

return M
