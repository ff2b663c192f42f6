--- A process without workers: its control socket, its place under systemd, and the user that it becomes.

local address <const> = require "core.address"
local commands <const> = require "perigee.service.commands"
local control <const> = require "perigee.supervisor.control"
local core <const> = require "core.task"
local log <const> = require "perigee.log"
local server <const> = require "perigee.server"
local sockets <const> = require "perigee.supervisor.sockets"
local status <const> = require "perigee.service.status"
local system <const> = require "core.system"
local systemd <const> = require "perigee.supervisor.systemd"

local PATIENCE <const> = 5 -- seconds for scripts to load, before somebody is told that rights are still to be given up

---@class perigee.supervisor.Single
---@field run perigee.service.Run
---@field manager perigee.systemd.Manager
---@field control perigee.supervisor.Control?
---@field scope perigee.Scope of its own tasks
---@field failed boolean
local Single <const> = {}
Single.__index = Single

-- Addresses that systemd has bound.

local function take_from(list, at, kind)
  for i, socket in ipairs(list) do
    local bound <const> = socket.descriptor.address
    local same <const> = bound and sockets.place_of(kind, bound) == sockets.place_of(kind, at)
    if same and (socket.descriptor.kind == "datagram") == (kind == "datagram") then return table.remove(list, i) end
  end
end

--- systemd's own way to say "any address" is [::].
local function any_of(at)
  if at.host ~= "0.0.0.0" then return nil end
  return assert(address.lookup(("%s://[::]:%d"):format(at.scheme, at.port)))[1]
end

local function supplier(list)
  return function(endpoint)
    local at <const> = endpoint.target.at
    local kind <const> = at.scheme == "udp" and "datagram" or "stream"
    local found <const> = take_from(list, at, kind) or any_of(at) and take_from(list, any_of(at), kind)
    if not found then return nil end
    return { descriptors = { found.descriptor }, options = kind == "stream" and { keep_path = true } or {} }
  end
end

-- What `perigee status` and `perigee stop` ask for.

function Single:status(request)
  local own <const> = status.of_process(self.run, request)
  own.worker, own.restarts, own.age = 0, 0, core.now() - self.began
  return { pid = own.pid, state = own.state, mode = "single", age = own.age, memory = own.memory,
    listeners = own.listeners, workers = { own } }
end

--- Answers what is asked at the control socket.
---@param command string of perigee.service.commands
---@param request table
---@return table answer
function Single:answer(command, request)
  if command == "status" then return { ok = true, status = self:status(request) } end
  if request.worker and request.worker ~= 0 then
    return { ok = false, message = "this process has no workers", code = "unreachable" }
  end
  return commands.answer(self.run, command, request)
end

function Single:request_stop()
  log.info("stopping", { asked = "by the control socket" })
  self.run:request_stop()
end

-- Its life.

local function warn_when_late(self)
  core.sleep(PATIENCE)
  log.warn("the scripts are not loaded yet, and run with all rights until they are", { user = self.user })
end

--- Becomes the user, once the scripts have bound what only others may bind.
local function give_up_rights(self)
  local done <const>, message <const> = system.set_user(self.user)
  if not done then
    self.failed = true
    log.error("the rights are not given up", { reason = message })
    self.run:request_stop()
  end
  return done
end

local function open_control(self)
  if not self.is_controlled then return true end
  local opened <const>, message <const> = control.open(self.control_path, self)
  self.control = opened
  if opened then return true end
  if not self.control_path then
    log.warn("no control socket", { reason = message })
    return true
  end
  log.error("no control socket", { reason = message })
  self.failed = true
  self.run:request_stop()
end

local function when_loaded(self)
  local late <const> = self.user and self.scope:spawn(warn_when_late, self)
  if not self.run:wait_until_loaded() then return end
  if late then late:cancel() end
  if self.user and not give_up_rights(self) then return end
  self.manager:notify "READY=1"
  self.scope:spawn(self.manager.keep_watchdog, self.manager)
end

--- Waits for the end of the services, and does what is to be done when they are loaded.
function Single:run_services()
  if open_control(self) then self.scope:spawn(when_loaded, self) end
  self.run:wait()
  self.manager:notify "STOPPING=1"
end

function Single:close()
  if self.control then self.control:finish() end
end

local M <const> = {}

---@param run perigee.service.Run
---@param arguments table of the command line
---@param is_controlled boolean it has a control socket
---@return perigee.supervisor.Single?
---@return string? message
function M.new(run, arguments, is_controlled)
  local list <const>, message <const> = systemd.sockets()
  if not list then return nil, message end
  if #list > 0 then server.supplier = supplier(list) end
  return setmetatable({ run = run, manager = systemd.manager(), user = arguments.user, control_path = arguments.control,
    is_controlled = is_controlled, scope = core.scope(), failed = false, began = core.now() }, Single)
end

return M
