local log, lines

-- A moment with a fraction that no binary number has exactly.
local MOMENT <const> = os.time { year = 2026, month = 11, day = 21, hour = 12 } -- local time; shown as UTC
local SHOWN <const> = os.date("!%Y-%m-%dT%H:%M:%S", MOMENT)

before_each(function()
  package.loaded["perigee.log"] = nil -- fresh settings
  log, lines = require "perigee.log", {}
  log.configure {
    write = function(line) lines[#lines + 1] = line end,
    service = function() return "echo" end,
    clock = function() return MOMENT + 0.123 end,
  }
end)

local function last()
  return lines[#lines]
end

-- What follows the time, the level and the service.
local function tail()
  return (last():match "^%S+ %a+ +%S+  (.*)\n$")
end

-- Just enough of a JSON reader to see what a log shipper would see; raises for anything invalid.
local function decode(line)
  local position = 1
  local function take(pattern)
    local from <const>, to <const>, capture = line:find("^" .. pattern, position)
    if not from then return nil end
    position = to + 1
    return capture or line:sub(from, to)
  end
  local escapes <const> = { n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\" }
  local function text()
    assert(take '"', "no string at " .. position)
    local parts <const> = {}
    while not take '"' do
      local piece <const> = take '[^\0-\31"\\]+' or escapes[take "\\([nrt\"\\])"]
      local code <const> = not piece and assert(take "\\u(%x%x%x%x)", "bad character at " .. position)
      parts[#parts + 1] = piece or utf8.char(tonumber(code, 16))
    end
    return table.concat(parts)
  end
  local function value()
    if take "true" then return true elseif take "false" then return false end
    local number <const> = take "%-?%d+%.?%d*e?[-+]?%d*"
    if number then return (assert(tonumber(number))) end
    return text()
  end
  assert(utf8.len(line), "not UTF-8")
  local object <const> = {}
  assert(take "{")
  repeat
    local key <const> = text()
    assert(object[key] == nil, "twice: " .. key)
    assert(take ":")
    object[key] = value()
  until not take ","
  assert(take "}\n" and position == #line + 1, "not one line")
  return object
end

local function assert_misuse(text, f)
  local ok <const>, message <const> = pcall(f)
  assert.is_false(ok)
  assert.matches("^[^\n]*log_spec%.lua:%d+: bad argument", message)
  assert.truthy(message:find(text, 1, true), message)
end

describe("the log", function()
  it("writes time, level, service, message and fields on one line", function()
    log.info("listening", { address = "tcp://127.0.0.1:7000" })
    assert.same({ SHOWN .. ".123Z info  echo  listening address=tcp://127.0.0.1:7000\n" }, lines)
  end)

  it("keeps the messages of all levels in one column", function()
    log.configure { level = "debug" }
    for _, level in ipairs { "debug", "info", "warn", "error" } do log[level] "x" end
    for _, line in ipairs(lines) do assert.equal(lines[1]:find "echo", line:find "echo") end
    assert.matches(" debug echo  x\n$", lines[1])
    assert.matches(" error echo  x\n$", lines[4])
  end)

  it("rounds the time to milliseconds and carries", function()
    log.configure { clock = function() return 59.9996 end }
    log.info "x"
    assert.matches("^1970%-01%-01T00:01:00%.000Z ", last())
  end)

  it("sorts the fields by name", function()
    log.info("x", { b = 1, a = 2, c = 3 })
    assert.equal("x a=2 b=1 c=3", tail())
  end)

  it("logs nothing below its level", function()
    log.configure { level = "warn" }
    log.debug "a"
    log.info "b"
    log.warn "c"
    log.error "d"
    assert.equal(2, #lines)
  end)

  it("leaves debug out unless told otherwise", function()
    log.debug "x"
    assert.same({}, lines)
  end)

  it("does not look at the arguments when the level is off", function()
    local touched = false
    local value <const> = setmetatable({}, { __tostring = function() touched = true return "x" end })
    log.configure { clock = function() touched = true return 0 end }
    log.debug("x", { value = value })
    assert.is_false(touched)
    log.info("x", { value = value })
    assert.is_true(touched)
  end)

  it("asks for the service's name at each event, and is perigee where there is none", function()
    local name
    log.configure { service = function() return name end }
    log.info "a"
    name = "chat"
    log.info "b"
    assert.matches(" perigee  a\n", lines[1])
    assert.matches(" chat  b\n", lines[2])
  end)

  it("has loggers of other services, and these have children", function()
    log.of("chat").info("a", { n = 1 })
    log.of("chat").with({ n = 2 }).info "b"
    log.info "c"
    assert.matches(" chat  a n=1\n", lines[1])
    assert.matches(" chat  b n=2\n", lines[2])
    assert.matches(" echo  c\n", lines[3])
  end)

  it("goes to stderr in one call a line", function()
    package.loaded["perigee.log"] = nil
    local real <const>, calls <const> = io.stderr, {}
    -- luacheck: globals io.stderr
    io.stderr = { write = function(_, ...) calls[#calls + 1] = table.pack(...) end }
    local ok <const>, message <const> = pcall(require("perigee.log").error, "x", { traceback = "a\nb" })
    io.stderr = real
    assert.is_true(ok, message)
    assert.equal(1, #calls)
    assert.equal(1, calls[1].n)
    assert.matches("Z error perigee  x\n    a\n    b\n$", calls[1][1])
  end)
end)

describe("the log as text", function()
  it("quotes values with blanks and quotes, and the empty one", function()
    log.info("x", { a = "two words", b = 'say "hi"', c = "", d = "plain", e = "\xC3\xA4", f = [[c:\dir]] })
    assert.equal([[x a="two words" b="say \"hi\"" c="" d=plain e=ä f=c:\dir]], tail())
  end)

  it("keeps one event on one line whatever the fields hold", function()
    for byte = 0, 255 do log.info("x", { value = "a" .. string.char(byte) .. "b" }) end
    log.info("x", { value = "a\u{2028}b\u{2029}c\u{85}d\u{202E}e" })
    for _, line in ipairs(lines) do
      assert.is_nil(line:sub(1, -2):find "[\0-\31\127]")
      assert.truthy(utf8.len(line), line)
    end
    assert.equal([[x value="a\u2028b\u2029c\u0085d\u202ee"]], tail())
    assert.equal([[x value="a\nb"]], lines[11]:match "(x v.*)\n")
  end)

  it("keeps one event on one line whatever the message, the names and the service hold", function()
    log.configure { service = function() return "my\nservice" end }
    log.info("a\r\nb\27[2J \255", { ["na\nme"] = 1 })
    local expected <const> = [[ "my\nservice"  a\r\nb\u001b[2J ]] .. "\u{FFFD}" .. [[ "na\nme"=1]] .. "\n"
    assert.equal(expected, last():sub(-#expected))
    assert.equal(1, select(2, last():gsub("\n", "")))
  end)

  it("shows numbers, booleans and objects", function()
    local peer <const> = setmetatable({}, { __tostring = function() return "tcp://127.0.0.1:1" end })
    log.info("x", { a = 1, b = 0.1, c = true, d = false, e = peer, f = 1e300, g = 2.0, h = 1 / 3 })
    assert.equal("x a=1 b=0.1 c=true d=false e=tcp://127.0.0.1:1 f=1e+300 g=2.0 h=0.33333333333333331",
      tail())
    log.info("x", { nan = 0 / 0, inf = math.huge, minus = -math.huge })
    assert.equal("x inf=inf minus=-inf nan=nan", tail())
  end)

  it("prints a traceback below, indented and still escaped", function()
    log.error("failed", { traceback = "traceback:\n\techo.lua:3: in function\27[1m\r\n\n\tmore", a = 1 })
    assert.equal("failed a=1\n    traceback:\n      echo.lua:3: in function\\u001b[1m\n      more", tail())
  end)
end)

describe("the log as JSON", function()
  before_each(function() log.configure { format = "json" } end)

  it("writes one object a line", function()
    log.warn("slow", { seconds = 1.5, count = 7, fatal = false, peer = "tcp://127.0.0.1:1" })
    assert.equal('{"time":"' .. SHOWN .. '.123Z","level":"warn","service":"echo","message":"slow","count":7,'
      .. '"fatal":false,"peer":"tcp://127.0.0.1:1","seconds":1.5}\n', last())
  end)

  it("escapes so that a reader gets the same text back", function()
    local parts <const> = {}
    for code = 0, 0x2100 do parts[#parts + 1] = utf8.char(code) end
    local text <const> = table.concat(parts) .. "\u{10FFFF}"
    log.info(text, { [text] = text, traceback = "a\nb" })
    local object <const> = decode(last())
    assert.equal(text, object.message)
    assert.equal(text, object[text])
    assert.equal("a\nb", object.traceback)
  end)

  it("replaces bytes that are not UTF-8", function()
    log.info("x", { a = "\255a\xC3", b = "\xED\xA0\x80", c = "\x80ok\xF4\x90\x80\x80" })
    local object <const> = decode(last())
    assert.equal("\u{FFFD}a\u{FFFD}", object.a)
    assert.equal(("\u{FFFD}"):rep(3), object.b)
    assert.equal("\u{FFFD}ok" .. ("\u{FFFD}"):rep(4), object.c)
  end)

  it("has numbers as numbers, except those that JSON does not know", function()
    log.info("x", { a = 0.1, b = 1e300, c = -5, d = 2 ^ 53, e = 0 / 0, f = math.huge, g = -math.huge,
      h = math.mininteger, i = 1 / 3 })
    local object <const> = decode(last())
    assert.equal(0.1, object.a)
    assert.equal(1e300, object.b)
    assert.equal(-5, object.c)
    assert.equal(2 ^ 53, object.d)
    assert.same({ "nan", "inf", "-inf" }, { object.e, object.f, object.g })
    assert.equal(math.mininteger, object.h)
    assert.equal(1 / 3, object.i)
  end)

  it("has each key once", function()
    log.info("x", { time = 1, level = 2, message = 3, service = 4 })
    local object <const> = decode(last())
    assert.equal("x", object.message)
    assert.equal(3, object["fields.message"])
  end)
end)

describe("a child logger", function()
  it("adds its fields to every event", function()
    local child <const> = log.with { peer = "p", n = 1 }
    child.info("x", { n = 2, m = 3 })
    child.warn "y"
    assert.matches("x m=3 n=2 peer=p\n$", lines[1])
    assert.matches("y n=1 peer=p\n$", lines[2])
  end)

  it("has children of its own and leaves its parent alone", function()
    local child <const> = log.with { a = 1 }
    child.with({ b = 2 }).info "x"
    assert.equal("x a=1 b=2", tail())
    child.info "y"
    assert.equal("y a=1", tail())
    log.info "z"
    assert.equal("z", tail())
  end)

  it("keeps the fields as they were when it was made", function()
    local fields <const> = { a = 1 }
    local child <const> = log.with(fields)
    fields.a = 2
    child.info "x"
    assert.equal("x a=1", tail())
  end)

  it("follows the level of the log", function()
    local child <const> = log.with { a = 1 }
    log.configure { level = "error" }
    child.warn "x"
    assert.same({}, lines)
  end)
end)

describe("misuse of the log", function()
  it("raises at the caller's line", function()
    assert_misuse("'message' (string expected, got nil)", function() log.info() end)
    assert_misuse("'message' (string expected, got table)", function() log:info "x" end)
    assert_misuse("'fields' (table expected, got \"b\")", function() log.info("a", "b") end)
    assert_misuse("'fields' (names that are strings expected, got number)", function()
      log.info("a", { "b" })
    end)
    assert_misuse("'fields' (table expected, got nil)", function() log.with() end)
    assert_misuse("'fields' (names that are strings expected, got number)", function() log.with { 1 } end)
    assert_misuse("'message' (string expected, got number)", function() log.with({}).info(5) end)
    assert_misuse("'service' (string expected, got nil)", function() log.of() end)
  end)

  it("raises for options that do not exist or have a wrong value", function()
    assert_misuse("'format' (text or json expected, got \"xml\")", function()
      log.configure { format = "xml" }
    end)
    assert_misuse("'level' (debug, info, warn or error expected, got \"all\")", function()
      log.configure { level = "all" }
    end)
    assert_misuse("'write' (function expected, got boolean)", function() log.configure { write = true } end)
    assert_misuse("'clock' (function expected", function() log.configure { clock = 5 } end)
    assert_misuse("'service' (function expected", function() log.configure { service = "echo" } end)
    assert_misuse("'options' (format, level, write, service or clock expected, got \"color\")", function()
      log.configure { color = true }
    end)
    assert_misuse("'options' (table expected, got nil)", function() log.configure() end)
  end)

  it("changes nothing when one of the options is wrong", function()
    for _ = 1, 20 do
      pcall(log.configure, { level = "error", format = "json", clock = 5 })
      log.info "x"
      assert.equal("x", tail())
    end
  end)
end)
