--- A service: one script that is loaded and runs, with its globals, its servers and its tasks.

local core <const> = require "core.task"
local environment <const> = require "perigee.service.environment"

---@class perigee.Service
---@field name string from the script's file name: "chat" of scripts/chat.lua
---@field path string
---@field given table<string, string> options from the command line
---@field dev boolean errors may be shown to clients
---@field servers perigee.Server[]
---@field stop_functions function[]
---@field scope any the scope of all its tasks
---@field changed any a waitlist that is woken when a server closes
---@field loading boolean the main chunk runs
---@field checking table<string, boolean>|false it is only looked at, nothing is served: the addresses looked at
local Service <const> = { __name = "perigee.service" }
Service.__index = Service

function Service:__tostring()
  return ("service: %s (%s)"):format(self.name, self.path)
end

--- An error value with a traceback that ends where the script begins.
local function with_traceback(value)
  if type(value) == "userdata" then return value end
  local traceback <const> = debug.traceback("", 2):gsub("\n%s*%[C%]: in function 'xpcall'.*$", "")
  return { message = tostring(value), traceback = traceback:gsub("^\n", "") }
end

--- An option that was given to a script which has none was meant for something: say so.
local function check_given(self)
  local name <const> = next(self.given)
  if not name or self.options_declared then return true end
  return nil, { message = ("%s: there is no option '%s': the script declares none"):format(self.path, name) }
end

--- Loads the script and runs its main chunk to its end, which may be long for a client.
---@return boolean? loaded
---@return { message: string, traceback: string? }? failure
function Service:load()
  local chunk <const>, message <const> = loadfile(self.path, "t", environment(self.path))
  if not chunk then return nil, { message = message } end
  self.chunk = chunk
  self.loading = true
  local ok, failure
  local main <const> = self.scope:enter(function() ok, failure = xpcall(chunk, with_traceback) end)
  local _, why <const> = main:join()
  self.loading = false
  if ok then return check_given(self) end
  if type(failure) == "table" then return nil, failure end
  return nil, { message = tostring(failure or why) }
end

local function has_open_server(self)
  for _, server in ipairs(self.servers) do
    if server.is_open then return true end
  end
end

--- Waits until nothing of it is left: no open server, no task.
function Service:join()
  while true do
    while has_open_server(self) do self.changed:wait() end
    self.scope:join()
    if not has_open_server(self) then return end
  end
end

--- Closes its servers and calls what on_stop registered, each protected.
---@param on_failure fun(message: string, fields: { traceback: string })
---@param silence number? the addresses are served by another process from now on: no client is to be harmed, idle ones
--- are closed after so many seconds
function Service:stop(on_failure, silence)
  for _, server in ipairs(self.servers) do
    if silence then server:drain(silence) else server:close() end
  end
  for _, f in ipairs(self.stop_functions) do
    local ok <const>, failure <const> = xpcall(f, with_traceback)
    if not ok and type(failure) ~= "table" then error(failure, 0) end -- it was interrupted
    if not ok then on_failure(failure.message, { traceback = failure.traceback }) end
  end
end

local M <const> = {}

--- Makes the service of a script; nothing is loaded yet.
---@param path string
---@param given table<string, string>? options from the command line
---@param dev boolean? it is being developed: errors may be shown to its clients
---@return perigee.Service
function M.new(path, given, dev)
  local service <const> = setmetatable({
    name = path:match "([^/]+)%.lua$" or path:match "[^/]+$" or path,
    path = path,
    given = given or {},
    dev = dev or false,
    servers = {},
    stop_functions = {},
    changed = core.waitlist(),
    loading = false,
    checking = false,
  }, Service)
  service.scope = core.scope(service)
  return service
end

return M
