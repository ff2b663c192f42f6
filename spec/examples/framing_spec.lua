local helper <const> = require "spec.helper"

local function run(example)
  return helper.run(("TZ=Asia/Seoul %s run examples/%s.lua"):format(helper.binary, example))
end

describe("the example", function()
  helper.leaves_nothing(before_each, after_each)

  it("framing_prefixed gets each message whole", function()
    assert.same({ "3\n0\n24\nHELLO\n", 0 }, { run "framing_prefixed" })
  end)

  it("framing_delimited gets messages up to the delimiter and the limit", function()
    assert.same({ "5 bytes\nnil\tprotocol\nrefused: limit\n", 0 }, { run "framing_delimited" })
  end)

  it("framing_struct shows the byte orders, and receives records", function()
    local expected <const> = {
      ">I2\t00 01",
      "<I2\t01 00",
      "sensor 1: -1.50 degrees at 18:35:09",
      "sensor 2: -3.00 degrees at 18:35:10",
      "sensor 3: -4.50 degrees at 18:35:11",
    }
    assert.same({ table.concat(expected, "\n") .. "\n", 0 }, { run "framing_struct" })
  end)

  it("framing_netstring shows what goes over the wire", function()
    local output <const>, status <const> = run "framing_netstring"
    local expected <const> = {
      'netstring 5:hello,  ->  "hello"',
      'varint    <05>hello  ->  "hello"',
      'netstring 0:,  ->  ""',
      'varint    <00>  ->  ""',
      'netstring 5:a,b:c,  ->  "a,b:c"',
      'varint    <05>a,b:c  ->  "a,b:c"',
      "",
    }
    local shown <const>, refused <const> = output:match "^(.*\n)(nil\t[^\n]*)\n$"
    assert.equal(table.concat(expected, "\n"), shown)
    assert.matches('^nil\treceive from .*the length of a netstring is "05"\tprotocol$', refused)
    assert.equal(0, status)
  end)

  it("half_close reads the answer after it has ended its side", function()
    local output <const>, status <const> = run "half_close"
    assert.matches("^19 bytes, 4 words\nnil\tread from tcp://127.0.0.1:%d+: closed by the peer\tclosed\n$", output)
    assert.equal(0, status)
  end)
end)
