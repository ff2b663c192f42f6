--- A console's side of its session: what it asks of the process, and about which service and worker.

local client <const> = require "perigee.supervisor.client"
local json <const> = require "perigee.codec.json"
local system <const> = require "core.system"
local terminal <const> = require "core.terminal"

local COMPLETION_SECONDS <const> = 1
local SOURCE_BYTES <const> = 60000 -- of an input, in JSON: a request may have 64 KiB

---@class perigee.cli.console.Session
---@field path string of the control socket
---@field id string
---@field service string? in which lines are evaluated
---@field worker integer? nil: the process has none
---@field status table of the process, as it was last asked
local Session <const> = {}
Session.__index = Session

--- Asks the process for something.
---@param command string
---@param fields table?
---@return table? answer that may be a refusal, { ok = false, message = }; nil: the process does not answer
---@return string? message why not
function Session:ask(command, fields)
  local request <const> = { command = command, session = self.id, service = self.service, worker = self.worker }
  for name, value in pairs(fields or {}) do request[name] = value end
  local answer <const>, conn <const>, _, refusal <const> = client.ask(self.path, request)
  if not answer then return refusal, conn end
  conn:close()
  return answer
end

--- Asks how the process is.
---@return boolean done
---@return string? message
function Session:look()
  local answer <const>, message <const> = self:ask "status"
  if not answer or not answer.ok then return false, message end
  self.status = answer.status
  return true
end

--- What the process says of a worker; by default of the one that is in use.
---@param number integer?
---@return table?
function Session:worker_status(number)
  for _, worker in ipairs(self.status.workers) do
    if worker.worker == (number or self.worker or 0) then return worker end
  end
end

--- The services there are, as the status has them.
---@return table[]
function Session:services()
  local worker <const> = self:worker_status()
  return worker and worker.services or {}
end

local function names_of(list, field)
  local names <const> = {}
  for i, item in ipairs(list) do names[i] = tostring(item[field]) end
  return table.concat(names, ", ")
end

--- Uses a worker from now on.
---@param number integer
---@return boolean done
---@return string? message
function Session:use_worker(number)
  if self.status.mode == "single" then return false, "the process has no workers" end
  if not self:worker_status(number) then
    return false, ("there is no worker %d; there is %s"):format(number, names_of(self.status.workers, "worker"))
  end
  self.worker = number
  return true
end

--- Uses a service from now on.
---@param name string
---@return boolean done
---@return string? message
function Session:use_service(name)
  for _, service in ipairs(self:services()) do
    if service.name == name then
      self.service = name
      return true
    end
  end
  return false, ("there is no service '%s'; there is %s"):format(name, names_of(self:services(), "name"))
end

--- What the prompt names.
---@return string
function Session:name()
  return (self.service or "perigee") .. (self.worker and "/" .. self.worker or "")
end

--- Evaluates while Ctrl-C interrupts what is evaluated.
---@param source string
---@return table? answer
---@return string? message
function Session:evaluate(source)
  if #json.encode(source) > SOURCE_BYTES then
    return { ok = false, message = ("the input is too long: it may have %d bytes"):format(SOURCE_BYTES) }
  end
  local _ <close> = system.on_signal("INT", function() self:ask "interrupt" end)
  return self:ask("evaluate", { source = source })
end

--- Candidates for what stands at the end of the text; none when the process does not answer soon. It blocks.
---@param text string
---@return string[]
function Session:complete(text)
  local request <const> = json.encode { command = "complete", session = self.id, service = self.service,
    worker = self.worker, text = text }
  local line <const> = terminal.ask(self.path, request .. "\n", COMPLETION_SECONDS)
  local answer <const> = line and json.decode(line)
  return answer and answer.ok and answer.names or {}
end

--- The process forgets what it has of this console.
function Session:close()
  self:ask("interrupt", { forget = true })
end

-- Beginning.

--- A worker that is named, or the first that serves; a process without workers has none.
local function choose_worker(self, number)
  if number then return self:use_worker(number) end
  if self.status.mode == "single" then return true end
  for _, worker in ipairs(self.status.workers) do
    local is_first <const> = not self.worker or worker.worker < self.worker
    if worker.state == "serving" and is_first then self.worker = worker.worker end
  end
  return self.worker ~= nil, "no worker serves now"
end

local function choose_service(self, name)
  if name then return self:use_service(name) end
  local services <const> = self:services()
  if #services == 1 then self.service = services[1].name end
  return true
end

local M <const> = {}

--- Finds a process, and looks what it has.
---@param path string? of its control socket
---@param service string?
---@param worker integer?
---@return perigee.cli.console.Session?
---@return string? message
function M.open(path, service, worker)
  local own, why = path, nil
  if not own then own, why = client.find() end
  if not own then return nil, why end
  local id <const> = ("%d-%x"):format(system.pid(), math.random(0))
  local self <const> = setmetatable({ path = own, id = id }, Session)
  local done, message = self:look()
  if done then done, message = choose_worker(self, worker) end
  if done then done, message = choose_service(self, service) end
  if not done then return nil, message end
  return self
end

return M
