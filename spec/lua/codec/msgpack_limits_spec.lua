--- What hostile peers send: claims without bytes behind them, nesting, cut messages, keys that collide.

local msgpack <const> = require "perigee.codec.msgpack"

local function assert_refused(message, text, options)
  local value <const>, problem <const>, code <const> = msgpack.decode(text, options)
  assert.is_nil(value)
  assert.same({ "invalid MessagePack at byte " .. message, "protocol" }, { problem, code })
end

--- Kibibytes that Lua holds more while `f` runs than before, its garbage included.
local function growth(f)
  collectgarbage()
  collectgarbage "stop"
  local before <const> = collectgarbage "count"
  f()
  local after <const> = collectgarbage "count"
  collectgarbage "restart"
  return after - before
end

describe("msgpack.decode", function()
  it("refuses a claim that no bytes can hold at once, without memory for it", function()
    for message, text in pairs {
      ["1: an array of 4294967295 values, more than the bytes that follow"] = "\xdd\xff\xff\xff\xff",
      ["1: a map of 4294967295 pairs, more than the bytes that follow"] = "\xdf\xff\xff\xff\xff\1\1",
      ["1: an array of 65535 values, more than the bytes that follow"] = "\xdc\xff\xff" .. ("\1"):rep(65534),
      ["1: a map of 15 pairs, more than the bytes that follow"] = "\x8f" .. ("\1"):rep(29),
      ["1: a string of 4294967295 bytes, but it ends"] = "\xdb\xff\xff\xff\xffabc",
      ["1: binary data of 4294967295 bytes, but it ends"] = "\xc6\xff\xff\xff\xff",
      ["1: an extension of 4294967295 bytes, but it ends"] = "\xc9\xff\xff\xff\xff\1",
      ["3: an array of 4294967295 values, more than the bytes that follow"] = "\x92\1\xdd\xff\xff\xff\xff",
    } do
      assert.is_true(growth(function() assert_refused(message, text) end) < 64)
    end
  end)

  it("counts what the containers around are still to hold", function()
    assert_refused("4: an array of 9 values, more than the bytes that follow",
      "\xdc\0\5" .. "\x99" .. ("\1"):rep(12))
    assert.is_table(msgpack.decode("\xdc\0\5" .. "\x99" .. ("\1"):rep(13)))
    local nested <const> = ("\xdd\0\1\x86\xa0"):rep(500) -- each of 100000
    local message <const> = "6: an array of 100000 values, more than the bytes that follow"
    local text <const> = nested .. ("\1"):rep(150000)
    assert.is_true(growth(function() assert_refused(message, text) end) < 4096)
  end)

  it("limits the depth", function()
    assert_refused("513: too many levels", ("\x91"):rep(10000))
    assert_refused("513: too many levels", ("\x91"):rep(10000) .. "\xc0")
    assert_refused("1025: too many levels", ("\x81\1"):rep(10000) .. "\xc0")
    assert_refused("513: too many levels", ("\x91"):rep(1000000))
    assert.is_table(msgpack.decode(("\x91"):rep(512) .. "\1"))
    assert.is_table(msgpack.decode(("\x91"):rep(4096) .. "\1", { depth = 4096 }))
    assert_refused("2: too many levels", "\x91\x90", { depth = 1 })
    assert.same({ { {} }, {} }, msgpack.decode("\x92\x91\x90\x90", { depth = 3 }))
    assert_refused("3: too many levels", "\x92\1\x90", { depth = 1, list = true })
  end)

  it("has room for the parts of every level", function()
    local value = msgpack.decode(("\x81\xa1x"):rep(4096) .. "\1", { depth = 4096 })
    for _ = 1, 4096 do value = value.x end
    assert.equal(1, value)
  end)

  it("refuses a message that is cut at any place", function()
    local whole <const> = msgpack.encode {
      { a = 1, b = -300, c = 70000, d = 1 << 40, e = 1.5, f = true, g = msgpack.null },
      { h = -1 << 40, i = -70000, j = -100 },
      "text", ("long"):rep(100), ("longer"):rep(20000), "\xff", ("\xff"):rep(300), ("\xff"):rep(70000),
      msgpack.ext(5, "abcd"), msgpack.ext(5, "abc"), msgpack.ext(5, ("x"):rep(300)), msgpack.timestamp(1, 1),
      { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 }, { 200, 2000, { { {} } } },
    }
    local step = 1
    for length = 0, #whole - 1 do
      if length % step == 0 then
        local value <const>, message <const>, code <const> = msgpack.decode(whole:sub(1, length))
        assert(value == nil and code == "protocol" and message:find "^invalid MessagePack at byte %d+: ", message)
        assert(math.tointeger(message:match "%d+") <= length + 1)
      end
      step = length > 2000 and length < #whole - 1000 and 997 or 1
    end
    assert.is_table(msgpack.decode(whole))
  end)

  it("tells where a message is cut", function()
    for text, message in pairs {
      [""] = "1: a value expected, but it ends",
      ["\x91"] = "1: an array of 1 values, more than the bytes that follow",
      ["\xa5abc"] = "1: a string of 5 bytes, but it ends",
      ["\x92\1\xa5abc"] = "3: a string of 5 bytes, but it ends",
      ["\xcd\1"] = "1: a value that is cut off",
      ["\xd9"] = "1: a value that is cut off",
      ["\xdd\0\0\0"] = "1: a value that is cut off",
      ["\xd6\5abc"] = "1: an extension of 4 bytes, but it ends",
      ["\xd6"] = "1: an extension of 4 bytes, but it ends",
      ["\x92\xcd\1\2"] = "5: a value expected, but it ends",
      ["\1\1"] = "2: the end expected",
      ["\xc1"] = "1: 0xc1, which begins no value",
      ["\x91\xc1"] = "2: 0xc1, which begins no value",
      ["\x81\xc1\1"] = "2: 0xc1, which begins no value",
      ["\xc7\5\xff\1\1\1\1\1"] = "1: a timestamp that has neither 4, 8 nor 12 bytes",
      ["\xd7\xff\xff\xff\xff\xff\0\0\0\0"] = "1: a timestamp with more than 999999999 nanoseconds",
    } do
      assert_refused(message, text)
    end
  end)

  it("reads any bytes or refuses them", function()
    math.randomseed(11)
    for _ = 1, 20000 do
      local bytes <const> = {}
      for i = 1, math.random(0, 24) do bytes[i] = math.random(0, 255) end
      local text <const> = string.char(table.unpack(bytes))
      local value <const>, message <const> = msgpack.decode(text, { depth = 20 })
      if message then assert(value == nil and message:find "^invalid MessagePack at byte %d+: ")
      else msgpack.encode(value) end
    end
  end)

  --- A map of integers that a table of their number puts into one chain.
  local function colliding_map(count)
    local size = 1
    while size < count do size = size * 2 end
    local parts <const> = { string.pack(">BI4", 0xdf, count) }
    for i = 1, count do parts[i + 1] = string.pack(">BI8B", 0xcf, i * (size - 1), 1) end
    return table.concat(parts)
  end

  it("refuses integers as keys that would all be searched in one chain", function()
    assert.is_table(msgpack.decode(colliding_map(255)))
    local value <const>, message <const>, code <const> = msgpack.decode(colliding_map(100000))
    assert.is_nil(value)
    assert.matches("^invalid MessagePack at byte %d+: one of too many keys that have the same hash$", message)
    assert.equal("protocol", code)
  end)

  it("refuses floats as keys that would all be searched in one chain", function()
    local parts <const> = { string.pack(">BI4", 0xdf, 50000) }
    for i = 1, 50000 do parts[i + 1] = string.pack(">BdB", 0xcb, 1.5 + i * 2.0 ^ -50, 1) end
    assert.matches("too many keys that have the same hash", select(2, msgpack.decode(table.concat(parts))))
  end)

  it("takes keys that are spread, however many", function()
    for _, step in ipairs { 1, 2, 7, 1000, 4096, 65536, 1 << 32, -1, -1000 } do
      local map <const> = {}
      for i = 1, 20000 do map[i * step + 5] = i end
      local decoded <const> = msgpack.decode(msgpack.encode(map))
      for key, value in pairs(map) do assert(decoded[key] == value) end
    end
    local floats <const> = {}
    for i = 1, 20000 do floats[i + 0.25] = i end
    assert.equal(19999, msgpack.decode(msgpack.encode(floats))[19999.25])
  end)
end)
