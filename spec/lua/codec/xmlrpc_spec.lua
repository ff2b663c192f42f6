local buffer <const> = require "perigee.buffer"
local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local timestamp <const> = require "perigee.codec.timestamp"
local xmlrpc <const> = require "perigee.codec.xmlrpc"

local HEAD <const> = "<?xml version='1.0'?>\n"

local function assert_refused(message, text, options)
  local value <const>, problem <const>, code <const> = xmlrpc.decode(text, options)
  assert.is_nil(value)
  assert.same({ "invalid XML-RPC at byte " .. message, "protocol" }, { problem, code })
end

local function assert_problem(problem, text)
  local value <const>, message <const>, code <const> = xmlrpc.decode(text)
  assert.is_nil(value, text)
  assert.equal(problem, (message:gsub("^invalid XML%-RPC at byte %d+: ", "")), text)
  return code
end

local function assert_unencodable(message, value, options)
  local ok <const>, raised <const> = pcall(xmlrpc.encode, value, options)
  assert.is_false(ok)
  assert.equal("cannot encode " .. message, raised)
end

local function value_of(element)
  return "<value>" .. element .. "</value>"
end

local function nested(depth)
  return ("<value><array><data>"):rep(depth) .. ("</data></array></value>"):rep(depth)
end

local function assert_round_trip(value, element)
  assert.equal(HEAD .. value_of(element), xmlrpc.encode(value))
  assert.same({ value }, { xmlrpc.decode(value_of(element)) })
  assert.equal(math.type(value), math.type(xmlrpc.decode(value_of(element))))
end

