--- Processes that began in the same second had the same random numbers where addresses are not random, and so the same
--- identity on the bus of chat: they did not hear each other.

local helper <const> = require "spec.helper"

describe("random numbers", function()
  helper.leaves_nothing(before_each, after_each)

  it("are other ones in each process", function()
    local directory <close> = helper.directory { ["number.lua"] = "print(math.random(0))" }
    local one <const> = ("setarch -R %s run %s/number.lua"):format(helper.binary, directory)
    local output <const>, status <const> = helper.run(("%s & %s & %s & wait"):format(one, one, one))
    assert.equal(0, status, output)
    local seen <const>, count = {}, 0
    for number in output:gmatch "%-?%d+" do
      assert.is_nil(seen[number])
      seen[number], count = true, count + 1
    end
    assert.equal(3, count)
  end)
end)
