--- For the specs of services: runs a script as a user would, in a process of its own.
---   local service <close> = testing.run("shop.lua", { listen = "tcp://127.0.0.1:0" })    -- port 0: a free one
---   local conn <close> = assert(net.connect(service.address))

local process <const> = require "perigee.process"
local task <const> = require "core.task"

local SECONDS <const> = 20 -- that something expected may take

local M <const> = {}

---@class perigee.testing.Service
---@field address string the first that is served: "tcp://127.0.0.1:34567"
---@field port integer? of it
---@field output string what it has printed and logged
---@field pid integer
---@field has_ended boolean by itself, or closed
local Service <const> = { __name = "perigee.testing.service" }
Service.__index = Service

function Service:__tostring()
  return ("service: %s (%s)"):format(self.script, self.address or "not served")
end

--- Appends what comes to the output, until it ends.
local function collect(self)
  for chunk in self.process.stdout:chunks() do
    self.output = self.output .. chunk
    self.changed:wake(math.huge)
  end
  self.has_ended = true
  self.changed:wake(math.huge)
end

--- The lines that are whole; all of it, once nothing more comes.
local function lines_of(self)
  return self.has_ended and self.output or self.output:match "^.*\n" or ""
end

--- Waits until the lines of the output have the pattern. Raises, with the output, when the service ends without it, or
--- time is over.
---@param pattern string of Lua
---@param seconds number? to wait at most, default 20
---@return string ... its captures
function Service:wait_for(pattern, seconds)
  local until_at <const> = task.now() + (seconds or SECONDS)
  while not lines_of(self):find(pattern) and not self.has_ended and task.now() < until_at do
    self.changed:wait(until_at - task.now())
  end
  local lines <const> = lines_of(self)
  if lines:find(pattern) then return lines:match(pattern) end
  error(("%s: no '%s' in its output:\n%s"):format(self.script, pattern, self.output), 2)
end

--- Stops it, and waits until it has ended; its connections get no time. Closing twice does nothing.
---@return integer? status its exit status
function Service:close()
  if not self.is_open then return end
  self.is_open = false
  self.process:signal "SIGTERM"
  local status <const> = self.process:wait(SECONDS) or self.process:kill() and self.process:wait()
  self.reader:join()
  self.process:close()
  return status and status.exit
end

Service.__close = Service.close

local function arguments_of(script, options)
  local name <const> = script:match "([^/]+)%.lua$" or script:match "[^/]+$" or script
  local list <const> = { process.executable, "run", "--drain", "0", script }
  for key, value in pairs(options) do
    list[#list + 1] = "--set"
    list[#list + 1] = ("%s.%s=%s"):format(name, key, type(value) == "table" and table.concat(value, ",") or value)
  end
  return list
end

--- Runs a script, and waits until it serves. Raises, with what it has said, when it does not. To be held in a <close>
--- variable: it is stopped at its end.
---@param script string a path
---@param options table<string, string|number|boolean|string[]>? of the service, as --set gives them
---@return perigee.testing.Service
function M.run(script, options)
  if type(script) ~= "string" then error("bad argument 'script' (a path expected)", 2) end
  if options ~= nil and type(options) ~= "table" then error("bad argument 'options' (a table expected)", 2) end
  local child <const>, message <const> = process.run(arguments_of(script, options or {}), { stderr = "stdout" })
  if not child then error(message, 2) end
  local service <const> = setmetatable({ script = script, process = child, pid = child.pid, output = "",
    changed = task.waitlist(), has_ended = false, is_open = true }, Service)
  service.reader = task.spawn(collect, service)
  local ok <const>, address <const> = pcall(service.wait_for, service, "listening address=(%S+)")
  if not ok then
    service:close()
    error(address, 2)
  end
  service.address, service.port = address, math.tointeger(tonumber(address:match ":(%d+)$"))
  return service
end

return M
