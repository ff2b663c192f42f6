local buffer <const> = require "perigee.buffer"
local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local mutations <const> = require "spec.fixtures.mutations"
local pickle <const> = require "perigee.codec.pickle"

local null <const>, tuple <const> = pickle.null, pickle.tuple

local function assert_refused(code, message, text, options)
  local value <const>, problem <const>, short <const> = pickle.decode(text, options)
  assert.is_nil(value)
  assert.same({ message, code }, { problem, short })
end

local function assert_invalid(message, text)
  assert_refused("protocol", "invalid pickle" .. message, text)
end

local function assert_denied(what, byte, text, options)
  assert_refused("denied", ("pickle names %s at byte %d: only data is taken"):format(what, byte), text, options)
end

local function assert_unencodable(message, value, options)
  local ok <const>, raised <const> = pcall(pickle.encode, value, options)
  assert.same({ false, "cannot encode " .. message }, { ok, raised })
end

local function round_trip(value, protocol, options)
  local text <const> = pickle.encode(value, { protocol = protocol })
  local result <const>, message <const> = pickle.decode(text, options)
  assert(result ~= nil or not message, message)
  return result
end

--- Runs f(protocol) for each.
local function each_protocol(f)
  for protocol = 0, 5 do f(protocol) end
end

describe("a pickle", function()
  it("keeps numbers, and what is an integer and what a float", function()
    each_protocol(function(protocol)
      for _, value in ipairs { 0, 1, 255, 256, 65535, 65536, -1, 1 << 31, -1 << 31, math.maxinteger, math.mininteger,
        0.0, 1.5, 1.0, 1e308, 5e-324, 0.1, math.huge, -math.huge } do
        local result <const> = round_trip(value, protocol)
        assert.equal(value, result)
        assert.equal(math.type(value), math.type(result))
      end
      assert.equal(-math.huge, 1 / round_trip(-0.0, protocol))
      local nan <const> = round_trip(0 / 0, protocol)
      assert.is_true(nan ~= nan)
    end)
  end)

  it("keeps booleans and nulls", function()
    each_protocol(function(protocol)
      assert.same({ true, false, null }, round_trip({ true, false, null }, protocol))
      assert.is_nil(round_trip(nil, protocol))
      assert.is_nil(round_trip(null, protocol))
      assert.is_false(round_trip(false, protocol))
    end)
  end)

  it("keeps text and bytes, and tells them apart where it is asked to", function()
    each_protocol(function(protocol)
      for _, text in ipairs { "", "text", "line\nline\r\0\26", "\\u0041 \\ \\\\", "\u{E9}\u{20AC}\u{1F600}",
        ("x"):rep(300), "lone \u{D800} surrogate" } do
        assert.equal(text, round_trip(text, protocol, { binary = "buffer" }))
      end
      for _, bytes in ipairs { "\xFF", "\0\x80", ("\xFE"):rep(300) } do
        assert.equal(bytes, round_trip(bytes, protocol))
        local given <const> = round_trip(bytes, protocol, { binary = "buffer" })
        assert.same({ "userdata", bytes }, { type(given), given:string() })
      end
      assert.equal("text", round_trip(buffer.from "text", protocol, { binary = "buffer" }):string())
    end)
  end)

  it("keeps lists, tuples, dicts and sets apart by their marks", function()
    each_protocol(function(protocol)
      local value <const> = round_trip({ list = { 1, 2 }, none = pickle.list {}, tuple = tuple { 1, 2 },
        empty = tuple {}, dict = pickle.dict { [1] = "a", [tuple { 1 }] = "b" }, nothing = {}, set = pickle.set { "a" },
        frozen = pickle.frozenset { "b" } }, protocol)
      local kinds <const> = {}
      for name, part in pairs(value) do kinds[name] = pickle.kind(part) or "plain" end
      assert.same({ list = "plain", none = "list", tuple = "tuple", empty = "tuple", dict = "dict", nothing = "plain",
        set = "set", frozen = "frozenset" }, kinds)
      assert.same({ 1, 2 }, value.tuple)
      assert.equal("a", value.dict[1])
      assert.same({ {}, { "a" }, { "b" } }, { value.nothing, value.set, value.frozen })
    end)
  end)

  it("is a list of a table with the keys 1..n or the mark of json.array, else a dict", function()
    local function opcode(value) return pickle.encode(value):sub(3, 3) end
    assert.same({ "]", "]", "}", "}", "}", "}", "}" }, { opcode { 1, 2 }, opcode(json.array {}), opcode {},
      opcode { a = 1 }, opcode { 1, a = 1 }, opcode { [2] = 1 }, opcode(json.object { 1 }) })
    assert.equal("}", opcode { 1, nil, 3, 4 })
    assert.same({ 1, nil, 3 }, round_trip { 1, nil, 3 })
  end)

  it("has what is in several places once", function()
    each_protocol(function(protocol)
      local shared <const> = { "shared" }
      local value <const> = round_trip({ shared, tuple { shared }, { again = shared } }, protocol)
      assert.is_true(rawequal(value[1], value[2][1]) and rawequal(value[1], value[3].again))
    end)
    local text <const> = ("long text"):rep(100)
    assert.is_true(#pickle.encode { text, text, text } < 2 * #text)
  end)

  it("has builtin exceptions, where they are wanted", function()
    each_protocol(function(protocol)
      local text <const> = pickle.encode({ pickle.exception("KeyError", "key") }, { protocol = protocol })
      local value <const> = assert(pickle.decode(text, { exceptions = true }))[1]
      assert.is_true(pickle.is_exception(value))
      assert.same({ "KeyError", { "key" }, "KeyError: key" }, { value.exception, value.arguments, tostring(value) })
      local module <const> = protocol < 3 and "exceptions" or "builtins"
      assert.matches("^pickle names " .. module .. ".KeyError at byte %d+: only data is taken$",
        select(2, pickle.decode(text)))
    end)
    assert.has_error(function() pickle.exception("os.system", "x") end,
      "bad argument 'kind' (os.system is no exception of Python's builtins)")
  end)
end)

describe("pickle.encode", function()
  it("names what cannot be encoded, and where", function()
    assert_unencodable("a function at items[3].price", { items = { 1, 2, { price = print } } })
    assert_unencodable('a thread at ["a b"]', { ["a b"] = coroutine.create(print) })
    assert_unencodable("a FILE* at [1]", { io.stdout })
    assert_unencodable("a function", print)
    assert_unencodable("a table as a key", { [{}] = 1 })
    assert_unencodable("a set as a key at a", { a = { [pickle.set {}] = 1 } })
    assert_unencodable("a list as a key", { [tuple { json.array {} }] = 1 })
    assert_unencodable("a table as a key at [1]", { pickle.set { { 1 } } })
    local cycle <const> = { a = {} }
    cycle.a[1] = cycle
    assert_unencodable("a cycle at a[1]", cycle)
    local deep = {}
    for _ = 1, 512 do deep = { deep } end
    assert_unencodable("a table that is nested too deep at " .. ("[1]"):rep(512), deep)
    assert.is_string(pickle.encode(deep, { depth = 513 }))
  end)

  it("refuses options that there are not", function()
    assert.has_error(function() pickle.encode(1, { protocol = 6 }) end,
      "option 'protocol' must be an integer from 0 to 5, not 6")
    assert.has_error(function() pickle.encode(1, { indent = 1 }) end, "there is no option 'indent'")
    assert.has_error(function() pickle.decode("N.", { binary = "hex" }) end,
      'option \'binary\' must be "string" or "buffer", not hex')
    assert.has_error(function() pickle.decode(1) end, "bad argument 'text' (a string expected)")
    assert.has_error(function() pickle.tuple(1) end, "bad argument 't' (a table expected)")
    assert.has_error(function() pickle.tuple(setmetatable({}, {})) end,
      "bad argument 't' (it has a metatable of its own)")
  end)
end)

describe("pickle.decode", function()
  it("reads what Python 2 and the older protocols write", function()
    assert.same({ 1, true, false, 5, -7, 1.5, "q\0'", "text", "\xFF" }, pickle.decode
      "(lp0\nI1\naI01\naI00\naL5L\naI-7\naF1.5\naS'q\\x00\\''\np1\naU\4textaT\1\0\0\0\xFFa.")
    assert.same({ "set", { 1, 2 } }, (function(value) return { pickle.kind(value), value } end)(
      pickle.decode "c__builtin__\nset\np0\n((lp1\nI1\naI2\natp2\nRp3\n."))
    assert.equal("\xE9", pickle.decode "c_codecs\nencode\n(V\\u00e9\nVlatin1\ntR.")
    assert.equal("", pickle.decode "c__builtin__\nbytes\n)R.")
    assert.equal("a", (pickle.decode "(K\1Va\nd.")[1])
  end)

  it("takes no integers of more than 64 bits", function()
    for _, text in ipairs { "L9223372036854775808L\n.", "I-9223372036854775809\n.", "L" .. ("9"):rep(500) .. "L\n.",
      "\x80\2\x8a\9" .. ("\xFF"):rep(8) .. "\0.", "\x80\2\x8b\x20\0\0\0" .. ("\1"):rep(32) .. "." } do
      local value <const>, message <const>, code <const> = pickle.decode(text)
      assert.same({ nil, "limit" }, { value, code })
      assert.matches("^pickle at byte %d: an integer of more than 64 bits$", message)
    end
    assert.equal(-1, pickle.decode("\x80\2\x8a\x0c" .. ("\xFF"):rep(12) .. "."))
  end)

  it("refuses whatever names code, and says what", function()
    assert_denied("os.system", 1, "cos\nsystem\n(S'id'\ntR.")
    assert_denied("posix.system", 18, "\x80\4\x8c\5posix\x8c\6system\x93\x8c\2id\x85R.")
    assert_denied("__builtin__.eval", 1, "c__builtin__\neval\n(S'1'\ntR.")
    assert_denied("builtins.getattr", 1, "cbuiltins\ngetattr\n.")
    assert_denied("copy_reg._reconstructor", 1, "ccopy_reg\n_reconstructor\n(cos\nsystem\n")
    assert_denied("__main__.Point", 2, "(i__main__\nPoint\n.")
    assert_denied("builtins.set", 16, "(cbuiltins\nset\no.")
    assert_denied("builtins.set", 16, "cbuiltins\nset\n)\x81.")
    assert_denied("builtins.set", 17, "cbuiltins\nset\n)}\x92.")
    assert_denied("builtins.set", 15, "cbuiltins\nset\n.")
    assert_denied("builtins.set", 16, "(cbuiltins\nset\nl.")
    assert_denied("builtins.set", 15, "cbuiltins\nset\n\x85.")
    assert_denied("builtins.set", 18, "}(cbuiltins\nset\nNu.")
    assert_denied("the state of an object", 3, "]}b.")
    assert_denied("extension 7", 1, "\x82\7.")
    assert_denied("extension 258", 1, "\x83\2\1.")
    assert_denied("extension 1", 1, "\x84\1\0\0\0.")
    assert_denied("the persistent object id", 1, "Pid\n.")
    assert_denied("a persistent object", 2, "NQ.")
    assert_denied("a buffer beside it", 1, "\x97.")
    assert_denied("builtins.ValueError", 1, "cbuiltins\nValueError\n(tR.")
    assert_denied("__builtin__.OSError", 2, "(i__builtin__\nOSError\n.", { exceptions = true })
    assert_denied("os?" .. ("x"):rep(57) .. "....a?", 1, "cos\27" .. ("x"):rep(100) .. "\na\xFF\n.")
  end)

  it("calls what it knows with nothing but data", function()
    assert_invalid(" at byte 3: what is called is no class", "])R.")
    assert_invalid(" at byte 16: what a class is called with is no tuple", "cbuiltins\nset\n]R.")
    assert_invalid(" at byte 18: a set is made of one list", "cbuiltins\nset\nK\5\x85R.")
    assert_invalid(" at byte 20: bytes are made of Latin-1", "cbuiltins\nbytes\nK\5\x85R.")
    assert_invalid(" at byte 35: bytes are made of Latin-1", "c_codecs\nencode\n(V\\u20ac\nVlatin1\ntR.")
  end)

  it("refuses what is no pickle, and says where", function()
    assert_invalid(" at byte 1: it is cut off", "")
    assert_invalid(" at byte 1: 0x7b is no opcode", '{"a":1}')
    assert_invalid(" at byte 1: protocol 6 is not known", "\x80\6N.")
    assert_invalid(" at byte 1: nothing is on the stack", ".")
    assert_invalid(" at byte 3: values are left on the stack", "NN.")
    assert_invalid(" at byte 3: values are left on the stack", "(N.")
    assert_invalid(" at byte 3: bytes after its end", "N.N")
    assert_invalid(" at byte 1: there is no mark", "e.")
    assert_invalid(" at byte 4: there is no list to add to", "}(Ne.")
    assert_invalid(" at byte 4: there is no dict to add to", "]NNs.")
    assert_invalid(" at byte 4: a key without a value", "}(Nu.")
    assert_invalid(" at byte 5: a list is no key", "}(]Nu.")
    assert_invalid(" at byte 13: a key that is NaN", "}(G\x7F\xF8\0\0\0\0\0\0Nu.")
    assert_invalid(" at byte 4: a dict is no member of a set", "\x8f(}\x90.")
    assert_invalid(" at byte 1: a text that is not UTF-8", "X\1\0\0\0\xFF.")
    assert_invalid(" at byte 1: a text with a wrong escape", "V\\u12\n.")
    assert_invalid(" at byte 1: a string without its quotes", "Sabc\n.")
    assert_invalid(" at byte 1: no integer", "I1.5\n.")
    assert_invalid(" at byte 1: no number", "F0x10\n.")
    assert_invalid(" at byte 5: a length of -1", "T\xFF\xFF\xFF\xFF.")
    assert_invalid(" at byte 1: nothing is in the memo at 3", "h\3.")
    assert_invalid(" at byte 2: the memo has no place -1", "Np-1\n.")
    assert_invalid(" at byte 10: nothing is on the stack", "\x95\0\0\0\0\0\0\0\0R.")
  end)

  it("says of every beginning of a pickle that it ends too early", function()
    each_protocol(function(protocol)
      local text <const> = pickle.encode({ 1, -5, 1 << 40, 1.5, "text", "\xFF", tuple { 1, 2, 3, 4 }, pickle.set { 1 },
        pickle.dict { [1] = true }, pickle.exception("KeyError", "k"), ("long"):rep(99) }, { protocol = protocol })
      assert.is_table((pickle.decode(text, { exceptions = true })))
      for length = 0, #text - 1 do
        local value <const>, message <const>, code <const> = pickle.decode(text:sub(1, length), { exceptions = true })
        assert.same({ nil, "protocol" }, { value, code })
        assert.matches("^invalid pickle at byte %d+: it is cut off$", message)
      end
    end)
  end)

  it("believes no length before the bytes are there", function()
    for _, text in ipairs { "X\xFF\xFF\xFF\xFF", "\x8e\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", "\x8b\xFF\xFF\xFF\x7F",
      "\x95\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F." } do
      assert.matches("^invalid pickle at byte %d: it is cut off$", select(2, pickle.decode(text)))
    end
    assert_invalid(" at byte 9: a length of -1", "\x8e" .. ("\xFF"):rep(8) .. ".")
  end)

  it("refuses what is nested too deep, however it is built", function()
    local message <const> = ": it is nested deeper than 512"
    assert_invalid(message, ("]"):rep(10000) .. ("a"):rep(9999) .. ".")
    assert_invalid(message, ("]("):rep(10000) .. ("e"):rep(10000) .. ".")
    assert_invalid(message, ")" .. ("\x85"):rep(10000) .. ".")
    assert_invalid(message, ("]"):rep(513) .. ("a"):rep(512) .. ".")
    local late <const> = { "]r\0\0\0\0" } -- each list gets the next one when it is in another already
    for level = 0, 512 do
      late[#late + 1] = ("0j%s]r%sa"):format(("<I4"):pack(level), ("<I4"):pack(level + 1))
    end
    assert_invalid(message, table.concat(late) .. "0h\0.")
    assert.is_table((pickle.decode(("]"):rep(512) .. ("a"):rep(511) .. ".")))
    assert.is_table((pickle.decode(("]"):rep(4096) .. ("a"):rep(4095) .. ".", { depth = 4096 })))
    assert_invalid(message, "}" .. ")" .. ("\x85"):rep(600) .. "Ns.")
  end)

  it("refuses a value that contains itself", function()
    assert_invalid(": a value that contains itself", "]q\0h\0a.")
    assert_invalid(": a value that contains itself", "]q\0}q\1X\1\0\0\0ah\0sa.")
    assert_invalid(": a value that contains itself", "]q\0(h\0\x85q\1K\1e.")
  end)

  it("refuses what is small but stands for very much", function()
    local laughs <const> = { "]q\0(NNNNNNNNNNe" }
    for level = 1, 30 do
      laughs[#laughs + 1] = ("0]q%c(%se"):format(level, ("h" .. string.char(level - 1)):rep(10))
    end
    local message <const> = "a pickle of more than 10000000 steps"
    assert_refused("limit", message, table.concat(laughs) .. ".")
    assert_refused("limit", message, "]" .. "B\0\0\1\0" .. ("x"):rep(1 << 16) .. "q\0a(" .. ("h\0"):rep(5000) .. "e.")
    assert_refused("limit", message, "(N" .. ("2"):rep(10000001) .. "l.")
    assert_refused("limit", message, "(" .. ("]"):rep(1250001) .. "l.")
    local numbers <const> = pickle.encode { 1, 2, 3, 4, 5, 6, 7, 8, 9 }
    assert_refused("limit", "a pickle of more than 10 steps", numbers, { limit = 10 })
    local once <const> = assert(pickle.decode(pickle.encode { 1, 2, 3 }, { limit = 16 }))
    assert.same({ 1, 2, 3 }, once)
  end)

  it("bears damage: it gives a value that can be encoded, or says what is wrong", function()
    local target <const> = dofile "spec/fuzz/lua/pickle.lua"
    mutations.run(target.seeds, target.check, function(count) return count == 3000 end, 1)
  end)
end)

describe("pickles of Python", function()
  it("are read as what they were, and what we write is what Python reads", function()
    local files <close> = helper.directory { ["write.py"] = [==[
import pickle, random, struct, sys
from math import inf
random.seed(7)
def key(depth):
    return random.choice([
        'k%d' % random.randrange(9), random.randrange(-9, 999), b'b%d' % random.randrange(9), (1, 'a', (2,)), None,
        True, 2.5, frozenset([1, 'x'])])
def value(depth=0):
    def some(make): return [make(depth + 1) for _ in range(random.randrange(6))]
    makers = [
        lambda: None, lambda: random.choice([True, False]),
        lambda: random.choice([0, 255, 256, -1, 2**31, -2**31 - 1, 2**63 - 1, -2**63, random.randrange(-2**63, 2**63)]),
        lambda: random.choice([0.0, -0.0, 1.5, 1e300, inf, -inf, 5e-324, random.random()]),
        lambda: ''.join(random.choice('a\\\n\0\r\x1aé中😀\'"ux\ud800') for _ in range(random.randrange(20))),
        lambda: bytes(random.randrange(256) for _ in range(random.randrange(300))),
        lambda: some(value), lambda: tuple(some(value)), lambda: dict(zip(some(key), some(value))),
        lambda: set(some(key)), lambda: frozenset(some(key)),
    ]
    return random.choice(makers if depth < 4 else makers[:6])()
values = [value() for _ in range(300)]
def name(*numbers): return sys.argv[1] + '/' + '_'.join(map(str, numbers))
if sys.argv[2] == 'write':
    for protocol in range(6):
        with open(name(protocol), 'wb') as file:
            for v in values: file.write(struct.pack('>I', len(p := pickle.dumps(v, protocol))) + p)
else:
    wrong = 0
    for read in range(6):
        for written in range(6):
            with open(name(read, written), 'rb') as file:
                for v in values:
                    w = pickle.loads(file.read(struct.unpack('>I', file.read(4))[0]))
                    if v != w or type(v) != type(w): wrong += 1
                assert not file.read()
    print(wrong)
]==] }
    local directory <const> = tostring(files)
    local python <const> = ("/usr/bin/python3 %s/write.py %s "):format(directory, directory)
    assert.same({ "", 0 }, { helper.run(python .. "write") })
    local function values_of(protocol)
      local values <const>, file <close> = {}, assert(io.open(("%s/%d"):format(directory, protocol), "rb"))
      for header in function() return file:read(4) end do
        local size <const> = (">I4"):unpack(header)
        local value <const>, message <const> = pickle.decode(file:read(size), { binary = "buffer" })
        assert(value ~= nil or not message, message)
        values[#values + 1] = value == nil and null or value
      end
      return values
    end
    each_protocol(function(protocol)
      local values <const> = values_of(protocol)
      each_protocol(function(written)
        local file <close> = assert(io.open(("%s/%d_%d"):format(directory, protocol, written), "wb"))
        for _, value in ipairs(values) do
          file:write((">s4"):pack(pickle.encode(value, { protocol = written })))
        end
      end)
    end)
    assert.same({ "0\n", 0 }, { helper.run(python .. "check") })
  end)
end)
