--- What a script says about itself as a service.

local core <const> = require "core.task"
local options <const> = require "perigee.service.options"

local M <const> = {
  worker = 0, ---@type integer the number of this worker, 1 ...; 0: there is one process, without a supervisor
}

--- The service that the running task belongs to; nil outside of services (in a spec, for one).
---@return perigee.Service?
function M.current()
  return core.context()
end

--- Declares the options of the script, and returns their values: the defaults, or what --set SERVICE.NAME=VALUE gives.
--- The type of the default is the type of the option; a list is given as a,b,c. To be called once.
---@param defaults table<string, string|number|boolean|string[]>
---@return table options
function M.options(defaults)
  if type(defaults) ~= "table" then error("bad argument 'defaults' (a table expected)", 2) end
  local service <const> = M.current()
  if not service then return options.merge(defaults, {}) end
  service.options_declared = true
  local ok <const>, result <const> = pcall(options.merge, defaults, service.given)
  if not ok then error(result, 2) end
  return result
end

--- The path of a file beside the script: service.path "chat" is scripts/chat for scripts/chat.lua, wherever the server
--- was started. Outside of services, beside the working directory.
---@param name string
---@return string
function M.path(name)
  if type(name) ~= "string" then error("bad argument 'name' (a string expected)", 2) end
  local service <const> = M.current()
  local directory <const> = service and service.path:match "^(.*)/[^/]*$" or "."
  return directory .. "/" .. name
end

--- Registers a function that is called when the service is to stop, before its connections are drained. It may wait,
--- but not longer than the drain deadline.
---@param f fun()
function M.on_stop(f)
  if type(f) ~= "function" then error("bad argument 'f' (a function expected)", 2) end
  local service <const> = M.current()
  if not service then error("on_stop is for services: this task belongs to none", 2) end
  table.insert(service.stop_functions, f)
end

return M
