--- A task that had spawned others, and had ended, but whose handle was alive when the process ended, had its scope
--- dropped once more: the handle of the last task in it looked at freed memory.

local helper <const> = require "spec.helper"

describe("the handles of ended tasks", function()
  helper.leaves_nothing(before_each, after_each)

  it("may be alive when the process ends", function()
    local directory <close> = helper.directory { ["a.lua"] = [[
      local task <const> = require "perigee.task"
      local kept <const> = {}
      kept[1] = task.spawn(function()
        kept[2] = task.spawn(function() end)
        kept[2]:join()
      end)
      kept[1]:join()
      print(kept[1].state, kept[2].state)
    ]] }
    assert.same({ "returned\treturned\n", 0 }, { helper.run(("%s run %s/a.lua"):format(helper.binary, directory)) })
  end)
end)
