--- Lua finds numbers in a table by a hash without a secret, so that a peer can choose keys that all get into one chain:
--- each is then compared with all before it (core/binding/key_spread.h, for tables whose size is known before). The
--- table of a dict grows, so its numbers are looked at again and again, some of them, as they come.

local NEAR <const> = 1 << 24   -- integers up to here are too close together to get into few chains
local EVERY <const> = 16384    -- numbers after which they are looked at again, or a sixteenth of them
local SAMPLE <const> = 256     -- numbers that are looked at
local ALIKE <const> = 8        -- of those that may be in one chain: by chance, two or three are
local CHAIN <const> = 4096     -- numbers that may be in one chain: fewer can do no harm
local LARGEST <const> = 26     -- a table has at most 2^26 - 1 chains

local M <const> = {}

--- The numbers of a dict.
---@class perigee.pickle.Numbers
---@field count integer
---@field look_at integer the count at which they are looked at next
---@field [integer] number

--- l_hashfloat of ltable.c, for numbers that are no integers.
local function hash_float(number)
  local bits <const> = ("<i8"):unpack(("<d"):pack(number))
  local mantissa <const> = (bits & 0xfffffffffffff | 1 << 52) >> 22
  local hash <const> = ((bits >> 52 & 0x7ff) - 1022 + (bits < 0 and -mantissa or mantissa)) & 0xffffffff
  return hash <= 0x7fffffff and hash or ~hash & 0xffffffff
end

--- The hashes of some.
local function sample_of(numbers)
  local sample <const> = {}
  for index = 1, SAMPLE do
    local number <const> = numbers[math.random(numbers.count)]
    sample[index] = math.tointeger(number) or hash_float(number)
  end
  return sample
end

local function are_spread(sample, chains, alike)
  local counts <const> = {}
  for _, hash in ipairs(sample) do
    local chain <const> = hash % chains
    counts[chain] = (counts[chain] or 0) + 1
    if counts[chain] >= alike then return false end
  end
  return true
end

--- For each size that the table may have: other keys make it larger.
local function look(numbers)
  local sample <const>, count <const> = sample_of(numbers), numbers.count
  local alike <const>, power = math.max(ALIKE, SAMPLE * CHAIN // count), 1
  while 1 << power < count do power = power + 1 end
  for larger = power, LARGEST do
    if not are_spread(sample, (1 << larger) - 1, alike) then return false end
  end
  return true
end

---@return perigee.pickle.Numbers
function M.new()
  return { count = 0, look_at = EVERY }
end

--- A number becomes a key that was none before: false when too many have got into one chain.
---@param numbers perigee.pickle.Numbers
---@param number number
---@return boolean
function M.add(numbers, number)
  if math.type(number) == "integer" and number < NEAR and number > -NEAR then return true end
  local count <const> = numbers.count + 1
  numbers.count, numbers[count] = count, number
  if count < numbers.look_at then return true end
  numbers.look_at = count + math.max(EVERY, count // 16)
  return look(numbers)
end

return M
