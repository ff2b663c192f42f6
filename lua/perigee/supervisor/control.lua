--- The control socket of a process: `perigee status`, `perigee reload`, `perigee console` and others ask there. A
--- request is a line of JSON, { "command": "status" }; so is its answer, { "ok": true, ... } or { "ok": false,
--- "message":, "code": }.

local core <const> = require "core.task"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local paths <const> = require "perigee.supervisor.paths"
local quote <const> = require "perigee.console.quote"
local service_commands <const> = require "perigee.service.commands"
local system <const> = require "core.system"

local OWNER_ONLY <const> = tonumber("600", 8)
local LAST_ANSWERS_SECONDS <const> = 1
local REQUEST_SECONDS <const> = 3600 -- that a client may stay connected between two requests

--- What can be asked of a process.
---@class perigee.supervisor.Controlled
---@field answer fun(self, command: string, request: table): table
---@field request_stop fun(self)
---@field upgrade nil|fun(self): integer?, string?, string?

local commands <const> = {}

function commands.stop(target)
  target:request_stop()
  return { ok = true, pid = system.pid() }
end

function commands.upgrade(target)
  if not target.upgrade then
    return { ok = false, message = "upgrade: this process has no supervisor: run it with --workers", code = "protocol" }
  end
  local pid <const>, message <const>, code <const> = target:upgrade()
  return { ok = pid ~= nil, pid = pid, message = message, code = code }
end

local function answer_of(target, line)
  local request <const> = json.decode(line)
  local name <const> = type(request) == "table" and request.command
  if not commands[name] and not service_commands.has(name) then
    return { ok = false, message = ("there is no command '%s'"):format(tostring(name)), code = "protocol" }
  end
  log.debug("control", { command = name })
  if commands[name] then return service_commands.protect(name, commands[name], target) end
  return service_commands.protect(name, target.answer, target, name, request)
end

--- Lists stay lists in JSON, also when they are empty.
local LISTS <const> = {}
for _, name in ipairs { "alive", "closed", "functions", "holders", "listeners", "names", "opened", "options",
  "services", "state", "tasks", "workers" } do
  LISTS[name] = true
end

--- Texts of scripts, such as messages of errors, may be no UTF-8, which JSON cannot say.
local function make_plain(value, seen)
  if type(value) ~= "table" or seen[value] then return value end
  seen[value] = true
  for key, item in pairs(value) do
    if LISTS[key] and type(item) == "table" then json.array(item) end
    if type(item) == "string" then value[key] = quote.valid(item) end
    make_plain(item, seen)
  end
  return value
end

local function is_allowed(conn)
  local peer <const> = conn.peer_credentials
  return peer ~= nil and (peer.uid == 0 or peer.uid == system.user_id())
end

--- Answers one request. A process that ends waits until its answers have gone.
local function answer(conn, target, line, traffic)
  local _ <close> = setmetatable({}, { __close = function()
    traffic.busy = traffic.busy - 1
    traffic.done:wake(math.huge)
  end })
  traffic.busy = traffic.busy + 1
  return conn:write(json.encode(make_plain(answer_of(target, line), {})), "\n") and conn:flush()
end

local function handler_of(target, traffic)
  return function(conn)
    if not is_allowed(conn) then
      conn:write(json.encode { ok = false, message = "this is another user's process", code = "denied" }, "\n")
      return
    end
    conn.timeout = REQUEST_SECONDS
    for line in conn:lines() do
      if not answer(conn, target, line, traffic) then return end
    end
  end
end

---@class perigee.supervisor.Control
---@field path string
---@field server perigee.Server
---@field traffic { busy: integer, done: any } requests that are being answered
local Control <const> = {}
Control.__index = Control

--- Is the socket at the path still this one? A process that has taken our place has put its own there.
local function is_ours(self)
  return self.path:find "^@" == nil and not self.is_replaced
end

--- Answers no new client. Closing twice does nothing.
---@param is_replaced boolean? another process has the path now
function Control:close(is_replaced)
  self.is_replaced = self.is_replaced or is_replaced
  if not self.server.is_open then return end
  self.server:close()
  if is_ours(self) then os.remove(self.path) end
end

--- Closes it, and waits until all answers have gone: before the process ends.
function Control:finish()
  self:close()
  local deadline <const> = core.now() + LAST_ANSWERS_SECONDS
  while self.traffic.busy > 0 and core.now() < deadline do self.traffic.done:wait(deadline - core.now()) end
end

local M <const> = {}

local function serve(path, handler)
  local server <const>, message <const>, code <const> = net.serve("unix:" .. path, handler,
    { keep_path = true, max_connections = 64 })
  if not server then return nil, message, code end
  local set <const>, why <const>, word <const> = system.set_mode(path, OWNER_ONLY)
  if set then return server end
  server:close()
  return nil, why, word
end

--- In the place of a socket that is served there by somebody else, in one step.
local function serve_over(path, handler)
  local beside <const> = ("%s.%d"):format(path, system.pid())
  local server <const>, message <const>, code <const> = serve(beside, handler)
  if not server then return nil, message, code end
  local moved <const>, why <const> = os.rename(beside, path)
  if moved then return server end
  server:close()
  os.remove(beside)
  return nil, why, "denied"
end

--- Opens the control socket of this process.
---@param path string? default: see perigee.supervisor.paths
---@param target perigee.supervisor.Controlled
---@param is_successor boolean? the process whose place we take has one there
---@return perigee.supervisor.Control?
---@return string? message
---@return string? code "exists": another process has it
function M.open(path, target, is_successor)
  local own, why, word = path
  if not own then own, why, word = paths.own() end
  if not own then return nil, why, word end
  local open <const> = path and is_successor and serve_over or serve
  local traffic <const> = { busy = 0, done = core.waitlist() }
  local server <const>, message <const>, code <const> = open(own, handler_of(target, traffic))
  if not server then return nil, message, code end
  return setmetatable({ path = own, server = server, traffic = traffic }, Control)
end

return M
