--- The line of those who want to take a job: first come, first served, and as many at once as there may be jobs. Nobody
--- looks in vain while others do: there is one who looks now and then.

local closed <const> = require "perigee.queue.failure".closed
local core <const> = require "core.task"

local LOOK_SECONDS <const> = 1 -- after which somebody looks whether there is a job, though nobody has told of one

--- One attempt to take a job: the job, and how many wait behind it; false, and the seconds in which there may be one,
--- or nil; nil, message, code.
---@alias perigee.queue.Try fun(): table|false|nil, integer|number|string|nil, string?

---@class perigee.queue.Line
---@field package try perigee.queue.Try
---@field package scope perigee.Scope of the task that looks
---@field package takers perigee.queue.Taker[] those who wait, in order
---@field package expected integer jobs that there may be
---@field package trying integer takers whose attempt is under way, or about to be
---@field package told integer how often a job was told of
---@field package due number when there may be one, on the loop's clock
---@field package sooner perigee.Waitlist of the task that looks: that may be before it meant to
---@field package is_open boolean
local Line <const> = {}
Line.__index = Line

---@class perigee.queue.Taker
---@field number integer in order of arrival
---@field woken perigee.Waitlist
---@field is_trying boolean it is its turn

--- Gives their turn to as many as there may be jobs for.
local function serve(self)
  while self.takers[1] and self.trying < self.expected do
    local taker <const> = table.remove(self.takers, 1)
    taker.is_trying = true
    self.trying = self.trying + 1
    taker.woken:wake()
  end
end

--- Lets the first look now and then, as long as somebody waits.
local function look(self)
  while self.takers[1] do
    if not self.sooner:wait(math.max(0, math.min(LOOK_SECONDS, self.due - core.now()))) then
      self.due = math.huge
      self.expected = math.max(self.expected, 1)
      serve(self)
    end
  end
  self.is_looking = false
end

local function look_if_needed(self)
  if self.is_looking then return end
  self.is_looking = true
  self.scope:spawn(look, self)
end

--- Where it belongs: somebody who has looked in vain stays in front of those who came later.
local function enter(self, taker)
  local at = #self.takers + 1
  while at > 1 and self.takers[at - 1].number > taker.number do at = at - 1 end
  table.insert(self.takers, at, taker)
  look_if_needed(self)
end

local function leave(self, taker)
  for i, other in ipairs(self.takers) do
    if other == taker then return table.remove(self.takers, i) end
  end
end

--- A turn has ended, with a job or without, or was given up.
local function end_turn(self, taker)
  taker.is_trying = false
  self.trying = self.trying - 1
  serve(self)
end

--- Attempts: a job; false, when there is none; nil, message, code.
local function attempt(self)
  local told <const> = self.told
  local job <const>, behind <const>, code <const> = self.try()
  if job then
    self.expected = behind
  elseif job == false then
    self.expected = self.told ~= told and 1 or 0 -- one that was told of meanwhile may have come too late
    self.due = core.now() + (behind or math.huge)
    if behind then self.sooner:wake() end
  end
  return job, behind, code
end

--- Whether it may try at once: the line would let it through.
local function may_try(self, seconds)
  return seconds == 0 or not self.takers[1] and self.trying < math.max(self.expected, 1)
end

local function begin_turn(self, taker)
  taker.is_trying = true
  self.trying = self.trying + 1
end

local function wait(self, taker, deadline)
  enter(self, taker)
  serve(self)
  if not taker.is_trying then taker.woken:wait(math.max(0, deadline - core.now())) end
  leave(self, taker)
end

local function take(self, taker, seconds)
  local deadline <const> = core.now() + seconds
  if may_try(self, seconds) then begin_turn(self, taker) end
  while self.is_open do
    if taker.is_trying then
      local job <const>, message <const>, code <const> = attempt(self)
      end_turn(self, taker)
      if job then return job end
      if job == nil then return nil, message, code end
    end
    if core.now() >= deadline then return nil, "take: no job came in time", "timeout" end
    wait(self, taker, deadline)
  end
  return closed "take"
end

--- Takes a job; waits while there is none.
---@param seconds number? to wait at most
---@return table? job
---@return string? message
---@return string? code "timeout", "closed", or that of the attempt
function Line:take(seconds)
  if not self.is_open then return closed "take" end
  self.last = self.last + 1
  local taker <const> = { number = self.last, woken = core.waitlist(), is_trying = false }
  local _ <close> = setmetatable({}, { __close = function() -- it may have been interrupted
    leave(self, taker)
    if taker.is_trying then end_turn(self, taker) end
  end })
  return take(self, taker, seconds or math.huge)
end

--- There may be a job more.
function Line:expect()
  self.told = self.told + 1
  self.expected = self.expected + 1
  serve(self)
end

--- Those who wait are told that it is closed.
function Line:close()
  self.is_open = false
  for _, taker in ipairs(self.takers) do taker.woken:wake() end
end

local M <const> = {}

---@param scope perigee.Scope for a task that looks while somebody waits
---@param try perigee.queue.Try
---@return perigee.queue.Line
function M.new(scope, try)
  return setmetatable({ scope = scope, try = try, takers = {}, expected = 0, trying = 0, told = 0, due = math.huge,
    sooner = core.waitlist(), last = 0, is_looking = false, is_open = true }, Line)
end

return M
