--- A generation: one version of a script that was loaded, with its globals, its servers and its tasks. The first of a
--- service serves as it loads; a later one is loaded aside, and then takes over in one step or is thrown away.

local core <const> = require "core.task"
local environment <const> = require "perigee.service.environment"
local options <const> = require "perigee.service.options"
local new_sources <const> = require "perigee.service.sources"
local traceback <const> = require "perigee.service.traceback"
local watchdog <const> = require "core.watchdog"

---@class perigee.service.Generation
---@field service perigee.Service
---@field name string the service's
---@field path string
---@field number integer 1, 2 ... of the service
---@field given table<string, string> options from the command line
---@field dev boolean
---@field replaces perigee.service.Generation? the one whose place it is to take, while it is loaded aside
---@field replaced_with perigee.service.Generation[] those of all services that are reloaded together, meanwhile
---@field environment table its globals
---@field sources perigee.service.Sources
---@field servers perigee.Server[]
---@field scope perigee.Scope of all its tasks
---@field states table<string, perigee.service.State> that it has asked for, until it takes over
---@field lives table<string, function> what service.live names
---@field followers table<perigee.service.Follower, true> its connections that newer code may go on with
---@field stop_functions function[]
---@field reload_functions function[]
---@field owned table<{ close: fun(self) }, true> is closed when it ends; the keys are weak
---@field options table? the values of its options
---@field began number when it took over, on the loop's clock
---@field state "loading"|"serving"|"draining"|"ended"
---@field loading boolean the main chunk runs
---@field is_alone boolean where there are workers, it is served by the first alone
---@field is_elsewhere boolean this is another worker than that: nothing of it is here
---@field is_over boolean newer code has taken its place, or it was thrown away
---@field checking perigee.server.Checking|false it is only looked at, nothing is served
local Generation <const> = { __name = "perigee.service.generation" }
Generation.__index = Generation

local SILENCE_SECONDS <const> = 5 -- for idle HTTP clients of an address that is served no more
local ON_RELOAD_SECONDS <const> = 5

function Generation:__tostring()
  return ("%s, generation %d (%s)"):format(self.service, self.number, self.state)
end

local function call_each(functions, on_failure)
  for _, f in ipairs(functions) do
    local ok <const>, failure <const> = xpcall(f, traceback.handler)
    if not ok and type(failure) ~= "table" then error(failure, 0) end -- it was interrupted
    if not ok then on_failure(failure.message, { traceback = failure.traceback }) end
  end
end

--- Calls functions of the script, each protected, in a task of its own; waits until they have ended.
---@param functions function[]
---@param on_failure fun(message: string, fields: { traceback: string })
function Generation:call_all(functions, on_failure)
  if #functions == 0 then return end
  local calling <const> = self.scope:spawn(call_each, functions, on_failure)
  local _ <close> = setmetatable({}, { __close = function() calling:cancel() end })
  calling:join()
end

--- Ends the main chunk that calls this: the first worker serves this version alone. Whoever catches that can neither
--- wait nor serve anything any more. Does not return.
function Generation:leave_to_first()
  self.is_elsewhere = true
  self.scope:cancel()
  core.sleep(0)
end

--- What the main chunk has begun before it has ended early is ended too.
local function clear(self)
  self.scope:cancel()
  self.scope:join()
  self:close_owned()
  self.states, self.lives, self.stop_functions, self.reload_functions = {}, {}, {}, {}
  return true
end

--- An option that was given to a script which has none was meant for something: say so.
local function check_given(self)
  local name <const> = next(self.given)
  if not name or self.options then return true end
  return nil, { message = ("%s: there is no option '%s': the script declares none%s"):format(self.path, name,
    options.origin_text(self.given, name)) }
end

local function run_main(self, chunk, seconds)
  local ok, failure
  self.loading = true
  local main <const> = self.scope:enter(function() ok, failure = xpcall(chunk, traceback.handler) end)
  local _, why, code = main:join(seconds)
  self.loading = false
  self.sources:settle()
  if self.is_elsewhere then return clear(self) end
  if ok then return check_given(self) end
  if type(failure) == "table" then return nil, failure end
  if code == "timeout" then
    why = ("%s: its main chunk has not ended within %g seconds: what goes on for ever belongs into task.spawn"):format(
      self.path, seconds)
  end
  return nil, { message = tostring(watchdog.explain(failure or why)) }
