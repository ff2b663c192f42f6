--- The log: one event is one line, as text for people or as JSON for machines.
---   2026-11-21T03:47:10.123Z info  echo  listening address=tcp://127.0.0.1:7000

local RANKS <const> = { debug = 1, info = 2, warn = 3, error = 4 }
local FIRST_JSON_KEYS <const> = { time = true, level = true, service = true, message = true }
local CONTROL <const> = "[\0-\31\127]"
local NOT_JSON <const> = '[\0-\31"\\\127]'
local ESCAPES <const> = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
local REPLACEMENT <const> = "\u{FFFD}"

-- What log.configure changes. io.stderr is looked up at each line: a script may have put another file there.
local settings <const> = {
  format = "text",
  write = function(line) io.stderr:write(line) end,
  service = function() return nil end,
  clock = os.time,
}
local threshold = RANKS.info

local MOST <const>, SECONDS <const> = 10, 10 -- events of one kind that are logged, in that time
local KINDS <const> = 1000                   -- kinds in that time; all others are one
local OTHERS <const> = ""
local seen, kinds = {}, 0                    -- by kinds: { began =, count = }; how many
local forgotten = -math.huge                 -- when they were

local function describe(value)
  return type(value) == "string" and ("%q"):format(value) or type(value)
end

-- `level` counts as in error(), from the function that calls this one; so this is never a tail call.
local function misuse(level, name, expected, value)
  error(("bad argument '%s' (%s expected, got %s)"):format(name, expected, describe(value)), level + 1)
end

