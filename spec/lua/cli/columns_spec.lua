local columns <const> = require "perigee.cli.columns"

describe("Columns", function()
  it("are as wide as their widest cells, with numbers to the right", function()
    assert.equal("name    count\nä           7\nlonger    123",
      columns.text({ { "name", "count" }, { "ä", "7" }, { "longer", "123" } }, { right = { [2] = true } }))
  end)

  it("have no blanks at the ends of lines, and are indented", function()
    assert.same({ "  a   b", "  cc" }, columns.lines({ { "a", "b" }, { "cc", "" } }, { indent = 2 }))
    assert.same({}, columns.lines {})
  end)

  it("are cut to a width, with an ellipsis", function()
    assert.same({ "ab  cd", "öü  e…" }, columns.lines({ { "ab", "cd" }, { "öü", "efgh" } }, { width = 6 }))
  end)

  for _, case in ipairs {
    { "abc", 3, "abc" }, { "abcd", 3, "ab…" }, { "äöüß", 3, "äö…" }, { "äöü", 3, "äöü" }, { "ab", 1, "…" },
    { "ab", 0, "" },    { "\xFFabc", 3, "\xFFa…" }, { "", 0, "" },
  } do
    it(("cut '%s' to %d"):format(case[1], case[2]), function()
      assert.equal(case[3], columns.cut(case[1], case[2]))
    end)
  end
end)

describe("Numbers in columns", function()
  for seconds, text in pairs {
    [0] = "0s", [0.9] = "0s", [59.9] = "59s", [60] = "1m", [61] = "1m 1s", [3600] = "1h", [3661] = "1h 1m",
    [86399] = "23h 59m", [90000] = "1d 1h", [864000] = "10d",
  } do
    it(("are durations: %s"):format(text), function() assert.equal(text, columns.duration(seconds)) end)
  end

  it("are bytes, milliseconds and counts", function()
    assert.same({ "0.0 MiB", "1.5 MiB" }, { columns.bytes(0), columns.bytes(3 << 19) })
    assert.same({ "0.0 ms", "12.3 ms" }, { columns.milliseconds(0), columns.milliseconds(0.01234) })
    assert.same({ "0 tasks", "1 task", "2 tasks" }, { columns.count(0, "task"), columns.count(1, "task"),
      columns.count(2, "task") })
  end)

  it("that are not known are dashes", function()
    assert.same({ "-", "-", "-" }, { columns.duration(), columns.bytes(), columns.milliseconds() })
  end)
end)
