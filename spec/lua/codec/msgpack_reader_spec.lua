local helper <const> = require "spec.helper"
local msgpack <const> = require "perigee.codec.msgpack"
local task <const> = require "perigee.task"

--- One value of every form, with heads and payloads that can be cut anywhere.
local function samples()
  local values <const> = {
    0, -1, 200, 40000, 100000, 1 << 40, -100, -1000, -100000, -1 << 40, 1.5, true, false, "", "x", ("y"):rep(31),
    ("z"):rep(40), ("w"):rep(300), "\xff", ("\xff"):rep(300), msgpack.ext(1, "a"), msgpack.ext(2, "abc"),
    msgpack.ext(3, ("e"):rep(300)), msgpack.timestamp(1), msgpack.timestamp(1, 1), msgpack.timestamp(-1), { a = 1 },
    { 1, { 2, { 3, { x = { {} } } } } }, { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 },
  }
  local map <const> = {}
  for i = 1, 20 do map["key " .. i] = i end
  values[#values + 1] = map
  return values
end

local assert_failure <const> = helper.assert_failure

for name, pair in pairs(helper.transports) do
  describe("a reader of MessagePack over " .. name, function()
    helper.leaves_nothing(before_each, after_each)

    describe("", function()
      local a, b
      before_each(function()
        a, b = pair()
        a.timeout = 20
      end)
      after_each(function() a:abort() b:abort() end)

      it("takes messages that come together one by one", function()
        local values <const>, parts <const> = samples(), {}
        for i, value in ipairs(values) do parts[i] = msgpack.encode(value) end
        local writer <const> = task.spawn(function() return b:write(table.concat(parts)) end)
        local reader <const> = msgpack.reader(a)
        for _, value in ipairs(values) do assert.same(value, (reader:next())) end
        writer:join()
        b:shutdown()
        assert_failure("closed", "closed by the peer$", reader:next())
      end)

      it("waits for the rest of a message that is cut anywhere", function()
        local reader <const> = msgpack.reader(a)
        for _, value in ipairs(samples()) do
          local text <const> = msgpack.encode(value)
          for at = 1, math.min(#text - 1, 12) do
            b:write(text:sub(1, at))
            local t <const> = task.spawn(function() return reader:next() end)
            helper.eventually(function() return t.state == "waiting" end)
            task.sleep(0)
            assert.equal("waiting", t.state)
            b:write(text:sub(at + 1))
            assert.same(value, (t:join()))
          end
        end
      end)

      it("reads messages that come byte by byte", function()
        local values <const> = samples()
        local writer <const> = task.spawn(function()
          for _, value in ipairs(values) do
            for byte in msgpack.encode(value):gmatch "." do
              b:write(byte)
              task.sleep(0)
            end
          end
        end)
        local reader <const> = msgpack.reader(a)
        for _, value in ipairs(values) do assert.same(value, (reader:next())) end
        writer:join()
      end)

      it("leaves what is behind a message to other reads", function()
        local reader <const> = msgpack.reader(a)
        b:write "\x92\1\2rest\3"
        assert.same({ 1, 2 }, (reader:next()))
        assert.equal("rest", (a:read(4)))
        assert.equal(3, (reader:next()))
      end)
    end)
  end)
end

describe("a reader of MessagePack", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local a, b
    before_each(function()
      a, b = require "perigee.net".pair()
      a.timeout = 20
    end)
    after_each(function() a:abort() b:abort() end)

    local function assert_refused(message, text, options)
      local here <const>, there <const> = require "perigee.net".pair()
      here.timeout = 20
      local reader <const> = msgpack.reader(here, options)
      there:write(text)
      assert_failure("protocol", "invalid MessagePack at byte " .. message .. "$", reader:next())
      assert_failure("protocol", "an earlier message could not be read$", reader:next())
      here:abort()
      there:abort()
    end

    it("says when the peer closes in the middle, at whatever byte", function()
      local text <const> = msgpack.encode { { a = "b", [300] = -70000 }, 1.5, ("x"):rep(40), msgpack.ext(1, "abc") }
      for length = 0, #text - 1 do
        local here <const>, there <const> = require "perigee.net".pair()
        here.timeout = 20
        there:write(text:sub(1, length))
        there:close()
        local value <const>, message <const>, code <const> = msgpack.reader(here):next()
        assert.is_nil(value)
        if length == 0 then
          assert.equal("closed", code)
        else
          assert.equal("protocol", code)
          assert.matches("closed by the peer in the middle of a MessagePack message$", message)
        end
        here:abort()
      end
    end)

    it("refuses what claims more than the limit as soon as it does", function()
      assert_refused("1: an array of 4294967295 values, in a message of at most 1048576 bytes", "\xdd\xff\xff\xff\xff")
      assert_refused("1: a map of 4294967295 pairs, in a message of at most 1048576 bytes", "\xdf\xff\xff\xff\xff")
      assert_refused("3: a string of 4294967295 bytes, in a message of at most 1048576 bytes",
        "\x92\1\xdb\xff\xff\xff\xff")
      assert_refused("1: binary data of 65535 bytes, in a message of at most 100 bytes", "\xc5\xff\xff",
        { limit = 100 })
      assert_refused("1: an extension of 255 bytes, in a message of at most 100 bytes", "\xc7\xff", { limit = 100 })
      assert_refused("5: an array of 60000 values, in a message of at most 100000 bytes",
        "\x92\xdc\xea\x60" .. "\xdc\xea\x60", { limit = 100000 })
      assert_refused("4: an array of 15 values, in a message of at most 20 bytes", "\x98\1\1\x9f", { limit = 20 })
    end)

    it("takes a message of just the limit, and none that is longer", function()
      local text <const> = msgpack.encode(("x"):rep(97))
      assert.equal(99, #text)
      local reader <const> = msgpack.reader(a, { limit = 99 })
      b:write(text, text)
      assert.equal(97, #(reader:next()))
      assert.equal(97, #(reader:next()))
      assert_refused("1: a string of 97 bytes, in a message of at most 98 bytes", text, { limit = 98 })
      local short <const> = msgpack.reader(a, { limit = 3 })
      b:write "\x92\1\2\xa3abc"
      assert.same({ 1, 2 }, (short:next()))
      assert_failure("limit", "", short:next())
    end)

    it("refuses nesting beyond the depth before the message is whole", function()
      assert_refused("513: too many levels", ("\x91"):rep(10000))
      assert_refused("513: too many levels", ("\x92"):rep(10000))
      assert_refused("513: too many levels", ("\x81"):rep(10000))
      assert_refused("3: too many levels", "\x91\x91\x90", { depth = 2 })
      assert_refused("1025: too many levels", ("\x81\1"):rep(10000) .. "\xc0")
      local reader <const> = msgpack.reader(a, { depth = 2 })
      b:write "\x92\x91\1\x93\x80\1\2"
      assert_failure("protocol", "at byte 5: too many levels$", reader:next())
    end)

    it("takes many containers beside each other", function()
      local value <const> = {}
      for i = 1, 5000 do value[i] = { { i } } end
      b:write(msgpack.encode(value), msgpack.encode(value))
      local reader <const> = msgpack.reader(a)
      assert.same(value, (reader:next()))
      assert.same(value, (reader:next()))
    end)

    it("tells where a message is none", function()
      assert_refused("3: 0xc1, which begins no value", "\x92\1\xc1")
      assert_refused("2: an array as a key", "\x81\x90\1")
      assert_refused("2: the integer 18446744073709551615, beyond 9223372036854775807", "\x91\xcf" .. ("\xff"):rep(8))
      assert_refused("1: an array expected", "\x80", { list = true })
      assert_refused("1: an array without elements", "\x90", { list = true })
      assert_refused("1: an array of more than 10000 elements, too many for a list",
        "\xdc\xff\0" .. ("\1"):rep(0xff00), { list = true })
    end)

    it("decodes by the options", function()
      local reader <const> = msgpack.reader(a, { list = "call", binary = "buffer", uint64 = "float" })
      b:write(msgpack.encode_list(1, 7, nil, "\xff"), msgpack.encode_call({ 1, nil, n = 2 }, 0, 8, "add"),
        "\x91\xcf", ("\xff"):rep(8))
      local kind <const>, id <const>, problem <const>, result <const> = reader:next()
      assert.same({ 1, 7, nil, "\xff" }, { kind, id, problem, result:string() })
      assert.same({ n = 5, 0, 8, "add", 1, nil }, table.pack(reader:next()))
      assert.equal(2.0 ^ 64, (reader:next()))
    end)

    it("passes over what cannot be decoded when it is told to", function()
      local reader <const> = msgpack.reader(a, { list = true, skip = true })
      local large <const> = "\xcf" .. ("\xff"):rep(8)
      for bytes, start in pairs { ["\x94\0\7\xa3add\x91" .. large] = { 0, 7, "add" },
        ["\x94\0" .. large .. "\xa3add\x90"] = { 0 }, ["\x94\xc0\7\xa3add" .. large] = {}, ["\x90"] = {},
        ["\x93\2\xa3add\x81\xc0\1"] = { 2, "add" }, ["\x81\xc0\1"] = {}, ["\x92\xca\0\0\0\0" .. large] = {},
        ["\x92\xdc\0\0" .. large] = {}, ["\x92\xd9\1x" .. large] = { "x" }, [large] = {} } do
        b:write(bytes, "\x91\1")
        local mark <const>, message <const>, code <const>, one <const>, two <const>, three <const> = reader:next()
        assert.equal(msgpack.null, mark)
        assert.matches("^invalid MessagePack at byte %d+: ", message)
        assert.is_true(code == "limit" or code == "protocol")
        assert.same(start, { one, two, three })
        assert.equal(1, (reader:next()))
      end
      b:write "\x91\xc1"
      assert_failure("protocol", "0xc1", reader:next())
      assert_failure("protocol", "an earlier message could not be read", reader:next())
    end)

    it("iterates over the messages, and the connection tells why it ends", function()
      b:write(msgpack.encode_list("a", 1), msgpack.encode_list("b", 2))
      b:close()
      local seen <const> = {}
      for word, number in msgpack.reader(a, { list = true }):messages() do seen[#seen + 1] = word .. number end
      assert.same({ "a1", "b2" }, seen)
    end)

    it("waits no longer than the connection's timeout, and goes on then", function()
      a.timeout = 0.01
      local reader <const> = msgpack.reader(a)
      b:write "\x92\1"
      assert_failure("timeout", "", reader:next())
      a.timeout = 20
      b:write "\2"
      assert.same({ 1, 2 }, (reader:next()))
    end)

    it("raises for misuse", function()
      assert.error_matches(function() msgpack.reader(a, { limits = 5 }) end, "there is no option 'limits'")
      assert.error_matches(function() msgpack.reader(a, { limit = 0 }) end, "option 'limit' must be")
      assert.error_matches(function() msgpack.reader(a, 5) end, "table expected")
      assert.error_matches(function() msgpack.reader {} end, "perigee.connection expected")
      assert.equal("reader of MessagePack", tostring(msgpack.reader(a)))
    end)
  end)
end)
