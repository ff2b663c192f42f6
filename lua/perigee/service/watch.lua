--- Watches the files that services were loaded from, and tells when their texts are others than before: once for each
--- save, however an editor writes.

local core <const> = require "core.file_watch"
local log <const> = require "perigee.log"
local places <const> = require "perigee.service.places"
local system <const> = require "core.system"
local task <const> = require "core.task"

local QUIET <const> = 0.04    -- seconds without an event, after which a save is over
local MOST <const> = 0.15     -- after the first event, when events do not end
local PATIENCE <const> = 0.1  -- for a file that is away or empty: editors remove or empty it before they write
local INTERVAL <const> = 1    -- between looks, where the system tells nothing

---@class perigee.service.Watch
---@field files fun(): table
---@field changed fun(paths: string[])
---@field watch perigee.FileWatch? nil: the system watches nothing for us
---@field texts table<string, string|false> as they were last seen; false: it could not be read
---@field directories table<string, string> that are watched
---@field names table<string, boolean> whose events matter, in any of the directories
---@field unwatched boolean a directory could not be watched
---@field pending boolean a text is another one than was loaded, although nothing has happened since
---@field told table<string, boolean> reasons that have been logged
local Watch <const> = {}
Watch.__index = Watch

local function read(path)
  local file <close> = system.file_kind(path) == "file" and io.open(path, "rb") or nil
  return file and file:read "a" or false
end

local function explain(self, message)
  if not self.told[message] then log.warn("changed files are looked for every second", { reason = message }) end
  self.told[message] = true
end

local function add_all(self, directories)
  for directory, what in pairs(directories) do
    local added <const>, message <const>, code <const> = self.watch:add(directory, what == "itself")
    if not added then self.unwatched = true end
    if not added and code ~= "unreachable" then explain(self, message) end -- else it has just gone
  end
end

--- Watches where the files are now: a link may lead elsewhere, a directory be another one.
local function watch_places(self)
  local now <const> = places.new()
  for path in pairs(self.texts) do now:add(path) end
  self.names = now.names
  if not self.watch then return end
  self.unwatched = false
  add_all(self, now.directories)
  for directory in pairs(self.directories) do
    if not now.directories[directory] then self.watch:remove(directory) end
  end
  self.directories = now.directories
end

--- Asks for the files. Those that are watched already keep the text that was seen last.
local function follow(self)
  local texts <const>, loaded <const> = {}, {}
  for key, value in pairs(self.files()) do
    local path <const> = type(key) == "string" and key or value
    texts[path] = self.texts[path] or false
    if key == path and self.texts[path] == nil then loaded[path] = value end
  end
  local before <const> = self.texts
  self.texts = texts
  watch_places(self) -- before they are read, so that nothing is missed in between
  for path in pairs(texts) do
    if before[path] == nil then texts[path] = read(path) end
    if loaded[path] ~= nil and loaded[path] ~= texts[path] then texts[path], self.pending = loaded[path], true end
  end
end

--- Waits for an event. False when none came in time that matters.
local function await(self, seconds)
  if not self.watch then
    task.sleep(seconds)
    return false
  end
  task.sleep(0) -- while events come faster than they are taken, the others have their turn, and the clock goes on
  local directory <const>, name <const>, code <const> = self.watch:next(seconds)
  if directory then return name == nil or self.names[name] == true end
  if code == "timeout" then return false end
  if code ~= "limit" then error(name, 0) end
  return true -- events were lost
end

local function wait_for_event(self)
  if not self.pending then
    repeat
      local is_blind <const> = not self.watch or self.unwatched
    until await(self, is_blind and INTERVAL or nil) or is_blind
  end
  self.pending = false
end

--- Waits until nothing has happened for a while.
local function wait_for_quiet(self, until_at)
  local quiet_at = task.now() + QUIET
  while true do
    local left <const> = math.min(quiet_at, until_at) - task.now()
    if left <= 0 then return end
    if await(self, left) then quiet_at = task.now() + QUIET end
  end
end

--- Compares all files with what they were. Is one of them perhaps half written?
---@return table<string, string|false> changed the new texts
---@return boolean is_unfinished
local function look(self)
  local changed <const>, is_unfinished = {}, false
  for path, before in pairs(self.texts) do
    local now <const> = read(path)
    if now ~= before then changed[path] = now end
    is_unfinished = is_unfinished or now ~= before and (not now or now == "")
  end
  return changed, is_unfinished
end

--- What has changed when a save is over.
local function settle(self)
  local until_at, give_up_at = task.now() + MOST, nil
  while true do
    wait_for_quiet(self, until_at)
    watch_places(self)
    local changed <const>, is_unfinished <const> = look(self)
    give_up_at = give_up_at or task.now() + PATIENCE
    if not is_unfinished or task.now() >= give_up_at then return changed end
    until_at = give_up_at
  end
end

local function take(self, changed)
  local paths <const> = {}
  for path, text in pairs(changed) do
    self.texts[path] = text
    paths[#paths + 1] = path
  end
  table.sort(paths)
  return paths
end

--- Calls `changed` after each save, in this task, until the task is cancelled. It may take its time: what happens
--- meanwhile is told after.
function Watch:run()
  local _ <close> = self.watch
  while true do
    wait_for_event(self)
    local paths <const> = take(self, settle(self))
    if #paths > 0 then
      self.changed(paths)
      follow(self)
    end
  end
end

local M <const> = {}

--- Watches from now on; run() tells.
---@param files fun(): table a list of paths, of files that may not be there too; it is called now and after each
--- `changed`. A path may also be a key, with the text that was loaded (false: it was not there) as its value: then a
--- change that was made between the load and this call is told as well
---@param changed fun(paths: string[]) the files whose texts are not what they were, sorted
---@return perigee.service.Watch
function M.new(files, changed)
  local self <const> = setmetatable({ files = files, changed = changed, texts = {}, directories = {}, names = {},
    unwatched = false, pending = false, told = {} }, Watch)
  local message
  self.watch, message = core.open()
  if not self.watch then explain(self, message) end
  follow(self)
  return self
end

return M
