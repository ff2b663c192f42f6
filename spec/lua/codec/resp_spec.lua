local buffer <const> = require "perigee.buffer"
local json <const> = require "perigee.codec.json"
local resp <const> = require "perigee.codec.resp"

local function lines(text) return (text:gsub("\n", "\r\n")) end

local function assert_refused(message, text, options)
  local value <const>, problem <const>, code <const> = resp.decode(lines(text), options)
  assert.is_nil(value)
  assert.same({ "invalid RESP at byte " .. message, "protocol" }, { problem, code })
end

local function assert_unencodable(message, value)
  local ok <const>, raised <const> = pcall(resp.encode, value)
  assert.is_false(ok)
  assert.equal("cannot encode " .. message, raised)
end

local function assert_encoded(two, three, value)
  assert.equal(lines(two), resp.encode(value, { version = 2 }))
  assert.equal(lines(three), resp.encode(value))
end

describe("resp.decode", function()
  it("reads every kind of value", function()
    for text, value in pairs {
      ["+OK\n"] = "OK", [":12\n"] = 12, [":-1\n"] = -1, [":+7\n"] = 7, ["$5\nhello\n"] = "hello", ["$0\n\n"] = "",
      ["$4\n\r\n\0\n"] = "\r\r\n\0", [":9223372036854775807\n"] = math.maxinteger,
      [":-9223372036854775808\n"] = math.mininteger, [",1.5\n"] = 1.5, [",10\n"] = 10.0, [",-1.5e3\n"] = -1500.0,
      [",inf\n"] = math.huge, [",-inf\n"] = -math.huge, ["#t\n"] = true, ["#f\n"] = false,
      ["(-123456789012345678901234567890\n"] = "-123456789012345678901234567890", ["=7\ntxt:abc\n"] = "abc",
    } do
      local decoded <const> = resp.decode(lines(text))
      assert.same({ value, math.type(value) }, { decoded, math.type(decoded) }, text)
    end
    assert.is_true(resp.decode ",nan\r\n" ~= resp.decode ",nan\r\n")
  end)

  it("reads every kind of null as nil, and as json.null within a table", function()
    for _, text in ipairs { "_\r\n", "$-1\r\n", "*-1\r\n" } do
      assert.same({ n = 1 }, table.pack(resp.decode(text)))
      assert.same({ 1, json.null }, resp.decode("*2\r\n:1\r\n" .. text))
    end
    assert.equal(json.null, resp.null)
  end)

  it("reads arrays, sets and maps, one within another", function()
    assert.same({ 1, { "a", { "b" } } }, resp.decode(lines "*2\n:1\n*2\n+a\n~1\n+b\n"))
    assert.same({ a = 1, [2] = { b = true }, [false] = "c" },
      resp.decode(lines "%3\n+a\n:1\n:2\n%1\n$1\nb\n#t\n#f\n+c\n"))
    assert.equal("[]", json.encode(resp.decode "*0\r\n"))
    assert.equal("{}", json.encode(resp.decode "%0\r\n"))
  end)

  it("tells a push", function()
    local value <const>, kind <const> = resp.decode(lines ">2\n+message\n+text\n")
    assert.same({ { "message", "text" }, "push" }, { value, kind })
  end)

  it("makes objects of errors", function()
    for _, text in ipairs { "-WRONGTYPE of the wrong kind\n", "!27\nWRONGTYPE of the wrong kind\n" } do
      local problem <const> = resp.decode(lines(text))
      assert.equal("WRONGTYPE", problem.kind)
      assert.equal("WRONGTYPE of the wrong kind", problem.message)
      assert.equal("WRONGTYPE of the wrong kind", tostring(problem))
      assert.equal("perigee.resp.Error", getmetatable(problem).__name)
    end
  end)

  it("skips attributes", function()
    assert.equal(5, resp.decode(lines "|1\n+ttl\n:3600\n:5\n"))
    assert.same({ 1, 2 }, resp.decode(lines "*2\n|1\n+a\n*2\n:8\n:9\n:1\n:2\n"))
  end)

  it("makes buffers of bulk strings when it is told to", function()
    local decoded <const> = resp.decode(lines "*2\n$3\nabc\n+d\n", { binary = "buffer" })
    assert.equal("abc", decoded[1]:string())
    assert.equal("d", decoded[2])
  end)

  it("says what is wrong and where", function()
    assert_refused("1: expected a value, got '?'", "?\n")
    assert_refused("1: expected a value, got byte 0x00", "\0\n")
    assert_refused("1: an integer of 64 bits expected", ":9223372036854775808\n")
    assert_refused("1: an integer of 64 bits expected", ":1x\n")
    assert_refused("1: an integer of 64 bits expected", ":\n")
    assert_refused("1: a double expected", ",0x10\n")
    assert_refused("1: a double expected", ",1e999\n")
    assert_refused("1: #t or #f expected", "#true\n")
    assert_refused("1: a number in decimal expected", "(12a\n")
    assert_refused("10: a bulk string that is longer than it says", "$5\nhelloo\n")
    assert_refused("5: something behind the message", "+a\n+b\n")
    assert_refused("9: the end of the text within a message", "*2\n:1\n")
    assert_refused("1: the end of the text within a message", "")
    assert_refused("4: invalid bulk length", "$-2\n")
    assert_refused("3: invalid bulk length", "$1x\n")
    assert_refused("2: invalid length of an aggregate", "*\n")
    assert_refused("5: a verbatim string without its kind", "=3\nabc\n")
    assert_refused("11: NaN as a key", "%1\n,nan\n:1\n")
    assert.equal("invalid RESP at byte 4: a line that does not end in CR LF", select(2, resp.decode "+a\n"))
  end)

  it("refuses lengths that no text of its size can have", function()
    for _, header in ipairs { "*1000000000\n", "%4294967295\n", "~999999999999999999\n", "$1099511627776\n" } do
      assert.equal("protocol", select(3, resp.decode(lines(header .. ":1\n"))))
    end
  end)

  it("allows 512 levels, or as many as it is told", function()
    local function nested(depth) return ("*1\n"):rep(depth) .. ":1\n" end
    assert.is_table(resp.decode(lines(nested(512))))
    assert.matches("too many levels", select(2, resp.decode(lines(nested(513)))))
    assert.is_table(resp.decode(lines(nested(4096)), { depth = 4096 }))
    assert.matches("too many levels", select(2, resp.decode(lines(nested(2)), { depth = 1 })))
  end)
end)

