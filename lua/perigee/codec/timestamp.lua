--- Moments to the nanosecond, as codecs have them: MessagePack's timestamp, XML-RPC's dateTime. A timestamp is a plain
--- table with the class perigee.Timestamp; it is not to be changed.

local core <const> = require "core.msgpack"

--- tostring() is ISO 8601 in UTC: "2026-11-20T08:30:00.25Z". == and < compare moments.
---@class perigee.Timestamp
---@field seconds integer since 1970-01-01T00:00:00Z, without leap seconds; negative before
---@field nanoseconds integer 0 to 999999999, always towards the future
local Timestamp <const> = getmetatable(core.timestamp(0))
Timestamp.__index = Timestamp

local M <const> = {}

local SECOND <const> = 1000000000
local DAY <const> = 86400

--- Raises when nanoseconds is not 0 to 999999999.
---@param seconds integer since 1970
---@param nanoseconds integer? default 0
---@return perigee.Timestamp
M.new = core.timestamp

---@param value any
---@return boolean
function M.is_timestamp(value)
  return getmetatable(value) == Timestamp
end

--- From seconds with a fraction, such as task.now() or os.time() give. Floats of today's seconds are exact to 0.24
--- microseconds.
---@param seconds number
---@return perigee.Timestamp
function M.from_number(seconds)
  local whole <const> = math.floor(seconds)
  local nanoseconds <const> = math.floor((seconds - whole) * SECOND + 0.5)
  return core.timestamp(whole + nanoseconds // SECOND, nanoseconds % SECOND)
end

--- Days since 1970 of a date of the Gregorian calendar. The year begins in March here, so that its last day is the leap
--- day, and 400 of them are an era.
local function days_of(year, month, day)
  if month <= 2 then year = year - 1 end
  local era <const> = year // 400
  local year_of_era <const> = year - era * 400
  local day_of_year <const> = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
  return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
end

local function date_of(days)
  days = days + 719468
  local era <const> = days // 146097
  local day_of_era <const> = days - era * 146097
  local year_of_era <const> = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
  local day_of_year <const> = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local month <const> = (5 * day_of_year + 2) // 153
  local year <const> = year_of_era + era * 400 + (month >= 10 and 1 or 0)
  return year, (month + 2) % 12 + 1, day_of_year - (153 * month + 2) // 5 + 1
end

local function fraction_of(nanoseconds)
  if nanoseconds == 0 then return "" end
  return "." .. (("%09d"):format(nanoseconds):gsub("0+$", ""))
end

---@return string
function Timestamp:__tostring()
  local year <const>, month <const>, day <const> = date_of(self.seconds // DAY)
  local rest <const> = self.seconds % DAY
  return ("%04d-%02d-%02dT%02d:%02d:%02d%sZ"):format(year, month, day, rest // 3600, rest // 60 % 60, rest % 60,
    fraction_of(self.nanoseconds))
end

--- Seconds since 1970 as a float, rounded to what it holds.
---@return number
function Timestamp:number()
  return self.seconds + self.nanoseconds / SECOND
end

function Timestamp.__eq(a, b)
  return a.seconds == b.seconds and a.nanoseconds == b.nanoseconds
end

function Timestamp.__lt(a, b)
  return a.seconds < b.seconds or a.seconds == b.seconds and a.nanoseconds < b.nanoseconds
end

function Timestamp.__le(a, b)
  return a == b or a < b
end

-- With and without separators, as XML-RPC has it: 2026-11-20T08:30:00 and 20261120T08:30:00.
local DATES <const> = { "^(%d%d%d%d)%-(%d%d)%-(%d%d)[Tt ]()", "^(%d%d%d%d)(%d%d)(%d%d)[Tt]()" }
local TIMES <const> = { "^(%d%d):(%d%d):(%d%d)()", "^(%d%d)(%d%d)(%d%d)()" }

local function find(patterns, text, from)
  for _, pattern in ipairs(patterns) do
    local a <const>, b <const>, c <const>, after <const> = text:match(pattern, from)
    if a then return math.tointeger(a), math.tointeger(b), math.tointeger(c), after end
  end
end

local MONTHS <const> = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_leap(year)
  return year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
end

local function is_date(year, month, day)
  local days <const> = MONTHS[month]
  return days and day >= 1 and day <= (month == 2 and is_leap(year) and 29 or days)
end

--- The fraction that may begin there: nanoseconds, and where it ends.
local function read_fraction(text, from)
  local digits <const>, after <const> = text:match("^[.,](%d+)()", from)
  if not digits then return 0, from end
  return math.tointeger((digits .. ("0"):rep(9)):sub(1, 9)), after
end

--- What is behind the time, in seconds before UTC: none, "Z", "+02:00". nil: it is no such thing.
local function read_zone(text)
  if text == "" or text == "Z" or text == "z" then return 0 end
  local sign <const>, hours <const>, minutes <const> = text:match "^([+-])(%d%d):?(%d%d)$"
  if not sign or hours + 0 > 23 or minutes + 0 > 59 then return nil end
  return (sign == "+" and 1 or -1) * math.tointeger(hours * 3600 + minutes * 60)
end

--- Reads ISO 8601: a date and a time, with separators or without, a fraction, "Z" or an offset. Without either it is
--- taken as UTC. A leap second is the second after it.
---@param text string "2026-11-20T08:30:00.25+01:00", "20261120T07:30:00"
---@return perigee.Timestamp?
---@return string? message
---@return "protocol"? code
function M.parse(text)
  local function fail() return nil, ("no ISO 8601 date and time: %q"):format(text:sub(1, 60)), "protocol" end
  local year <const>, month <const>, day <const>, at <const> = find(DATES, text, 1)
  if not year then return fail() end
  local hour <const>, minute <const>, second <const>, after <const> = find(TIMES, text, at)
  if not hour or not is_date(year, month, day) or hour > 23 or minute > 59 or second > 60 then return fail() end
  local nanoseconds <const>, rest <const> = read_fraction(text, after)
  local zone <const> = read_zone(text:sub(rest))
  if not zone then return fail() end
  local days <const> = days_of(year, month, day)
  return core.timestamp(days * DAY + hour * 3600 + minute * 60 + second - zone, nanoseconds)
end

return M
