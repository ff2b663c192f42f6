--- systemd: sockets that it has opened for us (sd_listen_fds(3)), and telling it how we are (sd_notify(3)).

local core <const> = require "core.task"
local descriptor <const> = require "core.descriptor"
local process <const> = require "core.process"
local system <const> = require "core.system"

local M <const> = {}

local FIRST <const> = 3 -- SD_LISTEN_FDS_START

--- What systemd says to a process, and not to those that it starts.
M.variables = { "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" }

local function take_variable(name)
  local value <const> = os.getenv(name)
  if value then process.unset(name) end
  return value
end

local function is_ours(pid)
  return pid == nil or tonumber(pid) == system.pid()
end

local function split_names(text)
  local names <const> = {}
  for name in ((text or "") .. ":"):gmatch "([^:]*):" do names[#names + 1] = name end
  return names
end

--- The sockets that systemd has opened; once.
---@return { descriptor: perigee.Descriptor, name: string }[]? sockets
---@return string? message
function M.sockets()
  local count <const>, pid <const> = take_variable "LISTEN_FDS", take_variable "LISTEN_PID"
  local names <const> = split_names(take_variable "LISTEN_FDNAMES")
  local sockets <const> = {}
  if not count or not is_ours(pid) then return sockets end
  for i = 1, math.tointeger(tonumber(count)) or 0 do
    local taken <const>, message <const> = descriptor.inherited(FIRST + i - 1)
    if not taken then return nil, ("LISTEN_FDS=%s: %s"):format(count, message) end
    sockets[i] = { descriptor = taken, name = names[i] or "" }
  end
  return sockets
end

---@class perigee.systemd.Manager
---@field path string? the socket of the service manager
---@field interval number? seconds within which it wants to hear of us
local Manager <const> = {}
Manager.__index = Manager

--- Tells the service manager: "READY=1", "STOPPING=1" ... Nothing, when there is none.
---@param ... string one assignment each
---@return true?
---@return string? message
function Manager:notify(...)
  if not self.path then return true end
  return system.notify(self.path, table.concat({ ... }, "\n"))
end

--- Tells it twice within each interval that we are alive, until the task is cancelled.
function Manager:keep_watchdog()
  while self.interval do
    self:notify "WATCHDOG=1"
    core.sleep(self.interval / 2)
  end
end

--- The service manager that has started this process. What it says to us is forgotten in the environment, except that
--- `for_successor` can pass it on.
---@return perigee.systemd.Manager
function M.manager()
  local path <const> = take_variable "NOTIFY_SOCKET"
  local microseconds <const>, pid <const> = tonumber(take_variable "WATCHDOG_USEC"), take_variable "WATCHDOG_PID"
  local interval <const> = microseconds and microseconds > 0 and is_ours(pid) and microseconds / 1e6 or nil
  return setmetatable({ path = path, interval = interval, microseconds = interval and microseconds }, Manager)
end

--- The variables by which a process that takes our place finds the service manager.
---@return table<string, string|number>
function Manager:for_successor()
  return { NOTIFY_SOCKET = self.path, WATCHDOG_USEC = self.microseconds and ("%d"):format(self.microseconds) }
end

return M
