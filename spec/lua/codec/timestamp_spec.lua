local timestamp <const> = require "perigee.codec.timestamp"

local function assert_no_time(text)
  local value <const>, message <const>, code <const> = timestamp.parse(text)
  assert.is_nil(value)
  assert.same({ ("no ISO 8601 date and time: %q"):format(text), "protocol" }, { message, code })
end

describe("a timestamp", function()
  it("is a table of seconds and nanoseconds", function()
    local moment <const> = timestamp.new(5, 7)
    assert.same({ 5, 7 }, { moment.seconds, moment.nanoseconds })
    assert.equal(0, timestamp.new(5).nanoseconds)
    assert.is_true(timestamp.is_timestamp(moment))
    assert.is_false(timestamp.is_timestamp { seconds = 5, nanoseconds = 7 })
    assert.is_false(timestamp.is_timestamp(5))
  end)

  it("compares as a moment", function()
    local moments <const> = { timestamp.new(-1, 999999999), timestamp.new(0), timestamp.new(0, 1), timestamp.new(1) }
    for i, a in ipairs(moments) do
      for j, b in ipairs(moments) do
        assert.same({ i < j, i <= j, i == j }, { a < b, a <= b, a == b })
      end
    end
    assert.is_true(timestamp.new(3, 4) == timestamp.new(3, 4))
  end)

  it("is ISO 8601 as text", function()
    for text, moment in pairs {
      ["1970-01-01T00:00:00Z"] = timestamp.new(0), ["2000-02-29T12:00:00Z"] = timestamp.new(951825600),
      ["2018-01-02T03:04:05.678901234Z"] = timestamp.new(1514862245, 678901234),
      ["1969-12-31T23:59:59.999999999Z"] = timestamp.new(-1, 999999999),
      ["1900-03-01T00:00:00Z"] = timestamp.new(-2203891200), ["9999-12-31T23:59:59Z"] = timestamp.new(253402300799),
      ["0000-01-01T00:00:00Z"] = timestamp.new(-62167219200),
      ["2026-11-20T08:30:00.25Z"] = timestamp.new(1795163400, 250000000),
    } do
      assert.equal(text, tostring(moment))
      assert.equal(moment, (timestamp.parse(text)))
    end
    assert.equal("292277026596-12-04T15:30:07Z", tostring(timestamp.new(math.maxinteger)))
    assert.equal("-292277022657-01-27T08:29:52Z", tostring(timestamp.new(math.mininteger)))
  end)

  it("says the same as os.date for any day", function()
    for seconds = -5000000000, 20000000000, 86400 * 97 + 12345 do
      assert.equal(os.date("!%Y-%m-%dT%H:%M:%SZ", seconds), tostring(timestamp.new(seconds)))
      assert.equal(seconds, timestamp.parse(tostring(timestamp.new(seconds))).seconds)
    end
  end)

  it("comes from and goes to a number", function()
    assert.equal(timestamp.new(1763625000, 250000000), timestamp.from_number(1763625000.25))
    assert.equal(timestamp.new(-2, 750000000), timestamp.from_number(-1.25))
    assert.equal(timestamp.new(2), timestamp.from_number(1.9999999999))
    assert.equal(timestamp.new(7), timestamp.from_number(7))
    assert.equal(-1.25, timestamp.from_number(-1.25):number())
  end)

  it("raises for what is none", function()
    assert.error_matches(function() timestamp.new(1, 1000000000) end, "nanoseconds must be 0 to 999999999")
    assert.error_matches(function() timestamp.new(1, -1) end, "nanoseconds must be")
    assert.error_matches(function() timestamp.new(1.5) end, "no integer representation")
    assert.error_matches(function() timestamp.from_number(0 / 0) end, "no integer representation")
  end)
end)

describe("timestamp.parse", function()
  it("reads the forms of ISO 8601", function()
    for text, seconds in pairs {
      ["20261120T08:30:00"] = 1795163400, ["2026-11-20T08:30:00"] = 1795163400, ["20261120T083000Z"] = 1795163400,
      ["2026-11-20 08:30:00z"] = 1795163400, ["2026-11-20t09:30:00+01:00"] = 1795163400,
      ["2026-11-20T03:00:00-0530"] = 1795163400, ["2016-12-31T23:59:60Z"] = 1483228800,
      ["2026-11-20T08:30:00,0+00:00"] = 1795163400,
    } do
      assert.equal(timestamp.new(seconds), (timestamp.parse(text)), text)
    end
    assert.equal(123456789, timestamp.parse("2026-11-20T08:30:00.1234567899Z").nanoseconds)
  end)

  it("refuses what is none, and days that there are not", function()
    for _, text in ipairs {
      "", "now", "2026-11-20", "2026-11-20T08:30", "2026-02-29T00:00:00", "2026-13-01T00:00:00", "2026-00-01T00:00:00",
      "2026-04-31T00:00:00", "2026-01-00T00:00:00", "2026-01-01T24:00:00", "2026-01-01T00:60:00", "2026-01-01T00:00:61",
      "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00 UTC", "1900-02-29T00:00:00", "2026-01-01T00:00:00.Z",
    } do
      assert_no_time(text)
    end
    assert.is_table(timestamp.parse "2000-02-29T00:00:00")
  end)
end)
