--- The globals of a service: its own, so that services cannot trip over each other's. The standard library's tables are
--- copied, so that a script which adds to `string` or `table` adds to its own.

local log <const> = require "perigee.log"
local new_sources <const> = require "perigee.service.sources"

local libraries <const> = { "coroutine", "debug", "io", "math", "os", "string", "table", "utf8" }

local functions <const> = {
  "_VERSION", "assert", "collectgarbage", "dofile", "error", "getmetatable", "ipairs", "load", "loadfile", "next",
  "pairs", "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring",
  "type", "warn", "xpcall",
}

local function copy(library)
  local result <const> = {}
  for name, value in pairs(library) do result[name] = value end
  return result
end

--- A chunk loaded by a service sees the service's globals, not the process's.
local function own_loaders(environment, sources)
  function environment.load(chunk, name, mode, env) return load(chunk, name, mode, env or environment) end
  function environment.loadfile(path, mode, env)
    if path == nil then return loadfile(path, mode, env or environment) end
    return sources:load(path, mode, env or environment)
  end
  function environment.dofile(path) return assert(environment.loadfile(path))() end
end

local function directory_of(path)
  return path:match "^(.*)/[^/]*$" or "."
end

--- Loads a module that stands beside the script; nil when there is none.
local function load_beside(environment, directory, name, sources)
  local base <const> = directory .. "/" .. name:gsub("%.", "/")
  for _, path in ipairs { base .. ".lua", base .. "/init.lua" } do
    if sources:has(path) then
      local chunk <const>, message <const> = sources:load(path, "t", environment)
      if not chunk then error(message, 0) end
      return chunk, path
    end
  end
end

--- A module that is shared; when there is none, the error is at the line of the script that asked.
local function load_shared(name, directory)
  local ok <const>, value <const> = pcall(require, name)
  if ok then return value end
  local missing <const> = ("module '%s' not found"):format(name)
  if type(value) ~= "string" or value:sub(1, #missing) ~= missing then error(value, 0) end
  local base <const> = directory .. "/" .. name:gsub("%.", "/")
  error(("%s: there is no %s.lua, no %s/init.lua, and no shared one"):format(missing, base, base), 3)
end

--- require for a service: modules beside its script are its own, loaded once for it; all others are shared.
local function own_require(environment, directory, sources)
  local loaded <const> = {}
  return function(name)
    if loaded[name] ~= nil then return loaded[name] end
    if name:match "^core%." then
      error(("module '%s' is the runtime's own: services use perigee.%s"):format(name, name:sub(6)), 2)
    end
    local chunk <const>, path <const> = load_beside(environment, directory, name, sources)
    if not chunk then
      local value <const> = load_shared(name, directory)
      return value
    end
    local value = chunk(name, path)
    if value == nil then value = true end
    loaded[name] = value
    return value
  end
end

--- It ends the process, with all its services, so the log says whose doing that was.
local function own_exit(path)
  return function(code, close)
    local caller <const> = debug.getinfo(2, "Sl")
    local at <const> = caller and ("%s:%d"):format(caller.short_src, caller.currentline) or path
    log.warn("os.exit ends the process, and all services in it", { at = at, code = tostring(code) })
    os.exit(code, close)
  end
end

--- Makes the globals for a script.
---@param path string the script's path
---@param files perigee.service.Sources? that it reads its files from; default: as they are now
---@return table environment
return function(path, files)
  local sources <const> = files or new_sources()
  local environment <const> = {}
  for _, name in ipairs(libraries) do environment[name] = copy(_G[name]) end
  for _, name in ipairs(functions) do environment[name] = _G[name] end
  environment._G = environment
  environment.os.exit = own_exit(path)
  own_loaders(environment, sources)
  environment.require = own_require(environment, directory_of(path), sources)
  return environment
end