describe("resp.encode", function()
  it("writes each kind of value for each version", function()
    assert_encoded("$5\nhello\n", "$5\nhello\n", "hello")
    assert_encoded(":-12\n", ":-12\n", -12)
    assert_encoded("$3\n1.5\n", ",1.5\n", 1.5)
    assert_encoded("$1\n3\n", ",3\n", 3.0)
    assert_encoded("$4\n-inf\n", ",-inf\n", -math.huge)
    assert_encoded("$3\nnan\n", ",nan\n", 0 / 0)
    assert_encoded(":1\n", "#t\n", true)
    assert_encoded(":0\n", "#f\n", false)
    assert_encoded("$-1\n", "_\n", nil)
    assert_encoded("*1\n$-1\n", "*1\n_\n", { json.null })
    assert_encoded("*-1\n", "_\n", resp.null_array)
    assert_encoded("*2\n:1\n*1\n$1\na\n", "*2\n:1\n*1\n$1\na\n", { 1, { "a" } })
    assert_encoded("*2\n$1\na\n:1\n", "%1\n$1\na\n:1\n", { a = 1 })
    assert_encoded("*2\n:3\n:0\n", "%1\n:3\n#f\n", { [3] = false })
    assert_encoded("*0\n", "%0\n", {})
    assert_encoded("*0\n", "*0\n", json.array {})
    assert_encoded("*2\n:1\n$1\na\n", "%1\n:1\n$1\na\n", json.object { "a" })
    assert_encoded("*1\n:1\n", ">1\n:1\n", resp.push { 1 })
    assert_encoded("*1\n:1\n", "~1\n:1\n", resp.set { 1 })
    assert_encoded("+OK\n", "+OK\n", resp.simple "OK")
    assert_encoded("-ERR a  b\n", "-ERR a  b\n", resp.error "ERR a\r\nb")
    assert_encoded("$3\nabc\n", "$3\nabc\n", buffer.from "abc")
  end)

  it("gives back what was decoded", function()
    local value <const> = { 1, "a", { b = { json.null, true, 1.25 }, [5] = {} }, -1 }
    assert.same(value, resp.decode(resp.encode(value)))
  end)

  it("says what cannot be encoded and where", function()
    assert_unencodable("a function", print)
    assert_unencodable('a function at items[3]["the price"]', { items = { 1, 2, { ["the price"] = print } } })
    assert_unencodable("a thread at [1]", { coroutine.create(print) })
    assert_unencodable("a key of this kind", { [print] = 1 })
    assert_unencodable("a simple string with a line end at [1]", { resp.simple "a\nb" })
    assert_unencodable("an array whose keys are not 1..n", resp.push { [2] = 1 })
    local cycle <const> = { {} }
    cycle[1].again = cycle
    assert_unencodable("a cycle at [1].again", cycle)
    local deep = {}
    for _ = 1, 600 do deep = { deep } end
    assert.matches("^cannot encode a table that is nested too deep at %[1%]", select(2, pcall(resp.encode, deep)))
    assert.has_error(function() resp.encode(1, { version = 4 }) end)
    assert.has_error(function() resp.push(setmetatable({}, {})) end)
  end)

  it("makes commands of words", function()
    assert.equal(lines "*4\n$3\nSET\n$1\na\n$1\n5\n$3\n1.5\n", resp.command("SET", "a", 5, 1.5))
    assert.equal(lines "*2\n$4\nECHO\n$3\nabc\n", resp.command("ECHO", buffer.from "abc"))
    assert.has_error(function() resp.command("SET", "a", true) end)
    assert.has_error(function() resp.command() end)
  end)
end)
