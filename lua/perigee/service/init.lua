--- What a script says about itself as a service.

local core <const> = require "core.task"
local options <const> = require "perigee.service.options"
local state <const> = require "perigee.service.state"

local M <const> = {
  worker = 0, ---@type integer the number of this worker, 1 ...; 0: there is one process, without a supervisor
  is_for_one_client = false, ---@type boolean the process ends with its client: --process-per-client
}

--- The version of a service that the running task belongs to; nil outside of services (in a spec, for one).
---@return perigee.service.Generation?
function M.current()
  return core.context()
end

--- Declares the options of the script, and returns their values: the defaults, or what --set SERVICE.NAME=VALUE gives.
--- The type of the default is the type of the option; a list is given as a,b,c. To be called once.
---@param defaults table<string, string|number|boolean|string[]>
---@return table options
function M.options(defaults)
  if type(defaults) ~= "table" then error("bad argument 'defaults' (a table expected)", 2) end
  local current <const> = M.current()
  if not current then return options.merge(defaults, {}) end
  local ok <const>, result <const> = pcall(options.merge, defaults, current.given)
  if not ok then error(result, 2) end
  current.options = result
  return result
end

--- The path of a file beside the script: service.path "chat" is scripts/chat for scripts/chat.lua, wherever the server
--- was started. Outside of services, beside the working directory.
---@param name string
---@return string
function M.path(name)
  if type(name) ~= "string" then error("bad argument 'name' (a string expected)", 2) end
  local current <const> = M.current()
  local directory <const> = current and current.path:match "^(.*)/[^/]*$" or "."
  return directory .. "/" .. name
end

--- Where there are workers, only the first serves this script; in the others its main chunk ends here, and nothing of
--- it is left: for a script whose clients are to meet in one memory. Returns where it is served, so also in a process
--- without workers. To be called in the main chunk, before anything is served. With --process-per-client this raises.
function M.in_one_worker()
  local current <const> = M.current()
  if not current then return end
  if not current.loading then error("in_one_worker is to be called while the main chunk runs", 2) end
  if #current.servers > 0 then error("in_one_worker is to be called before anything is served", 2) end
  if M.is_for_one_client then
    error(("in_one_worker: with --process-per-client each client has a process of its own, and the clients of %s are "
      .. "to meet in one: run it with --workers, or without both"):format(current.path), 2)
  end
  current.is_alone = true
  if M.worker > 1 then current:leave_to_first() end
end

local function check_function(name, value)
  if type(value) ~= "function" then error(("bad argument '%s' (a function expected)"):format(name), 3) end
end

local function check_current(what)
  local current <const> = M.current()
  if not current then error(what .. " is for services: this task belongs to none", 3) end
  return current
end

--- Has an object of the library closed when the version of the service that runs here ends, if it is one and the object
--- still lasts then. Its close() does not wait, and may be called twice.
---@param object { close: fun(self) }
function M.close_at_end(object)
  local current <const> = M.current()
  if not current then return end
  if current.state == "ended" then return object:close() end
  current.owned[object] = true
end

--- Registers a function that is called when the service is to stop, before its connections are drained. It may wait,
--- but not longer than the drain deadline. A reload is no stop: see on_reload.
---@param f fun()
function M.on_stop(f)
  check_function("f", f)
  table.insert(check_current("on_stop").stop_functions, f)
end

--- Registers a function that is called when newer code has taken the place of this one: to end what does not end by
--- itself. (Its servers are handed over, and its tasks are ended, without that.) It may wait for some seconds.
---@param f fun()
function M.on_reload(f)
  check_function("f", f)
  table.insert(check_current("on_reload").reload_functions, f)
end

---@class perigee.service.state_options
---@field version integer? of the value's form, default 1
---@field migrate (fun(old: any, from: integer): any)? brings a value of another version to this one's form: `old` is a
--- copy of the tables, and may be changed and returned

--- A value that survives reloads: what an earlier version of the script has made under this name, or `initial`, or what
--- it returns. When its form changes, so should `version`, and `migrate` says how. To be called in the main chunk. A
--- migration that fails, fails the reload: the old code goes on with the old value. What old code changes while a main
--- chunk waits after its migration is not in the copy.
---@param name string
---@param initial any a value, or a function that makes it; default: an empty table
---@param given perigee.service.state_options?
---@return any
function M.state(name, initial, given)
  if type(name) ~= "string" then error("bad argument 'name' (a string expected)", 2) end
  if given ~= nil and type(given) ~= "table" then error("bad argument 'options' (a table expected)", 2) end
  for key in pairs(given or {}) do
    if key ~= "version" and key ~= "migrate" then error(("there is no option '%s'"):format(tostring(key)), 2) end
  end
  local version <const>, migrate <const> = given and given.version or 1, given and given.migrate
  if math.type(version) ~= "integer" then error("option 'version' must be an integer", 2) end
  if migrate ~= nil then
    if type(migrate) ~= "function" then error("option 'migrate' must be a function", 2) end
  end
  if initial == nil then initial = {} end
  local current <const> = M.current()
  if current then return state.of(current, name, initial, version, migrate) end
  if type(initial) == "function" then return initial() end
  return initial
end

--- A function by whose name the newest code is called: what this returns calls the version of `f` that the newest
--- generation has registered under the name, so that a connection which lives long takes part in reloads. A connection
--- that has called it is not cut off at the drain deadline. To be called in the main chunk.
---@generic F: function
---@param name string
---@param f F
---@return F
function M.live(name, f)
  if type(name) ~= "string" then error("bad argument 'name' (a string expected)", 2) end
  check_function("f", f)
  local current <const> = M.current()
  if not current then return f end
  if current.lives[name] then error(("there is a live function '%s' already"):format(name), 2) end
  current.lives[name] = f
  local of <const> = current.service
  return function(...)
    core.follow()
    local newest <const> = of.generation
    return (newest and newest.lives[name] or f)(...)
  end
end

return M
