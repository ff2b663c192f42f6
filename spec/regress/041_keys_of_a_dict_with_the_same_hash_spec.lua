local pickle <const> = require "perigee.codec.pickle"

-- A megabyte of such keys took 14 seconds; places of the memo that are chosen likewise, too.
describe("a pickle whose numbers have the same hash in Lua's tables", function()
  local COUNT <const>, CHAINS <const> = 100000, (1 << 17) - 1

  --- A dict of so many keys; all, or one in `every`, are in one chain of a table for them.
  local function dict_of(key_of, opcode)
    local items <const> = {}
    for i = 1, COUNT do items[i] = key_of(i) .. "N" .. (opcode or "") end
    return opcode and "}" .. table.concat(items) .. "." or "}(" .. table.concat(items) .. "u."
  end

  local function integer(value) return "\x8a\8" .. ("<i8"):pack(value) end
  local function float(value) return "G" .. (">d"):pack(value) end

  local function assert_refused(text)
    local value <const>, message <const>, code <const> = pickle.decode(text)
    assert.is_nil(value)
    assert.matches("too many keys that have the same hash", message)
    assert.equal("protocol", code)
  end

  it("is refused", function()
    assert_refused(dict_of(function(i) return integer(i * CHAINS) end))
    assert_refused(dict_of(function(i) return integer(-i * CHAINS) end))
    assert_refused(dict_of(function(i) return integer(i % 8 == 0 and i * CHAINS or i * 7919) end))
    assert_refused(dict_of(function(i) return integer(i * CHAINS) end, "s"))
    assert_refused(dict_of(function(i) return float(1 + i * 2.0 ^ -52) end)) -- the hash is of the first 31 bits
  end)

  it("is read when they have not", function()
    for _, key_of in ipairs {
      function(i) return integer(i) end,
      function(i) return integer(-i * 1000) end,
      function(i) return integer(i << 20) end,
      function(i) return integer(1700000000000 + i * 86400000) end,
      function(i) return float(i + 0.5) end,
      function(i) return float(i * 0.001) end,
      function() return integer(math.random(0)) end,
    } do
      local value <const>, message <const> = pickle.decode(dict_of(key_of))
      assert.truthy(value, message)
    end
  end)

  it("has places in the memo below its length", function()
    local _ <const>, message <const> = pickle.decode "Nr\xff\xff\0\0."
    assert.equal("invalid pickle at byte 2: the memo has no place 65535", message)
    assert.same({ 1, 1 }, pickle.decode "](K\1p9\ng9\ne.")
  end)
end)