end

--- Loads the script and runs its main chunk to its end, which may be long for a client.
---@return boolean? loaded
---@return { message: string, traceback: string? }? failure
function Generation:load()
  local chunk <const>, message <const> = self.sources:load(self.path, "t", self.environment)
  if not chunk then return nil, { message = message } end
  return run_main(self, chunk, self.replaces and self.service.load_seconds or nil)
end

--- The files that it was loaded from, and those that it has looked for.
---@class perigee.service.Files
---@field texts table<string, string> by path
---@field missing table<string, true>

---@return perigee.service.Files
function Generation:files()
  return { texts = self.sources.texts, missing = self.sources.missing }
end

local function open_servers(self)
  local open <const> = {}
  for _, server in ipairs(self.servers) do
    if server.is_open then open[#open + 1] = server end
  end
  return open
end

--- Is there something that it serves?
---@return boolean
function Generation:has_open_server()
  return #open_servers(self) > 0
end

--- An address that it was to take over, but that has been closed since; nil: there is none.
---@return perigee.Address?
function Generation:lost_address()
  for _, server in ipairs(open_servers(self)) do
    for i, endpoint in ipairs(server.endpoints) do
      if not endpoint:can_take_over() then return server.addresses[i] end
    end
  end
end

--- Closes what it has opened for as long as it lasts, and what is no task or server. None of that waits.
function Generation:close_owned()
  local list <const> = {}
  for object in pairs(self.owned) do list[#list + 1] = object end
  for _, object in ipairs(list) do object:close() end
end

--- It will not take over: everything of it ends.
function Generation:discard()
  self.is_over, self.state, self.replaced_with = true, "ended", {}
  for _, server in ipairs(self.servers) do server:close() end
  self.scope:cancel()
  self:close_owned()
end

local function follows(newer, older)
  for name in pairs(older.lives) do
    if not newer.lives[name] then return false end
  end
  return true
end

--- Takes the place of the generation before, in which nothing waits. From here on that one is old.
function Generation:take_over()
  local old <const> = self.replaces
  self.replaces, self.replaced_with, self.state, self.began = nil, {}, "serving", core.now()
  for _, server in ipairs(old.servers) do
    if server.is_open then server:hand_over(SILENCE_SECONDS) end
  end
  for _, server in ipairs(self.servers) do
    if server.is_open then server:take_over() end
  end
  old.is_over, old.state, old.replaced = true, "draining", core.now()
  if follows(self, old) then old.scope:move_live(self.scope) end
  for follower in pairs(old.followers) do follower:follow(self) end
end

--- After newer code has taken its place: its background tasks end at once, its connections may go on for so many
--- seconds. To be called in a task.
---@param seconds number
---@param on_failure fun(message: string, fields: { traceback: string })
---@return integer cut connections and other tasks that had to be ended
function Generation:drain(seconds, on_failure)
  core.deadline(ON_RELOAD_SECONDS, function() self:call_all(self.reload_functions, on_failure) end)
  self.scope:cancel_background()
  self.scope:join(seconds)
  local cut <const> = self.scope.count
  for _, server in ipairs(self.servers) do server:close() end
  self.scope:cancel()
  self.scope:join()
  self:close_owned()
  self.state = "ended"
  return cut
end

local M <const> = {}

---@param service perigee.Service
---@param given table<string, string> options from the command line
---@param texts table<string, string>? of the files, by path: instead of what they are now
---@param together perigee.service.Generation[]? those that are to be replaced together with the service's
---@return perigee.service.Generation
function M.new(service, given, texts, together)
  local sources <const> = new_sources(texts)
  local self <const> = setmetatable({
    service = service, name = service.name, path = service.path, given = given, dev = service.dev,
    number = service:next_number(), replaces = service.generation, sources = sources,
    replaced_with = together or {},
    servers = {}, states = {}, lives = {}, followers = {}, stop_functions = {}, reload_functions = {},
    owned = setmetatable({}, { __mode = "k" }),
    began = core.now(), state = "loading", loading = false, is_over = false, is_alone = false, is_elsewhere = false,
    checking = service.checking,
  }, Generation)
  sources.owner = self -- so that it lasts as long as its globals do, which somebody may hold
  self.environment = environment(service.path, sources)
  self.scope = core.scope(self)
  service.generations[self] = true
  return self
end

return M
