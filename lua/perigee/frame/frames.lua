--- What all framings share: the class of `frames`, reading the parts of a message, refusing, misuse.
--- A framing adds take(self), which reads one message, and put(self, size, ...), which writes one.

local frames <const> = {}

---@class perigee.frames
---@field conn perigee.connection the connection underneath; its deadlines apply
---@field package limit integer? bytes of one message
---@field package failure { message: string, code: string }? why the stream is out of step
local Frames <const> = {}

local function describe(value)
  if type(value) == "string" then return ("%q"):format(value) end
  return type(value) == "number" and tostring(value) or type(value)
end

--- Raises a misuse. Never called as a tail call: that would hide a level.
---@param level integer as in error(): 1 is the function that calls this one
---@param name string of the argument
---@param expected string
---@param value any what was given
function frames.misuse(level, name, expected, value)
  error(("bad argument '%s' (%s expected, got %s)"):format(name, expected, describe(value)), level + 1)
end

--- Fails for good: the place of the next message is unknown now, so every later receive() says the same.
---@param self perigee.frames
---@param code string
---@param text string a format for the arguments that follow
---@return nil, string message, string code
function frames.fail(self, code, text, ...)
  local message <const> = ("receive from %s: "):format(tostring(self.conn.peer)) .. text:format(...)
  self.failure = { message = message, code = code }
  return nil, message, code
end

--- Refuses to send a message, of which nothing has been written.
---@param self perigee.frames
---@param code string
---@param text string a format for the arguments that follow
---@return nil, string message, string code
function frames.refuse(self, code, text, ...)
  return nil, ("send to %s: "):format(tostring(self.conn.peer)) .. text:format(...), code
end

-- A read that fails leaves what has arrived: how much is it? Asked only when the stream has ended.
local function count_rest(conn)
  local count, piece = 0, conn:read_some()
  while piece do
    count, piece = count + #piece, conn:read_some()
  end
  return count
end

--- A message that has begun is waited for also where no other is.
local function read_rest(conn, size)
  conn:retire(false)
  local _ <close> = setmetatable({}, { __close = function() conn:retire() end })
  return conn:read(size)
end

--- Reads `size` bytes. The end of the stream is clean only when nothing of the message has come.
---@param self perigee.frames
---@param size integer bytes
---@param part string what they are, for the message
---@param begun boolean were parts of this message read before?
---@return string? bytes, string? message, string? code
function frames.read_part(self, size, part, begun)
  local bytes, message, code = self.conn:read(size)
  if bytes then return bytes end
  if code ~= "closed" then return nil, message, code end
  if begun and self.conn.is_retiring then
    bytes, message, code = read_rest(self.conn, size)
    if bytes or code ~= "closed" then return bytes, message, code end
  end
  local count <const> = count_rest(self.conn)
  if count == 0 and not begun then return nil, message, code end
  return frames.fail(self, "closed",
    "the stream ended inside a message, %d of the %d bytes of its %s are missing", size - count, size, part)
end

--- Reads the first part of a message up to a delimiter.
---@param self perigee.frames
---@param delimiter string
---@param max integer bytes before it
---@param part string what they are, for the message
---@return string? bytes, string? message, string? code
function frames.read_until(self, delimiter, max, part)
  local bytes <const>, message <const>, code <const> = self.conn:read_until(delimiter, max)
  if bytes then return bytes end
  if code ~= "closed" then return nil, message, code end
  local count <const> = count_rest(self.conn)
  if count == 0 then return nil, message, code end
  return frames.fail(self, "closed",
    "the stream ended inside a message, %d bytes into its %s, at least 1 is missing", count, part)
end

--- Fails for good: a message is longer than the limit.
---@param self perigee.frames
---@param size string bytes
---@return nil, string message, "limit" code
function frames.fail_oversized(self, size)
  return frames.fail(self, "limit", "a message of %s bytes is over the limit of %d", size, self.limit)
end

--- The take() of framings that tell the length before the message: their read_length() gives it, within the limit, or
--- nil, message, code. `expected` outlives a timeout between the length and the end of the payload.
---@param self perigee.frames
---@return string? payload, string? message, string? code
function frames.take_sized(self)
  local size, message, code = self.expected
  if not size then
    size, message, code = self:read_length()
    if not size then return nil, message, code end
    self.expected = size
  end
  local payload
  payload, message, code = frames.read_part(self, size, "payload", true)
  if not payload then return nil, message, code end
  self.expected = nil
  return payload
end

local function part_size(part, index)
  local kind <const> = type(part)
  if kind == "string" then return #part end
  if kind == "number" then return #tostring(part) end
  if kind == "userdata" then return #part:cast("u8") end -- a buffer of any element type, seen as bytes
  frames.misuse(4, "message #" .. index, "string, number or buffer", part)
end

--- Called by send() only: misuse is reported at the line of send()'s caller.
---@return integer size bytes of all the parts
function frames.measure(first, ...)
  local size = part_size(first, 1)
  for index = 1, select("#", ...) do
    size = size + part_size((select(index, ...)), index + 1)
  end
  return size
end

--- The next message. A receive that fails with "timeout" may be repeated: it goes on where it stopped.
---@return any message a string (of frame.struct: the values), or nil
---@return string? message why not; names the peer
---@return string? code "closed", at a boundary or inside a message; "limit" or "protocol", which are final;
--- or any of conn:read
function Frames:receive()
  local failure <const> = self.failure
  if failure then return nil, failure.message, failure.code end
  return self:take()
end

--- Sends one message, made of all the arguments together. Parks under back-pressure.
---@param ... string|number|perigee.buffer the parts of the message
---@return true? sent
---@return string? message
---@return string? code "limit" or "protocol": nothing has been written; or any of conn:write
function Frames:send(...)
  local size <const> = frames.measure(...)
  return self:put(size, ...)
end

--- Iterates over the messages until the first failure; another receive() then tells which one it was.
---@return fun(frames: perigee.frames): any
---@return perigee.frames
function Frames:messages()
  return self.receive, self
end

function Frames:__tostring()
  return ("frames over %s"):format(tostring(self.conn.peer))
end

--- A framing: the common methods and these.
---@param methods table<string, function>
---@return table class the metatable of its objects
function frames.class(methods)
  local made <const> = { __name = "perigee.frames" }
  made.__index = made
  for name, method in pairs(Frames) do made[name] = method end
  for name, method in pairs(methods) do made[name] = method end
  return made
end

return frames
