--- Framings without a length field: fixed sizes, delimiters, structs.

local frames <const> = require "perigee.frame.frames"

local fail <const>, refuse <const>, read_part <const> = frames.fail, frames.refuse, frames.read_part

local function take_fixed(self)
  return read_part(self, self.size, "payload", false)
end

local function put_fixed(self, size, ...)
  if size == self.size then return self.conn:write(...) end
  return refuse(self, "protocol", "a message of %d bytes, but all must have %d", size, self.size)
end

local function take_delimited(self)
  local bytes <const>, message <const>, code <const> =
    frames.read_until(self, self.delimiter, self.limit, "payload")
  if bytes then return bytes end
  if code ~= "limit" then return nil, message, code end
  return fail(self, "limit", "a message of more than %d bytes, which is the limit", self.limit)
end

-- Would the peer find a delimiter earlier than at our end? An "a" before the delimiter "aa" is enough.
local function is_ambiguous(message, delimiter)
  if message:find(delimiter, 1, true) then return true end
  local tail <const> = #delimiter > 1 and message:sub(1 - #delimiter) or ""
  return (tail .. delimiter):find(delimiter, 1, true) ~= #tail + 1
end

local function join(...)
  for index = 1, select("#", ...) do
    local part <const> = (select(index, ...))
    if type(part) == "userdata" then frames.misuse(3, "message #" .. index, "string or number", part) end
  end
  return select("#", ...) == 1 and tostring((...)) or table.concat { ... }
end

local function send_delimited(self, ...)
  local size <const> = frames.measure(...)
  local text <const> = join(...)
  if size > self.limit then
    return refuse(self, "limit", "a message of %d bytes is over the limit of %d", size, self.limit)
  elseif is_ambiguous(text, self.delimiter) then
    return refuse(self, "protocol", "the delimiter %q is or would begin in the message", self.delimiter)
  end
  return self.conn:write(text, self.delimiter)
end

-- The values of a struct, without the position that string.unpack adds.
local function finish_struct(self, ok, first, ...)
  if not ok then return fail(self, "protocol", "a value that Lua cannot hold: %s", first) end
  if self.count == 1 then return first end
  return first, table.unpack({ ... }, 1, self.count - 1)
end

local function take_struct(self)
  local bytes <const>, message <const>, code <const> = read_part(self, self.size, "payload", false)
  if not bytes then return nil, message, code end
  return finish_struct(self, pcall(string.unpack, self.format, bytes))
end

-- string.pack says "bad argument #2 to '?' (integer overflow)": the first value, and the reason.
local function complaint(message)
  local index <const>, reason <const> = message:match "#(%d+).-%((.*)%)"
  if not index then return 1, message end
  return math.tointeger(index) - 1, reason
end

local function send_struct(self, ...)
  local count <const> = select("#", ...)
  if count ~= self.count then frames.misuse(2, "...", self.count .. " values", count) end
  local ok <const>, bytes <const> = pcall(string.pack, self.format, ...)
  if ok then return self.conn:write(bytes) end
  local index <const>, reason <const> = complaint(bytes)
  if not (reason:find "overflow" or reason:find "longer") then
    error(("bad argument 'value #%d' (%s)"):format(index, reason), 2)
  end
  return refuse(self, "limit", "value #%d does not fit into %q: %s", index, self.format, reason)
end

---@class perigee.frame.bounded
local bounded <const> = {
  -- Fields: conn, size (bytes).
  Fixed = frames.class { take = take_fixed, put = put_fixed },
  -- Fields: conn, limit, delimiter.
  Delimited = frames.class { take = take_delimited, send = send_delimited },
  -- Fields: conn, format, size (bytes), count (values).
  Struct = frames.class { take = take_struct, send = send_struct },
}

return bounded
