--- Messages as Python's multiprocessing.connection frames them: four bytes tell the length, big end first; from 2^31 on
--- they are -1, and eight bytes follow.

local frames <const> = require "perigee.frame.frames"

local LONG <const> = 0x7FFFFFFF -- bytes: what is longer has the long form

local fail <const>, read_part <const> = frames.fail, frames.read_part

--- The length as it comes, of which the first part outlives a timeout before the second one.
local function read_any_length(self)
  local size, message, code
  if not self.is_long then
    size, message, code = read_part(self, 4, "length", false)
    if not size then return nil, message, code end
    size = (">i4"):unpack(size)
    self.is_long = size == -1
  end
  if not self.is_long then
    if size < 0 then return fail(self, "protocol", "a length of %d", size) end
    return size
  end
  size, message, code = read_part(self, 8, "length", true)
  if not size then return nil, message, code end
  self.is_long = false
  return ((">i8"):unpack(size))
end

local function read_length(self)
  local size <const>, message <const>, code <const> = read_any_length(self)
  if not size then return nil, message, code end
  if not math.ult(self.limit, size) then return size end
  return frames.fail_oversized(self, size < 0 and "2^63 or more" or tostring(size))
end

local function put(self, size, ...)
  if size > self.limit then
    return frames.refuse(self, "limit", "a message of %d bytes is over the limit of %d", size, self.limit)
  end
  return self.conn:write(size > LONG and (">i4i8"):pack(-1, size) or (">i4"):pack(size), ...)
end

--- Fields: conn, limit (bytes of one message).
return frames.class { take = frames.take_sized, put = put, read_length = read_length }
