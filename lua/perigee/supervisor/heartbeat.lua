--- Heartbeats: a worker whose loop answers nothing any more is killed, and so replaced. Its watchdog, which is a
--- thread, has told before what it was at.

local core <const> = require "core.task"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local process <const> = require "core.process"

local INTERVAL <const> = 2          -- seconds between an answer and the next question
local PATIENCE <const> = 3          -- seconds to wait for an answer, beyond those after which a task is stopped
local NUMBER <const> = 5            -- the descriptor that the worker's watchdog writes to
local LINE_LIMIT <const> = 64 * 1024

---@class perigee.supervisor.Heartbeat
---@field patience number seconds
---@field reports perigee.Connection of the worker's watchdog
---@field theirs perigee.Descriptor? the other end, until the worker has it
---@field report { seconds: number, traceback: string }? the last one, of a silence that may go on
---@field tasks perigee.Task[]
local Heartbeat <const> = {}
Heartbeat.__index = Heartbeat

--- Keeps what the watchdog tells: a line is one report.
local function read_reports(self)
  while true do
    local line <const> = self.reports:read_line(LINE_LIMIT)
    if not line then return end
    self.report = json.decode(line)
  end
end

local function fields_of(self, of)
  local report <const> = self.report or {}
  return { worker = of.number, pid = of.child.pid, seconds = report.seconds, traceback = report.traceback }
end

local function beat(self, of)
  while true do
    core.sleep(INTERVAL)
    local answer <const> = core.deadline(self.patience, of.questions.ask, of.questions, "beat", {}, math.huge)
    if not answer then
      log.error("the worker is stuck: it is killed", fields_of(self, of))
      return of:kill()
    end
    if not answer.ok then return end -- it has ended, or is about to
    if self.report then log.warn("the worker was silent", fields_of(self, of)) end
    self.report = nil
  end
end

--- Begins to watch a process, which has been started with descriptors().
---@param of perigee.supervisor.Process
function Heartbeat:start(of)
  self.theirs:close()
  self.tasks[1], self.tasks[2] = core.spawn(read_reports, self), core.spawn(beat, self, of)
end

--- What the process is to be given, by number.
---@return table<integer, any>
function Heartbeat:descriptors()
  return { [NUMBER] = self.theirs }
end

--- What it is to be told: the number of the descriptor that its watchdog reports to.
---@return integer
function Heartbeat:number()
  return NUMBER
end

--- Ends the watch. Closing twice does nothing.
function Heartbeat:close()
  for _, one in ipairs(self.tasks) do one:cancel() end
  self.theirs:close()
  self.reports:close()
end

-- For what is started with --stop-after 0: nothing is ever too long.
local Nothing <const> = {}
Nothing.__index = Nothing

function Nothing:start() end
function Nothing:descriptors() return nil end
function Nothing:number() return nil end
function Nothing:close() end

local M <const> = {}

--- Makes what watches a process that is about to be started.
---@param stop_after number seconds, of the command line
---@return perigee.supervisor.Heartbeat?
---@return string? message
function M.new(stop_after)
  if stop_after == 0 then return setmetatable({}, Nothing) end
  local reports <const>, theirs <const> = process.pipe "read"
  if not reports then return nil, theirs end
  reports.timeout = math.huge
  return setmetatable({ patience = stop_after + PATIENCE, reports = reports, theirs = theirs, tasks = {} }, Heartbeat)
end

return M
