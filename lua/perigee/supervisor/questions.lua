--- Questions to a process over its channel, that are answered by number, in whatever order.

local core <const> = require "core.task"

---@class perigee.supervisor.Questions
---@field channel perigee.process.Channel
---@field count integer
---@field asked table<integer, { asker: any, answer: table? }> those that wait
local Questions <const> = {}
Questions.__index = Questions

--- Asks, and waits for the answer.
---@param command string
---@param request table
---@param seconds number to wait at most
---@return table answer { ok = false, message =, code = } when none has come; has_ended = true: and none can come
function Questions:ask(command, request, seconds)
  local id <const>, question <const> = self.count + 1, { asker = core.waitlist() }
  self.count, self.asked[id] = id, question
  local _ <close> = setmetatable({}, { __close = function() self.asked[id] = nil end })
  local sent <const>, message <const>, code <const> = self.channel:send("ask", id, command, request)
  if not sent then return { ok = false, message = message, code = code } end
  if not question.answer then question.asker:wait(seconds) end
  return question.answer or { ok = false, message = "the worker does not answer", code = "timeout", is_silent = true }
end

--- An answer has come.
---@param id integer
---@param answer table
function Questions:answer(id, answer)
  local question <const> = self.asked[id]
  if not question then return end
  question.answer = answer
  question.asker:wake(math.huge)
end

--- The process has ended: whoever waits is told so.
function Questions:close()
  for id in pairs(self.asked) do
    self:answer(id, { ok = false, message = "the worker has ended", code = "closed", has_ended = true })
  end
end

---@param channel perigee.process.Channel
---@return perigee.supervisor.Questions
return function(channel)
  return setmetatable({ channel = channel, count = 0, asked = {} }, Questions)
end
