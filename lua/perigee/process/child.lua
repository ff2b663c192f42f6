--- A process that this one has started.

---@class perigee.Child
---@field pid integer
---@field name string for messages
---@field is_running boolean
---@field stdin perigee.Connection? of a pipe: what the process reads; shutdown or close ends it
---@field stdout perigee.Connection? of a pipe: what the process writes
---@field stderr perigee.Connection?
---@field channel perigee.process.Channel? to the script that process.start runs
local Child <const> = { __name = "perigee.child" }

function Child:__index(name)
  if name == "is_running" then return self.handle.is_running end
  if name == "pid" then return self.handle.pid end
  return Child[name]
end

function Child:__tostring()
  return ("process: %d %s%s"):format(self.pid, self.name, self.is_running and "" or " (ended)")
end

--- Waits for its end. One that writes to a pipe which nobody reads does not end.
---@param seconds number? to wait at most
---@return { exit: integer?, signal: string?, number: integer? }? status exit, or the name and number of the signal
---@return string? message
---@return string? code "timeout"
function Child:wait(seconds)
  return self.handle:wait(seconds)
end

--- Sends a signal: to its group, when it has one.
---@param signal string|integer "SIGTERM", "TERM" or 15
---@return true?
---@return string? message
---@return string? code "closed": it has ended; "denied"
function Child:signal(signal)
  return self.handle:signal(signal)
end

--- SIGKILL.
---@return true?
---@return string? message
---@return string? code "closed": it has ended
function Child:kill()
  return self.handle:signal "KILL"
end

--- It runs on when nobody holds this object any more.
---@param for_good boolean? and when this process ends
function Child:detach(for_good)
  self.handle:detach(for_good)
end

--- Closes our ends of its streams and tells it to end: SIGTERM, and SIGKILL when it has not ended after its grace. Does
--- not wait for that; it is reaped whenever it ends. Closing twice does nothing.
function Child:close()
  for _, name in ipairs { "stdin", "stdout", "stderr", "channel" } do
    local stream <const> = rawget(self, name)
    if stream then stream:close() end
  end
  self.handle:close()
end

Child.__close = Child.close

-- Whoever holds a stream of a process holds the process, too: it is not told to end because its object is collected.
local holders <const> = setmetatable({}, { __mode = "k" })

local M <const> = {}

--- Gives the child a stream or the channel.
---@param child perigee.Child
---@param name string
---@param stream any
function M.add(child, name, stream)
  child[name] = stream
  holders[stream] = child.handle
end

--- Its streams wait for ever: how long a process may be silent or busy, a deadline says.
---@param handle any of core.process
---@param name string
---@param streams table<string, any> stdin, stdout, stderr: those that are pipes
---@return perigee.Child
function M.new(handle, name, streams)
  local child <const> = setmetatable({ handle = handle, name = name }, Child)
  for stream_name, stream in pairs(streams) do
    stream.timeout = math.huge
    M.add(child, stream_name, stream)
  end
  return child
end

return M