describe("xmlrpc.decode", function()
  it("reads every kind of value", function()
    assert.same({ 1, -2.5, "x", true, false, json.null, { b = { c = {} } }, {} }, xmlrpc.decode [[
<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment --><?target a processing instruction?>
<value>
  <array> <data>
    <value><int>1</int></value> <value><double>-2.5</double></value> <value>x</value>
    <value> <boolean>1</boolean> </value><value><boolean>0</boolean></value><value><nil/></value>
    <value><struct><member>
      <name>b</name> <value><struct><member><name>c</name><value><struct/></value></member></struct></value>
    </member></struct></value>
    <value><array><data/></array></value>
  </data> </array>
</value>
]])
    for element, value in pairs {
      ["<string>a &lt;b&gt; &amp; c</string>"] = "a <b> & c", ["<string></string>"] = "", [""] = "", ["  "] = "  ",
      ["a<!-- b -->c<![CDATA[<d>]]>"] = "ac<d>", ["<string>&#233;&#x1F600;</string>"] = "é😀",
      ["<base64>\n  AAH/\n  YQ==\n</base64>"] = "\0\1\xffa", ["<base64/>"] = "", ["<name/>"] = false,
    } do
      if value then assert.equal(value, (xmlrpc.decode(value_of(element)))) end
    end
    assert.is_nil(xmlrpc.decode(value_of "<nil/>"))
  end)

  it("keeps integers of 64 bits, and refuses larger ones", function()
    for text, value in pairs {
      ["0"] = 0, ["-0"] = 0, ["+7"] = 7, ["-7"] = -7, ["007"] = 7, ["2147483648"] = 2147483648,
      ["9223372036854775807"] = math.maxinteger, ["-9223372036854775808"] = math.mininteger,
    } do
      for _, name in ipairs { "int", "i4", "i8", "i1", "i2", "biginteger", "ex:i8" } do
        local found <const> = xmlrpc.decode(value_of(("<%s>%s</%s>"):format(name, text, name)))
        assert.same({ value, "integer" }, { found, math.type(found) })
      end
    end
    for _, text in ipairs { "9223372036854775808", "-9223372036854775809", "1" .. ("0"):rep(400) } do
      assert.equal("limit", assert_problem("an integer that is too large", value_of("<i8>" .. text .. "</i8>")))
    end
    for _, text in ipairs { "", " 1", "1 ", "1.0", "1e3", "0x10", "--1", "+-1", "one", "1_000", "١" } do
      assert_problem("an integer expected", value_of("<int>" .. text .. "</int>"))
    end
  end)

  it("reads decimal numbers, and no others", function()
    for text, value in pairs {
      ["0"] = 0.0, ["-12.53"] = -12.53, ["+1.5"] = 1.5, ["5."] = 5.0, [".5"] = 0.5, ["1e+300"] = 1e300,
      ["1E-2"] = 0.01, ["123456789012345678"] = 123456789012345678.0, ["1e-400"] = 0.0,
    } do
      local found <const> = xmlrpc.decode(value_of("<double>" .. text .. "</double>"))
      assert.same({ value, "float" }, { found, math.type(found) })
    end
    assert.equal(-math.huge, 1 / xmlrpc.decode(value_of "<double>-0.0</double>"))
    for _, text in ipairs { "", ".", "nan", "inf", "-Infinity", "0x1p4", "1e", "1.2.3", " 1.5", "1,5", "1e5.0" } do
      assert_problem("a decimal number expected", value_of("<double>" .. text .. "</double>"))
    end
    assert.equal("limit", assert_problem("a number that is too large", value_of "<double>1e400</double>"))
  end)

  it("reads times, as UTC when they do not say", function()
    for text, expected in pairs {
      ["19980717T14:08:55"] = { 900684535, 0 }, ["1998-07-17T14:08:55"] = { 900684535, 0 },
      ["19980717T14:08:55Z"] = { 900684535, 0 }, ["19980717T16:08:55+02:00"] = { 900684535, 0 },
      ["19980717T14:08:55.25"] = { 900684535, 250000000 }, ["1998-07-17T09:38:55.000000001-0430"] = { 900684535, 1 },
      ["19700101T00:00:00"] = { 0, 0 }, ["20000229T23:59:59"] = { 951868799, 0 },
      ["00010101T00:00:00"] = { -62135596800, 0 },
    } do
      local found <const> = xmlrpc.decode(value_of("<dateTime.iso8601>" .. text .. "</dateTime.iso8601>"))
      assert.same(expected, { found.seconds, found.nanoseconds }, text)
    end
    for _, text in ipairs {
      "", "now", "19980717", "19980717T14:08", "19980717 14:08:55", "19981317T14:08:55", "19980732T14:08:55",
      "19980700T14:08:55", "19990229T00:00:00", "19980717T24:00:00", "19980717T14:60:00", "19980717T14:08:61",
      "1998-0717T14:08:55", "19980717T14:08:55.", "19980717T14:08:55+2", "19980717T14:08:55+24:00",
      "-9980717T14:08:55", " 19980717T14:08:55",
    } do
      assert_problem("a time like 19980717T14:08:55 expected",
        value_of("<dateTime.iso8601>" .. text .. "</dateTime.iso8601>"))
    end
  end)

  it("takes the last of duplicate names, and marks empty arrays", function()
    local member <const> = "<member><name>a</name><value><int>%d</int></value></member>"
    assert.same({ a = 2 }, xmlrpc.decode(value_of("<struct>" .. member:format(1) .. member:format(2) .. "</struct>")))
    assert.equal("[]", json.encode(xmlrpc.decode(value_of "<array><data/></array>")))
    assert.equal("{}", json.encode(xmlrpc.decode(value_of "<struct/>")))
  end)

  it("gives bytes as a buffer when that is wanted", function()
    local bytes <const> = xmlrpc.decode(value_of "<base64>AAH/</base64>", { binary = "buffer" })
    assert.same({ "u8", "\0\1\xff" }, { bytes.type, bytes:string() })
  end)

  it("reads the encodings that expat knows", function()
    local text <const> = "<?xml version='1.0' encoding='%s'?><value>%s</value>"
    assert.equal("é", xmlrpc.decode(text:format("ISO-8859-1", "\xE9")))
    assert.equal("é", xmlrpc.decode(text:format("utf-8", "é")))
    local wide <const> = "\xFF\xFE" .. text:format("UTF-16", "?"):gsub("%?</", "\xE9</"):gsub(".", "%0\0")
    assert.equal("é", xmlrpc.decode(wide))
    assert_problem("unknown encoding", text:format("KOI8-R", "x"))
    assert_problem("not well-formed (invalid token)", "<value>\xff</value>")
  end)

  it("says where it ceases to be XML-RPC", function()
    assert_refused("1: no element found", "")
    assert_refused("8: no element found", "<value>")
    assert_refused("16: an integer expected", "<value><int>1.5</int></value>")
    assert_refused("9: not well-formed (invalid token)", "<value><>")
    assert_refused("15: mismatched tag", "<value><int></value>")
    assert_refused("17: junk after document element", "<value>1</value><value>2</value>")
    assert_refused("8: undefined entity", "<value>&name;</value>")
  end)

  it("refuses what is no value", function()
    for text, problem in pairs {
      ["<int>1</int>"] = "<value> expected, not <int>", ["<value><int>1</int><int>2</int></value>"] =
        "a second element in <value>", ["<value><int><int>1</int></int></value>"] = "<int> in <int>",
      ["<value>x<int>1</int></value>"] = "text beside <int> in <value>",
      ["<value><int>1</int>x</value>"] = "text beside an element in <value>",
      ["<value><value>1</value></value>"] = "<value> in <value>",
      ["<value><int><value>1</value></int></value>"] = "<value> in <int>",
      ["<value><struct><member><name><value>1</value></name></member></struct></value>"] = "<value> in <name>",
      ["<value><float32>1</float32></value>"] = "<float32> in <value>",
      ["<value><array></array></value>"] = "<array> without <data>",
      ["<value><array>x<data/></array></value>"] = "text in <array>",
      ["<value><array><data/><data/></array></value>"] = "a second element in <array>",
      ["<value><array><data><int>1</int></data></array></value>"] = "<int> in <data>",
      ["<value><struct><member><name>a</name></member></struct></value>"] = "<member> without <value>",
      ["<value><struct><member><value>1</value></member></struct></value>"] = "<value> before <name>",
      ["<value><struct><member><value>1</value><name>a</name></member></struct></value>"] = "<value> before <name>",
      ["<value><struct><member><name>a</name><name>b</name><value/></member></struct></value>"] = "a second <name>",
      ["<value><struct><member><name>a</name><value/><value/></member></struct></value>"] =
        "a second element in <member>",
      ["<value><struct><name>a</name></struct></value>"] = "<name> in <struct>",
      ["<" .. ("x"):rep(10000) .. "/>"] = "<value> expected, not <" .. ("x"):rep(40) .. "...>",
      ["<value><struct>x</struct></value>"] = "text in <struct>",
      ["<value><boolean>true</boolean></value>"] = "0 or 1 expected", ["<value><nil>x</nil></value>"] = "text in <nil>",
      ["<value><base64>A</base64></value>"] = "base64 expected", ["<value><base64>AA=A</base64></value>"] =
        "base64 expected", ["<value><base64>AA==AA==</base64></value>"] = "base64 expected",
    } do
      assert.equal("protocol", assert_problem(problem, text))
    end
  end)

  it("refuses any DOCTYPE: entities that multiply, and those that name files", function()
    local bomb <const> = { "<!DOCTYPE lolz [<!ENTITY a0 'lol'>" }
    for i = 1, 9 do bomb[#bomb + 1] = ("<!ENTITY a%d '%s'>"):format(i, ("&a%d;"):format(i - 1):rep(10)) end
    bomb[#bomb + 1] = "]><value>&a9;</value>"
    for _, text in ipairs {
      table.concat(bomb), "<!DOCTYPE x><value>1</value>", "<!DOCTYPE x SYSTEM 'http://127.0.0.1/x'><value/>",
      "<!DOCTYPE x [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><value>&f;</value>",
      "<!DOCTYPE x [<!ENTITY % p SYSTEM 'file:///etc/passwd'>%p;]><value/>",
      "<!DOCTYPE x [<!ATTLIST value a CDATA '" .. ("x"):rep(10000) .. "'>]><value/>",
    } do
      assert_problem("a DOCTYPE is refused", text)
      local wide <const> = ("\xFF\xFE" .. text:gsub(".", "%0\0"))
      assert_problem("a DOCTYPE is refused", wide)
    end
  end)

  it("limits how deep values are nested", function()
    assert.is_table(xmlrpc.decode(nested(512)))
    assert.same({ nil, "invalid XML-RPC at byte 10248: it is nested too deep", "limit" },
      { xmlrpc.decode(nested(513)) })
    assert.same({ nil, "invalid XML-RPC at byte 48: it is nested too deep", "limit" },
      { xmlrpc.decode(nested(3), { depth = 2 }) })
    assert.is_table(xmlrpc.decode(nested(4096), { depth = 4096 }))
    assert.equal("limit", (select(3, xmlrpc.decode(nested(100000), { depth = 4096 }))))
  end)

  it("fails at every place where a text is cut, or has another byte", function()
    local text <const> = xmlrpc.encode { 1, 2.5, "aé", true, { b = json.null, c = "\xff" }, timestamp.new(0, 0) }
    for length = 0, #text - 1 do
      local value <const>, message <const> = xmlrpc.decode(text:sub(1, length))
      assert(value == nil and message:find "^invalid XML%-RPC at byte %d+: ", length)
    end
    for position = 1, #text do
      for _, byte in ipairs { "\0", "<", ">", "&", "x", "1", "/", "\xff", " " } do
        local changed <const> = text:sub(1, position - 1) .. byte .. text:sub(position + 1)
        local value <const>, message <const> = xmlrpc.decode(changed)
        assert(value ~= nil or message:find "^invalid XML%-RPC at byte %d+: ")
      end
    end
  end)

  it("is quick about texts that are in many pieces", function()
    local text <const> = value_of(("a<!---->"):rep(100000))
    assert.equal(("a"):rep(100000), xmlrpc.decode(text))
    assert.equal(50000, #xmlrpc.decode(value_of("<array><data>" .. ("<value/>"):rep(50000) .. "</data></array>")))
  end)
end)

describe("xmlrpc.encode", function()
  it("writes what decode reads", function()
    assert_round_trip(0, "<int>0</int>")
    assert_round_trip(2147483647, "<int>2147483647</int>")
    assert_round_trip(-2147483648, "<int>-2147483648</int>")
    assert_round_trip(2147483648, "<i8>2147483648</i8>")
    assert_round_trip(math.mininteger, "<i8>-9223372036854775808</i8>")
    assert_round_trip(1.0, "<double>1.0</double>")
    assert_round_trip(0.1, "<double>0.1</double>")
    assert_round_trip(1e300, "<double>1e+300</double>")
    assert_round_trip(5e-324, "<double>4.94065645841247e-324</double>")
    assert_round_trip(0.1 + 0.2, "<double>0.30000000000000004</double>")
    assert_round_trip(true, "<boolean>1</boolean>")
    assert_round_trip(false, "<boolean>0</boolean>")
    assert_round_trip("", "<string></string>")
    assert_round_trip("a <b> & 'c' \"d\"", "<string>a &lt;b&gt; &amp; 'c' \"d\"</string>")
    assert_round_trip("\t\r\n é 😀 \u{7f}\u{85}", "<string>\t&#13;\n é 😀 \u{7f}\u{85}</string>")
    assert_round_trip("]]>", "<string>]]&gt;</string>")
    assert_round_trip("\0", "<base64>AA==</base64>")
    assert_round_trip("\u{fffe}", "<base64>77++</base64>")
    assert_round_trip("\xff", "<base64>/w==</base64>")
    assert_round_trip("\u{1b}[1m", "<base64>G1sxbQ==</base64>")
    assert_round_trip({ 1, "a" },
      "<array><data><value><int>1</int></value><value><string>a</string></value></data></array>")
    assert_round_trip({ ["<é"] = json.null },
      "<struct><member><name>&lt;é</name><value><nil/></value></member></struct>")
    assert_round_trip({}, "<struct></struct>")
    assert_round_trip(json.array {}, "<array><data></data></array>")
    assert_round_trip(timestamp.new(900684535, 0), "<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>")
    assert.equal(HEAD .. value_of "<nil/>", xmlrpc.encode(nil))
    assert.equal(HEAD .. value_of "<nil/>", xmlrpc.encode(json.null))
  end)

  it("honours the marks of perigee.codec.json", function()
    assert.equal(HEAD .. value_of "<struct><member><name>1</name><value><int>7</int></value></member></struct>",
      xmlrpc.encode(json.object { 7 }))
    assert_unencodable("a table whose keys are neither 1..n nor all strings", json.array { 1, a = 2 })
  end)

  it("writes buffers as base64, whatever their type", function()
    assert.equal(HEAD .. value_of "<base64>YWJj</base64>", xmlrpc.encode(buffer.from "abc"))
    local numbers <const> = buffer.array("u16", 2):fill(0x4142)
    assert.equal(HEAD .. value_of "<base64>QkFCQQ==</base64>", xmlrpc.encode(numbers))
  end)

  it("keeps every time from the year 1 to 9999", function()
    local first <const>, last <const> = -62135596800, 253402300799
    for _, seconds in ipairs { first, last, -1, 0, 951782400, 951868800, 4107542400, -2208988800 } do
      assert.equal(seconds, xmlrpc.decode(xmlrpc.encode(timestamp.new(seconds, 0))).seconds)
    end
    for seconds = first, last, 86400 * 1009 + 7919 do
      assert(xmlrpc.decode(xmlrpc.encode(timestamp.new(seconds, 0))).seconds == seconds)
    end
    for _, seconds in ipairs { first - 1, last + 1, math.mininteger, math.maxinteger } do
      assert_unencodable("a time that is not in the years 1 to 9999", timestamp.new(seconds, 0))
    end
  end)

  it("names what cannot be encoded, and where", function()
    assert_unencodable("a function at items[3].price", { items = { 1, 2, { price = print } } })
    assert_unencodable("a thread", coroutine.create(print))
    assert_unencodable("a FILE* at [1]", { io.stdout })
    assert_unencodable('NaN at ["a b"]', { ["a b"] = 0 / 0 })
    assert_unencodable("an infinite number at x", { x = -math.huge })
    assert_unencodable("a table whose keys are neither 1..n nor all strings at t", { t = { [1] = 1, [3] = 3 } })
    assert_unencodable("a table whose keys are neither 1..n nor all strings", { 1, a = 2 })
    assert_unencodable("a table whose keys are neither 1..n nor all strings", { [true] = 2 })
    assert_unencodable("a key that XML cannot hold at a", { a = { ["\0"] = 1 } })
    assert_unencodable("a time with a fraction of a second (XML-RPC has none)", timestamp.new(0, 1))
    local cycle <const> = {}
    cycle.again = { cycle }
    assert_unencodable("a cycle at again[1]", cycle)
    local shared <const> = {}
    assert.is_string(xmlrpc.encode { shared, shared })
  end)

  it("limits how deep tables are nested", function()
    local function deep(levels)
      local value = {}
      for _ = 2, levels do value = { value } end
      return value
    end
    assert.is_string(xmlrpc.encode(deep(512)))
    assert_unencodable("a table that is nested too deep at " .. ("[1]"):rep(512), deep(513))
    assert_unencodable("a table that is nested too deep at [1][1]", deep(3), { depth = 2 })
  end)

  it("raises for options that are none", function()
    assert.error_matches(function() xmlrpc.encode(1, { binary = "buffer" }) end, "there is no option 'binary'")
    assert.error_matches(function() xmlrpc.decode("", { depth = 0 }) end, "option 'depth' must be an integer of 1 to")
    assert.error_matches(function() xmlrpc.decode("", { binary = "u8" }) end, "option 'binary' must be")
    assert.error_matches(function() xmlrpc.decode(7) end, "bad argument 'text' %(a string expected%)")
  end)
end)

describe("calls and answers of XML-RPC", function()
  it("are read as they were written", function()
    assert.same({ "math.<add>", { 1, "a", nil, { x = 2 }, n = 4 } },
      { xmlrpc.decode_call(xmlrpc.encode_call("math.<add>", { 1, "a", nil, { x = 2 }, n = 4 })) })
    assert.same({ "now", { n = 0 } }, { xmlrpc.decode_call(xmlrpc.encode_call "now") })
    assert.same({ "now", { n = 0 } }, { xmlrpc.decode_call "<methodCall><methodName>now</methodName></methodCall>" })
    assert.same({ true, { 1, 2 } }, { xmlrpc.decode_response(xmlrpc.encode_response { 1, 2 }) })
    assert.same({ true, nil, n = 2 }, table.pack(xmlrpc.decode_response(xmlrpc.encode_response(nil))))
    assert.same({ false, { code = -7, message = "no <such> thing" } },
      { xmlrpc.decode_response(xmlrpc.encode_fault(-7, "no <such> thing")) })
    assert.equal("a? ?(b", select(2, xmlrpc.decode_response(xmlrpc.encode_fault(1, "a\0 \xC3(b"))).message)
  end)

  it("take elements with Apache's prefix", function()
    assert.same({ true, json.array { json.null, 5 } }, { xmlrpc.decode_response [[
<?xml version="1.0" encoding="UTF-8"?>
<methodResponse xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions"><params><param><value><array><data>
<value><ex:nil/></value><value><ex:i8>5</ex:i8></value></data></array></value></param></params></methodResponse>]] })
  end)

  it("name what cannot be sent", function()
    assert.has_error(function() xmlrpc.encode_call("a", { 1, { f = print } }) end,
      "cannot encode a function at parameters[2].f")
    assert.has_error(function() xmlrpc.encode_call "\0" end, "cannot encode a method's name that XML cannot hold")
    assert.has_error(function() xmlrpc.encode_response { print } end, "cannot encode a function at [1]")
  end)

  it("are refused when they are none", function()
    local function problem(decode, text)
      local value <const>, message <const>, code <const> = decode(text)
      assert.same({ nil, "protocol" }, { value, code })
      return (message:gsub("^invalid XML%-RPC[^:]*: ", ""))
    end
    for text, expected in pairs {
      ["<value/>"] = "<methodCall> expected, not <value>", ["<methodCall/>"] = "<methodCall> without <methodName>",
      ["<methodCall>x<methodName>a</methodName></methodCall>"] = "text in <methodCall>",
      ["<methodCall><params/><methodName>a</methodName></methodCall>"] = "<params> before <methodName>",
      ["<methodCall><methodName>a</methodName><methodName>b</methodName></methodCall>"] = "a second <methodName>",
      ["<methodCall><methodName>a</methodName><params/><params/></methodCall>"] = "a second <params>",
      ["<methodCall><methodName>a</methodName><params><param/></params></methodCall>"] = "<param> without <value>",
      ["<methodCall><methodName>a</methodName><params><value/></params></methodCall>"] = "<value> in <params>",
      ["<methodCall><methodName>a</methodName><fault/></methodCall>"] = "<fault> in <methodCall>",
    } do
      assert.equal(expected, problem(xmlrpc.decode_call, text))
    end
    local fault <const> = "<methodResponse><fault><value>%s</value></fault></methodResponse>"
    local shape <const> = "a fault has an integer faultCode and a string faultString"
    for text, expected in pairs {
      ["<methodResponse/>"] = "<methodResponse> without <params> or <fault>",
      ["<methodResponse><params/></methodResponse>"] = "an answer has one value",
      ["<methodResponse><params><param><value/></param><param><value/></param></params></methodResponse>"] =
        "an answer has one value",
      ["<methodResponse><fault/></methodResponse>"] = "<fault> without <value>", [fault:format "x"] = shape,
      [fault:format "<struct/>"] = shape,
      [fault:format "<struct><member><name>faultCode</name><value>1</value></member></struct>"] = shape,
      ["<methodResponse><params><param><value/></param></params><fault/></methodResponse>"] = "<fault> beside <params>",
    } do
      assert.equal(expected, problem(xmlrpc.decode_response, text))
    end
  end)

  it("are those of Python's xmlrpc.client", function()
    local directory <close> = helper.directory { ["call.xml"] = xmlrpc.encode_call("f", { 1, -2.5, "é <&> \r\n", true,
      nil, { 1, "a", {} }, json.array {}, { ["k<"] = "\0\xff" }, 1 << 40, timestamp.new(900684535, 0), n = 10 }) }
    local output <const>, status <const> = helper.python([==[
import sys, datetime
from xmlrpc.client import Binary, DateTime, Fault, dumps, loads
with open(sys.argv[1] + '/call.xml', 'rb') as file: parameters, name = loads(file.read(), use_builtin_types=True)
assert name == 'f'
assert parameters == (1, -2.5, 'é <&> \r\n', True, None, [1, 'a', {}], [], {'k<': b'\x00\xff'}, 1 << 40,
                      datetime.datetime(1998, 7, 17, 14, 8, 55)), parameters
def write(name, text):
    with open(sys.argv[1] + '/' + name, 'w') as file: file.write(text)
write('back.xml', dumps((1, -2.5, 'é <&>', True, None, [1, 'a', {}], [], {'k<': Binary(bytes(range(256)))},
                         DateTime('19980717T14:08:55'), datetime.datetime(1998, 7, 17, 14, 8, 55), 1e300), 'f.g',
                        allow_none=True))
write('fault.xml', dumps(Fault(7, 'no <way>')))
]==], tostring(directory))
    assert.same({ "", 0 }, { output, status })
    local function read(name)
      local file <close> = assert(io.open(tostring(directory) .. "/" .. name))
      return file:read "a"
    end
    local bytes <const> = {}
    for byte = 0, 255 do bytes[#bytes + 1] = string.char(byte) end
    local time <const> = timestamp.new(900684535, 0)
    local name <const>, parameters <const> = xmlrpc.decode_call(read "back.xml")
    assert.equal("f.g", name)
    assert.same({ 1, -2.5, "é <&>", true, nil, { 1, "a", {} }, {}, { ["k<"] = table.concat(bytes) }, time, time, 1e300,
      n = 11 }, parameters)
    assert.same({ false, { code = 7, message = "no <way>" } }, { xmlrpc.decode_response(read "fault.xml") })
  end)
end)
