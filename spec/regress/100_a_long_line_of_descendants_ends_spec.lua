local helper <const> = require "spec.helper"

-- Each task that ended had the one end that had waited for it alone, by a call within a call: a long line of them went
-- beyond the stack of the process.
describe("tasks of which each is the only child of another", function()
  helper.leaves_nothing(before_each, after_each)

  it("all end, however many they are", function()
    local directory <close> = helper.directory { ["line_spec.lua"] = [[
      local core = require "core.task"
      local MANY = 20000
      it("ends a long line", function()
        local scope, count = core.scope(), 0
        local function descend(left)
          count = count + 1
          if left > 1 then core.spawn(descend, left - 1) end
          core.sleep(math.huge)
        end
        scope:spawn(descend, MANY)
        while count < MANY do core.sleep(0) end
        scope:cancel()
        scope:join()
        assert.equal(0, scope.count)
      end)
    ]] }
    local output <const>, status <const> =
      helper.run(("ulimit -s 512; timeout 60 %s test %s/line_spec.lua"):format(helper.binary, directory))
    assert.equal(0, status, output)
  end)
end)
