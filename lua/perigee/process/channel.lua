--- Messages between two processes that know each other: values in order, and descriptors in order beside them. On the
--- wire a message is its length in bytes (4 bytes, the highest first) and the bytes of core.serial. Descriptors have a
--- socket of their own: which comes first, a message or a descriptor, is of no importance.

local serial <const> = require "core.serial"
require "core.connection" -- the class of its two sockets
local semaphore <const> = require "perigee.task.semaphore"

local LIMIT <const> = 64 * 1024 * 1024 -- bytes of a message
local TOO_LARGE <const> = "a message of %d bytes, where %d are the limit"

---@class perigee.process.Channel
---@field is_open boolean
---@field limit integer bytes of a message, default 64 MiB; larger ones are neither sent nor received
---@field other string whom it leads to, for messages
local Channel <const> = { __name = "perigee.process.channel" }

function Channel:__index(name)
  if name == "is_open" then return self.stream.is_open end
  return Channel[name]
end

function Channel:__tostring()
  return ("channel to %s%s"):format(self.other, self.is_open and "" or " (closed)")
end

local function failed(self, operation, why, code)
  return nil, ("%s %s: %s"):format(operation, self.other, why), code
end

local function disconnected(self, operation, message, code)
  if code == "closed" or code == "reset" then return failed(self, operation, "the channel is closed", "closed") end
  return failed(self, operation, message, code)
end

--- Sends one or more values as one message: nil, booleans, numbers, strings, json.null, buffers, and tables of these;
--- the first is not nil. Waits while much is queued. Raises for what cannot travel, and says where it is.
---@param ... any
---@return true? sent
---@return string? message
---@return string? code "closed"; "limit": the message is too large
function Channel:send(...)
  if (...) == nil then error("bad argument #1 to 'send' (the first value cannot be nil)", 2) end
  local encoded <const>, bytes <const> = pcall(serial.encode, ...)
  if not encoded then error(bytes, 2) end
  if #bytes > self.limit then return failed(self, "send to", TOO_LARGE:format(#bytes, self.limit), "limit") end
  local _ <close> = self.sending:acquire()
  local sent <const>, message <const>, code <const> = self.stream:write(string.pack(">I4", #bytes), bytes)
  if not sent then return disconnected(self, "send to", message, code) end
  return true
end

--- Waits until the kernel has taken all that was sent.
---@return true?
---@return string? message
---@return string? code "closed"
function Channel:flush()
  local flushed <const>, message <const>, code <const> = self.stream:flush()
  if not flushed then return disconnected(self, "send to", message, code) end
  return true
end

--- The length of the next message; it is kept until all of that has come, whoever asks then.
local function next_length(self)
  if self.length then return self.length end
  local header <const>, message <const>, code <const> = self.stream:read(4)
  if not header then return disconnected(self, "receive from", message, code) end
  local length <const> = string.unpack(">I4", header)
  if length > self.limit then
    self:close()
    return failed(self, "receive from", TOO_LARGE:format(length, self.limit), "limit")
  end
  self.length = length
  return length
end

--- The values of the next message; waits for it.
---@return any ... values
---@return string? message with nil before it
---@return string? code "closed": the other process has ended or closed it; "limit"; "protocol"
function Channel:receive()
  local _ <close> = self.receiving:acquire()
  local length <const>, why <const>, word <const> = next_length(self)
  if not length then return nil, why, word end
  local bytes <const>, message <const>, code <const> = self.stream:read(length)
  if not bytes then return disconnected(self, "receive from", message, code) end
  self.length = nil
  return serial.decode(bytes)
end

--- An iterator over the messages until the channel is closed: for kind, value in channel:messages() do.
---@return fun(): any ...
---@return perigee.process.Channel
function Channel:messages()
  return self.receive, self
end

--- Sends a connection, listener, datagram socket, file or descriptor. See conn:send_fd.
---@param object any
---@param options { unread: boolean? }?
---@return true? sent
---@return string? message
---@return string? code
function Channel:send_fd(object, options)
  local _ <close> = self.sending_fd:acquire()
  return self.descriptors:send_fd(object, options)
end

--- The next one that the other side sends; waits for it. See conn:receive_fd.
---@param options { unread: boolean? }?
---@return any? object
---@return string? message
---@return string? code "closed" ...
function Channel:receive_fd(options)
  local _ <close> = self.receiving_fd:acquire()
  local object <const>, message <const>, code <const> = self.descriptors:receive_fd(options)
  if not object then return disconnected(self, "receive a descriptor from", message, code) end
  return object
end

--- What was sent still goes. Closing twice does nothing.
function Channel:close()
  self.stream:close()
  self.descriptors:close()
end

Channel.__close = Channel.close

local M <const> = {}

--- Makes a channel of two connected Unix sockets.
---@param stream any a connection
---@param descriptors any a connection
---@param other string
---@return perigee.process.Channel
function M.new(stream, descriptors, other)
  stream.timeout, descriptors.timeout = math.huge, math.huge
  return setmetatable({ stream = stream, descriptors = descriptors, other = other, limit = LIMIT,
    sending = semaphore(1), receiving = semaphore(1), sending_fd = semaphore(1), receiving_fd = semaphore(1) }, Channel)
end

return M
