--- Consoles that are open at a process: each has variables, and evaluates one line at a time. A session that was not
--- used for long is forgotten, and so is the longest unused one when there are too many.

local core <const> = require "core.task"
local names <const> = require "perigee.console.names"

local SESSIONS <const> = 16
local IDLE_SECONDS <const> = 3600

---@class perigee.console.Session
---@field used number when it was last used, on core.task's clock
---@field names table<perigee.Service, perigee.console.Names> what it has in each service
---@field running perigee.Task? the line
---@field interrupted boolean the line was told to end
---@field reload { service: string }? the line has asked for it
local Session <const> = {}
Session.__index = Session

--- Raised by a line to end it: what it wants is in the session.
local Unwinding <const> = { __name = "perigee.console.unwinding", __tostring = function() return "reload" end }

local function reloader(self, service)
  return function(name)
    if name ~= nil and type(name) ~= "string" then error("bad argument 'name' (the name of a service expected)", 2) end
    if not self.running then error("reload() is for the lines of a console", 2) end
    self.reload = { service = name or service.name }
    error(setmetatable({}, Unwinding), 0)
  end
end

--- The names that lines have in a service.
---@param service perigee.Service
---@return perigee.console.Names
function Session:names_of(service)
  if not self.names[service] then self.names[service] = names.new(service, reloader(self, service)) end
  return self.names[service]
end

--- Ends the line that runs, where it waits.
function Session:interrupt()
  if not self.running then return end
  self.interrupted = true
  self.running:cancel()
end

---@class perigee.console.Sessions
---@field by_id table<string, perigee.console.Session>
---@field scope perigee.Scope of the task that forgets idle ones
---@field count integer
local Sessions <const> = {}
Sessions.__index = Sessions

--- The session that was not used for longest, and evaluates nothing.
local function find_oldest(self)
  local oldest
  for id, session in pairs(self.by_id) do
    if not session.running and (not oldest or session.used < self.by_id[oldest].used) then oldest = id end
  end
  return oldest
end

--- Forgets the idle ones, until none is left.
local function watch_idle(self)
  while true do
    local oldest <const> = find_oldest(self)
    local left <const> = oldest and self.by_id[oldest].used + IDLE_SECONDS - core.now() or IDLE_SECONDS
    if left > 0 then core.sleep(left) else self:forget(oldest) end
  end
end

local function add(self, id)
  if self.count >= SESSIONS then
    local oldest <const> = find_oldest(self)
    if not oldest then
      return nil, ("%d consoles evaluate a line now: there can be no more"):format(SESSIONS), "limit"
    end
    self:forget(oldest)
  end
  self.by_id[id] = setmetatable({ names = {}, interrupted = false }, Session)
  self.count = self.count + 1
  if self.count == 1 then self.scope:spawn(watch_idle, self) end
  return self.by_id[id]
end

--- The session of an id, which is made when there is none.
---@param id string
---@return perigee.console.Session?
---@return string? message
---@return string? code "limit"
function Sessions:of(id)
  local session, message, code = self.by_id[id], nil, nil
  if not session then session, message, code = add(self, id) end
  if not session then return nil, message, code end
  session.used = core.now()
  return session
end

--- Interrupts a session and drops all that it has; nothing when there is none.
---@param id string
function Sessions:forget(id)
  local session <const> = self.by_id[id]
  if not session then return end
  session:interrupt()
  self.by_id[id] = nil
  self.count = self.count - 1
  if self.count == 0 then self.scope:cancel() end
end

local M <const> = {}

local of_runs <const> = setmetatable({}, { __mode = "k" })

--- The sessions at a run's services.
---@param run perigee.service.Run
---@return perigee.console.Sessions
function M.of(run)
  if not of_runs[run] then
    of_runs[run] = setmetatable({ by_id = {}, count = 0, scope = core.scope() }, Sessions)
  end
  return of_runs[run]
end

--- Whether an error value is the wish of a line to end.
function M.is_unwinding(value)
  return debug.getmetatable(value) == Unwinding
end

return M
