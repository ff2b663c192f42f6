local pretty <const> = require "perigee.console.pretty"
local quote <const> = require "perigee.console.quote"

local value <const> = pretty.value

describe("a value, pretty-printed", function()
  it("is written as in Lua, where it can be", function()
    assert.equal("nil", value(nil))
    assert.equal("true", value(true))
    assert.equal("42", value(42))
    assert.equal("1.0", value(1.0))
    assert.equal("0.1", value(0.1))
    assert.equal("0.30000000000000004", value(0.1 + 0.2))
    assert.equal("-inf", value(-math.huge))
    assert.matches("nan", value(0 / 0))
    assert.equal('"text"', value "text")
    assert.equal("{}", value {})
    assert.equal("{ 1, 2, 3 }", value { 1, 2, 3 })
    assert.equal('{ a = 1, ["b c"] = 2, ["end"] = 3 }', value { a = 1, ["b c"] = 2, ["end"] = 3 })
  end)

  it("has the array first, then the keys by kind and size", function()
    assert.equal('{ "x", [-1] = 1, [2.5] = 2, [10] = 3, a = 4, b = { c = 5 }, [false] = 6, [true] = 7 }',
      value { "x", [-1] = 1, [2.5] = 2, [10] = 3, a = 4, b = { c = 5 }, [true] = 7, [false] = 6 })
    assert.equal("{ 1, nil, 3 }", value { 1, nil, 3 })
  end)

  it("goes over several lines when one is too short", function()
    assert.equal(('{\n  first = "%s",\n  second = { 1, 2 },\n  third = "%s"\n}'):format(("x"):rep(60), ("y"):rep(30)),
      value { first = ("x"):rep(60), second = { 1, 2 }, third = ("y"):rep(30) })
    assert.equal("{\n  a = {\n    b = 1,\n    c = 2\n  }\n}", value({ a = { b = 1, c = 2 } }, 14))
  end)

  it("has short values of an array side by side", function()
    local list <const> = {}
    for i = 1, 40 do list[i] = i * 1000 end
    local text <const> = value(list)
    assert.matches("^{\n  1000, 2000, .*,\n  %d+, .*40000\n}$", text)
    for line in text:gmatch "[^\n]+" do assert.is_true(#line <= 100) end
  end)

  it("is cut where it is wide, and says how much is left out", function()
    local list <const> = {}
    for i = 1, 1000 do list[i] = i end
    assert.matches("100, ... 900 more\n}$", (value(list):gsub(",\n%s*", ", ")))
    local set <const> = {}
    for i = 1, 1000 do set[("k%04d"):format(i)] = true end
    assert.matches("^{\n  k0001 = true,\n.*  k0100 = true,\n  ... 900 more\n}$", value(set))
    local inner <const> = table.move(list, 1, 30, 1, {})
    assert.matches("20, ... 10 more }$", value { inner }:match "{ (.*) }")
  end)

  it("is cut where it is deep", function()
    local deep = {}
    for _ = 1, 20 do deep = { deep } end
    assert.equal("{ { { { { { { ... } } } } } } }", value(deep))
    assert.equal("{ { { { { { {} } } } } } }", value { { { { { { {} } } } } } })
  end)

  it("is cut where many tables are large together", function()
    local many <const> = {}
    for i = 1, 100 do
      many[i] = {}
      for j = 1, 100 do many[i][j] = { j, j } end
    end
    local _, lines <const> = value(many):gsub("\n", "")
    assert.is_true(lines < 1200)
    assert.matches("{ ... }", value(many))
  end)

  it("shows where a cycle leads", function()
    local node <const> = { name = "a", list = { {} } }
    node.list[1].parent, node.list[1].own, node.me = node, node.list[1], node
    assert.equal('{ list = { { own = <cycle: result.list[1]>, parent = <cycle: result> } }, me = <cycle: result>, '
      .. 'name = "a" }', value(node, 120))
    local twice <const> = {}
    assert.equal("{ {}, {} }", value { twice, twice })
  end)

  it("escapes what a terminal would obey, and keeps UTF-8", function()
    assert.equal([["line\nnext\ttab \"quoted\" \\ \x1B[2J \x00"]], value "line\nnext\ttab \"quoted\" \\ \27[2J \0")
    assert.equal([["größer ✓ \xFF\xFE \u{9B}2J \u{202E}"]], value "größer ✓ \xFF\xFE \u{9B}2J \u{202E}")
  end)

  it("cuts long strings, between characters, and says by how much", function()
    assert.equal('"' .. ("x"):rep(4000) .. '"... 6000 more bytes', value(("x"):rep(10000)))
    assert.equal('{ "' .. ("x"):rep(200) .. '"... 1 more bytes }', value({ ("x"):rep(201) }, 300))
    assert.equal('"' .. ("é"):rep(2000) .. '"... 2 more bytes', value(("é"):rep(2001)))
    assert.equal('"x' .. ("é"):rep(1999) .. '"... 2 more bytes', value("x" .. ("é"):rep(2000)))
  end)

  it("says of a function what it takes and where it is", function()
    local line <const> = debug.getinfo(1, "l").currentline + 1
    local function f(room, ...) return room, ... end
    assert.equal(("function(room, ...) at spec/lua/console_pretty_spec.lua:%d"):format(line), value(f))
    assert.equal("function string.format", value(string.format))
    assert.equal("function print", value(print))
    assert.equal("function in C", value(coroutine.wrap(f)))
  end)

  it("is what its metatable says", function()
    assert.equal("<a point>", value(setmetatable({}, { __tostring = function() return "<a point>" end })))
    assert.equal("two\\nlines", value(setmetatable({}, { __tostring = function() return "two\nlines" end })))
    assert.equal("Client { name = 1 }", value(setmetatable({ name = 1 }, { __name = "Client" })))
    assert.matches("^file %(0x", value(io.stdout))
    assert.matches("^<table whose __tostring fails: .*oh>$",
      value(setmetatable({}, { __tostring = function() error "oh" end })))
    assert.matches("^thread: 0x%x+ %(suspended%)$", value(coroutine.create(print)))
  end)

  it("calls no other metamethod", function()
    local function never() error "it was called" end
    local strict <const> = setmetatable({ a = 1 }, { __index = never, __pairs = never, __len = never, __eq = never })
    assert.equal("{ a = 1 }", value(strict))
  end)

  it("is fast for a table of a million", function()
    local large <const> = {}
    for i = 1, 1000000 do large[i * 2.5] = i end
    assert.matches("... 999900 more\n}$", value(large))
  end)
end)

describe("several values", function()
  it("are one below the other", function()
    assert.equal("1\nnil\n\"x\"", pretty.values(table.pack(1, nil, "x")))
    assert.equal("nil", pretty.values(table.pack(nil)))
    assert.equal("", pretty.values(table.pack()))
  end)
end)

describe("text for a terminal", function()
  it("keeps its lines and tabs, and obeys nothing", function()
    assert.equal("a\tb\nc\\x1B[31m\\x0D\\x7F", quote.shown "a\tb\nc\27[31m\r\127")
    assert.equal("größer \\u{9B} \\xFF", quote.shown "größer \u{9B} \xFF")
  end)
end)
