--- A service: a script, the version of it that serves, and what lasts from one version to the next.

local core <const> = require "core.task"
local generations <const> = require "perigee.service.generation"

local LOAD_SECONDS <const> = 10

---@class perigee.Service
---@field name string from the script's file name: "chat" of scripts/chat.lua
---@field path string
---@field given table<string, string> options from the command line
---@field dev boolean errors may be shown to clients
---@field generation perigee.service.Generation? the one that serves; nil until the first has loaded
---@field generations table<perigee.service.Generation, true> all that are alive; the keys are weak
---@field first_number integer of its first generation
---@field states table<string, perigee.service.State> what service.state keeps
---@field reloads integer
---@field failed_reloads integer
---@field attempted perigee.service.Files? of the last version that was loaded, or could not be
---@field has_ended boolean? nothing of it is left
---@field first_is_over boolean the first worker's scripts have ended: what it was to serve alone has ended too
---@field cut integer tasks of old code that the drain deadline has ended
---@field load_seconds number for the main chunk of a version that is loaded aside
---@field changed any a waitlist that is woken when a server closes
---@field checking perigee.server.Checking|false it is only looked at, nothing is served
local Service <const> = { __name = "perigee.service" }
Service.__index = Service

function Service:__tostring()
  return ("service: %s (%s)"):format(self.name, self.path)
end

--- The number of the generation that is loaded now.
---@return integer
function Service:next_number()
  return self.generation and self.generation.number + 1 or self.first_number
end

--- Loads the script for the first time, and runs its main chunk to its end, which may be long for a client.
---@param texts table<string, string>? of its files, instead of what they are now
---@return boolean? loaded
---@return { message: string, traceback: string? }? failure
function Service:load(texts)
  local first <const> = generations.new(self, self.given, texts)
  self.first, self.attempted = first, first:files()
  local loaded <const>, failure <const> = first:load()
  if not loaded then return nil, failure end
  self.states, first.states = first.states, {}
  first.state, first.began, self.generation, self.first = "serving", core.now(), first, nil
  return true
end

--- The version that serves, or the first one while it is being loaded.
---@return perigee.service.Generation?
function Service:current()
  return self.generation or self.first
end

--- Loads the script as it is now aside: nothing changes for anybody until commit.
---@param given table<string, string> options
---@param texts table<string, string>? of its files, instead of what they are now
---@param together perigee.service.Generation[]? of services that are reloaded together with this one: their addresses
--- can be had
---@return perigee.service.Generation?
---@return { message: string, traceback: string? }? failure
function Service:prepare(given, texts, together)
  local candidate <const> = generations.new(self, given, texts, together)
  self.attempted = candidate:files()
  local _ <close> = setmetatable({}, { __close = function(_, failure) if failure then candidate:discard() end end })
  local loaded <const>, failure <const> = candidate:load()
  if loaded then return candidate end
  failure.paths = candidate.sources:paths()
  candidate:discard()
  return nil, failure
end

--- A generation that was prepared takes over. Nothing in it waits.
---@param candidate perigee.service.Generation
---@return perigee.service.Generation old to be drained
function Service:commit(candidate)
  local old <const> = self.generation
  for name, state in pairs(candidate.states) do self.states[name] = state end
  candidate.states, self.given = {}, candidate.given
  candidate:take_over()
  self.generation, self.reloads = candidate, self.reloads + 1
  self.changed:wake(math.huge)
  return old
end

--- The files that the last version was loaded from, or could not be loaded from, and those that serve.
---@return table<string, string|false> texts by path; false: there was no such file
function Service:files()
  local files <const> = {}
  for _, sources in ipairs { self.attempted, self.generation and self.generation:files() or nil } do
    for path in pairs(sources.missing) do files[path] = files[path] or false end
    for path, text in pairs(sources.texts) do files[path] = files[path] or text end
  end
  return files
end

--- Tasks of all its versions.
---@return integer
function Service:tasks()
  local count = 0
  for generation in pairs(self.generations) do count = count + generation.scope.count end
  return count
end

--- What the first worker serves alone has not ended here as long as that goes on.
local function is_served(self, generation)
  return generation:has_open_server() or generation.is_elsewhere and not self.first_is_over
end

--- Waits until nothing of it is left: no open server, no task.
function Service:join()
  while true do
    local generation <const> = self.generation
    while generation == self.generation and is_served(self, generation) do self.changed:wait() end
    generation.scope:join()
    if generation == self.generation and not is_served(self, generation) then return end
  end
end

--- Is it served by the first worker alone, which this is not?
---@return boolean
function Service:is_elsewhere()
  return self.generation ~= nil and self.generation.is_elsewhere and not self.has_ended
end

--- Closes its servers and calls what on_stop registered, each protected.
---@param on_failure fun(message: string, fields: { traceback: string })
---@param silence number? the addresses are served by another process from now on: no client is to be harmed, idle ones
--- are closed after so many seconds
function Service:stop(on_failure, silence)
  local generation <const> = self:current()
  if not generation then return end
  for _, server in ipairs(generation.servers) do
    if silence then server:drain(silence) else server:close() end
  end
  generation:call_all(generation.stop_functions, on_failure)
end

--- Calls `f` with the scope of each version that is alive.
---@param f fun(scope: perigee.Scope)
function Service:each_scope(f)
  local list <const> = {}
  for generation in pairs(self.generations) do list[#list + 1] = generation.scope end
  for _, scope in ipairs(list) do f(scope) end
end

--- Closes what its versions have opened for as long as they last.
function Service:close_owned()
  local list <const> = {}
  for generation in pairs(self.generations) do list[#list + 1] = generation end
  for _, generation in ipairs(list) do generation:close_owned() end
end

local M <const> = {}

--- Makes the service of a script; nothing is loaded yet.
---@param path string
---@param given table<string, string>? options from the command line
---@param dev boolean? it is being developed: errors may be shown to its clients
---@return perigee.Service
function M.new(path, given, dev)
  return setmetatable({
    name = path:match "([^/]+)%.lua$" or path:match "[^/]+$" or path,
    path = path,
    given = given or {},
    dev = dev or false,
    generations = setmetatable({}, { __mode = "k" }),
    first_number = 1,
    states = {},
    reloads = 0,
    failed_reloads = 0,
    cut = 0,
    load_seconds = LOAD_SECONDS,
    changed = core.waitlist(),
    checking = false,
    first_is_over = false,
  }, Service)
end

return M
