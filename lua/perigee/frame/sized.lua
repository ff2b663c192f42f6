--- Framings that tell the length of a message before it: a binary prefix, a varint, a netstring.

local frames <const> = require "perigee.frame.frames"

local LENGTH_DIGITS <const> = 20 -- of a netstring: as many as 2^64 has

local fail <const>, refuse <const>, read_part <const> = frames.fail, frames.refuse, frames.read_part
local fail_oversized <const>, take <const> = frames.fail_oversized, frames.take_sized

-- The decimal digits of an integer whose 64 bits are unsigned.
local function unsigned(value)
  if value >= 0 then return ("%d"):format(value) end
  local tens <const> = (value >> 1) // 5
  return ("%d%d"):format(tens, value - tens * 10)
end

local function put(self, size, ...)
  if size > self.limit then
    return refuse(self, "limit", "a message of %d bytes is over the limit of %d", size, self.limit)
  elseif size > self.largest then
    return refuse(self, "limit", "a message of %d bytes, but the length field ends at %d", size, self.largest)
  end
  return self:write(size, ...)
end

local function write_prefixed(self, size, ...)
  return self.conn:write(self.format:pack(size + self.included), ...)
end

local function read_prefix(self)
  local header <const>, message <const>, code <const> = read_part(self, self.prefix, "length", false)
  if not header then return nil, message, code end
  local fits <const>, length <const> = pcall(string.unpack, self.format, header) -- ">I16" can hold too much
  if not fits then return fail_oversized(self, "2^63 or more") end
  if length < 0 and self.signed then return fail(self, "protocol", "a negative length, %d", length) end
  if math.ult(length, self.included) then
    return fail(self, "protocol", "a length of %d does not count its own %d bytes", length, self.included)
  end
  local size <const> = length - self.included
  if math.ult(self.limit, size) then return fail_oversized(self, unsigned(size)) end
  return size
end

local function encode_varint(value)
  local bytes <const> = {}
  while value > 0x7F do
    bytes[#bytes + 1] = value & 0x7F | 0x80
    value = value >> 7
  end
  bytes[#bytes + 1] = value
  return string.char(table.unpack(bytes))
end

local function write_varint(self, size, ...)
  return self.conn:write(encode_varint(size), ...)
end

-- `value` and `shift` live in the object, so that the bytes that were read are not lost at a timeout.
local function read_varint(self)
  repeat
    local shift <const> = self.shift
    local char <const>, message <const>, code <const> = read_part(self, 1, "length", shift > 0)
    if not char then return nil, message, code end
    local byte <const> = char:byte()
    if byte == 0 and shift > 0 then return fail(self, "protocol", "a length with needless bytes") end
    if byte > 1 and shift == 63 then return fail(self, "protocol", "a length of more than 64 bits") end
    self.value, self.shift = self.value | (byte & 0x7F) << shift, shift + 7
  until byte < 0x80
  local size <const> = self.value
  self.value, self.shift = 0, 0
  if math.ult(self.limit, size) then return fail_oversized(self, unsigned(size)) end
  return size
end

local function write_netstring(self, size, ...)
  if select("#", ...) == 1 then return self.conn:write(size .. ":", ..., ",") end
  local parts <const> = table.pack(...)
  parts[parts.n + 1] = ","
  return self.conn:write(size .. ":", table.unpack(parts, 1, parts.n + 1))
end

local function read_digits(self)
  local digits <const>, message <const>, code <const> = frames.read_until(self, ":", LENGTH_DIGITS, "length")
  if code == "limit" then return fail(self, "protocol", "no ':' in %d bytes", LENGTH_DIGITS) end
  if not digits then return nil, message, code end
  if not digits:find "^%d+$" or digits:find "^0." then
    return fail(self, "protocol", "the length of a netstring is %q", digits)
  end
  local size <const> = math.tointeger(tonumber(digits))
  if not size or size > self.limit then return fail_oversized(self, digits) end
  return size
end

-- The payload waits in self.payload for its comma, so that it need not be copied to cut the comma off.
local function take_netstring(self)
  local payload, message, code = self.payload, nil, nil
  if not payload then payload, message, code = take(self) end
  if not payload then return nil, message, code end
  self.payload = payload
  local comma
  comma, message, code = read_part(self, 1, "comma", true)
  if not comma then return nil, message, code end
  self.payload = nil
  if comma ~= "," then return fail(self, "protocol", "%q where a netstring's comma must be", comma) end
  return payload
end

---@class perigee.frame.sized
local sized <const> = {
  -- Fields: conn, limit, format, prefix (bytes), signed, included (its own bytes, when it counts
  -- them), largest (bytes).
  Prefixed = frames.class { take = take, put = put, write = write_prefixed, read_length = read_prefix },
  -- Fields: conn, limit, largest, value = 0, shift = 0.
  Varint = frames.class { take = take, put = put, write = write_varint, read_length = read_varint },
  -- Fields: conn, limit, largest.
  Netstring = frames.class {
    take = take_netstring, put = put, write = write_netstring, read_length = read_digits,
  },
}

return sized