-- Every byte that does not belong to a UTF-8 sequence becomes U+FFFD.
local function repair(text)
  local parts <const>, from = {}, 1
  local _, bad = utf8.len(text, from)
  while bad do
    parts[#parts + 1] = text:sub(from, bad - 1) .. REPLACEMENT
    from = bad + 1
    _, bad = utf8.len(text, from)
  end
  return table.concat(parts) .. text:sub(from)
end

local function escape_char(char)
  return ESCAPES[char] or ("\\u%04x"):format(utf8.codepoint(char))
end

-- Makes a text safe for one line of a terminal: escapes what `pattern` finds, and beyond ASCII the C1 control
-- characters, the line separators and the marks that turn the direction of writing.
local function clean(text, pattern)
  if not text:find "[\0-\31\"\\\127-\255]" then return text end
  local whole = utf8.len(text) and text or repair(text)
  whole = whole:gsub(pattern, escape_char)
  whole = whole:gsub("\xC2[\x80-\x9F]", escape_char)
  return (whole:gsub("\xE2\x80[\xA8-\xAE]", escape_char))
end

local function quote(text)
  return '"' .. clean(text, NOT_JSON) .. '"'
end

-- A decimal text that gives the number back; NaN and the infinities without the platform's whims.
local function number_text(value)
  if value ~= value then return "nan" end
  if value == math.huge then return "inf" end
  if value == -math.huge then return "-inf" end
  local text <const> = tostring(value)
  return tonumber(text) == value and text or ("%.17g"):format(value)
end

local function text_value(value)
  if math.type(value) then return number_text(value) end
  local text <const> = tostring(value)
  if text == "" or text:find '[\0-\32"\127]' or clean(text, CONTROL) ~= text then return quote(text) end
  return text
end

local function json_value(value)
  if type(value) == "boolean" then return tostring(value) end
  if not math.type(value) then return quote(tostring(value)) end
  local text <const> = number_text(value)
  return text:find "[nf]$" and quote(text) or text -- JSON has no nan and no inf
end

local function indent(text)
  local lines <const> = {}
  for line in text:gmatch "[^\r\n]+" do
    lines[#lines + 1] = "\n    " .. clean(line:gsub("\t", "  "), CONTROL)
  end
  return table.concat(lines)
end

local function sorted_keys(fields)
  local keys <const> = {}
  for key in pairs(fields) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function text_line(event, fields)
  local service <const>, message <const> = text_value(event.service), clean(event.message, CONTROL)
  local parts <const> = { ("%s %-5s %s  %s"):format(event.time, event.level, service, message) }
  for _, key in ipairs(sorted_keys(fields)) do
    if key ~= "traceback" then parts[#parts + 1] = text_value(key) .. "=" .. text_value(fields[key]) end
  end
  local traceback <const> = fields.traceback
  return table.concat(parts, " ") .. (traceback ~= nil and indent(tostring(traceback)) or "") .. "\n"
end

local function json_line(event, fields)
  local parts <const> = {
    ('"time":"%s","level":"%s"'):format(event.time, event.level),
    '"service":' .. quote(event.service),
    '"message":' .. quote(event.message),
  }
  for _, key in ipairs(sorted_keys(fields)) do
    local name <const> = FIRST_JSON_KEYS[key] and "fields." .. key or key -- an object has each key once
    parts[#parts + 1] = quote(name) .. ":" .. json_value(fields[key])
  end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

local function timestamp()
  local milliseconds <const> = math.floor(settings.clock() * 1000 + 0.5)
  return os.date("!%Y-%m-%dT%H:%M:%S", milliseconds // 1000) .. (".%03dZ"):format(milliseconds % 1000)
end

local function check_fields(level, fields)
  if fields == nil then return end
  if type(fields) ~= "table" then misuse(level + 1, "fields", "table", fields) end
  for key in pairs(fields) do
    if type(key) ~= "string" then misuse(level + 1, "fields", "names that are strings", key) end
  end
end

local function merge(base, fields)
  local merged <const> = {}
  for key, value in pairs(base) do merged[key] = value end
  for key, value in pairs(fields or {}) do merged[key] = value end
  return merged
end

local function emit(level, base, service, message, fields)
  if type(message) ~= "string" then misuse(3, "message", "string", message) end
  check_fields(3, fields)
  local event <const> = { time = timestamp(), level = level, message = message }
  event.service = service or settings.service() or "perigee"
  local render <const> = settings.format == "json" and json_line or text_line
  settings.write(render(event, base and merge(base, fields) or fields or {}))
end

local function forget_kinds(now)
  seen, kinds, forgotten = {}, 0, now
end

--- The kind, or what it counts as: a peer may have found a way to make new ones.
local function kind_of(kind, now)
  if seen[kind] then return kind end
  if kinds >= KINDS and math.abs(now - forgotten) >= SECONDS then forget_kinds(now) end
  if kinds >= KINDS then return OTHERS end
  kinds = kinds + 1
  return kind
end

--- "chat.lua:12" of "chat.lua:12: attempt to ...", what follows may have a peer's words in it.
local function place_of(message)
  return type(message) == "string" and message:match "^[^%s:]+:%d+" or nil
end

local function with_count(base, left_out)
  return left_out and merge(base or {}, { left_out = left_out }) or base
end

--- Counts an event: whether it may be logged, and how many of its kind were left out before it.
local function admit(service, given)
  local now <const> = settings.clock()
  local kind <const> = kind_of((service or settings.service() or "") .. "\0" .. tostring(given), now)
  local known <const> = seen[kind]
  if known and math.abs(now - known.began) < SECONDS then
    known.count = known.count + 1
    return known.count <= MOST
  end
  seen[kind] = { began = now, count = 1 }
  return true, known and known.count > MOST and known.count - MOST or nil
end

---@class perigee.logger
---@field debug fun(message: string, fields: table<string, any>?)
---@field info fun(message: string, fields: table<string, any>?)
---@field warn fun(message: string, fields: table<string, any>?)
---@field error fun(message: string, fields: table<string, any>?)
--- Warns of what a peer has done, who may do it as often as it likes: of one message, which is always the same, 10
--- events in 10 seconds are logged, and the next one then has how many were left out.
---@field refusal fun(message: string, fields: table<string, any>?)
--- The same for an error of ours that a peer can bring about. kind: what counts as one, default the place in a script
--- that the message begins with, or else the message.
---@field failure fun(message: string, fields: table<string, any>?, kind: string?)
---@field with fun(fields: table<string, any>): perigee.logger a logger that adds these fields to every event

local function new_logger(base, service)
  local logger <const> = {}
  for level, rank in pairs(RANKS) do
    logger[level] = function(message, fields)
      if rank >= threshold then emit(level, base, service, message, fields) end
    end
  end
  function logger.refusal(message, fields)
    if RANKS.warn < threshold then return end
    local is_admitted <const>, left_out <const> = admit(service, message)
    if is_admitted then emit("warn", with_count(base, left_out), service, message, fields) end
  end
  function logger.failure(message, fields, kind)
    local is_admitted <const>, left_out <const> = admit(service, kind or place_of(message) or message)
    if is_admitted then emit("error", with_count(base, left_out), service, message, fields) end
  end
  function logger.with(fields)
    if fields == nil then misuse(2, "fields", "table", fields) end
    check_fields(2, fields)
    return new_logger(merge(base or {}, fields), service)
  end
  return logger
end

local function one_of(choices)
  return function(value) return type(value) == "string" and choices[value] ~= nil end
end

local function is_callable(value)
  local metatable <const> = getmetatable(value)
  return type(value) == "function" or type(metatable) == "table" and metatable.__call ~= nil
end

local CHECKS <const> = {
  format = { "text or json", one_of { text = true, json = true } },
  level = { "debug, info, warn or error", one_of(RANKS) },
  write = { "function", is_callable },
  service = { "function", is_callable },
  clock = { "function", is_callable },
}

--- The log of the running service. A field's value may be anything: numbers, booleans and strings are kept,
--- of all else tostring() is shown. The field `traceback` is printed on lines of its own in text.
---@class perigee.log: perigee.logger
local log <const> = new_logger(nil)

---@class perigee.log.options
---@field format "text"|"json"|nil
---@field level "debug"|"info"|"warn"|"error"|nil the least that is logged; default info
---@field write nil|fun(line: string) is given one whole event with its line feed; default to stderr
---@field service nil|fun(): string? the name to show; default "perigee"
---@field clock nil|fun(): number seconds since the epoch, with a fraction; default os.time

--- A logger whose events are another service's: for what watches over services.
---@param service string
---@return perigee.logger
function log.of(service)
  if type(service) ~= "string" then misuse(2, "service", "string", service) end
  return new_logger(nil, service)
end

--- Changes how this state logs; what is not named stays as it is. Raises for an unknown name or a wrong
--- value, and has changed nothing then.
---@param options perigee.log.options
function log.configure(options)
  if type(options) ~= "table" then misuse(2, "options", "table", options) end
  for name, value in pairs(options) do
    local check <const> = CHECKS[name]
    if not check then misuse(2, "options", "format, level, write, service or clock", name) end
    if not check[2](value) then misuse(2, name, check[1], value) end
  end
  for name, value in pairs(options) do settings[name] = value end
  threshold = RANKS[settings.level] or threshold
  forget_kinds(-math.huge)
end

return log
