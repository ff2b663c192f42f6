--- What is collected together is finalized the youngest first: an object that holds the handle of a task finds it
--- collected. Cancelling it was a crash.

local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

describe("a finalizer", function()
  helper.leaves_nothing(before_each, after_each)

  it("may cancel a task whose handle was collected with its object", function()
    local seen <const> = {}
    do
      local object <const> = setmetatable({}, { __gc = function(self)
        self.task:cancel()
        seen[1] = tostring(self.task)
        seen[2] = select(2, pcall(self.task.join, self.task))
        seen[3] = select(2, pcall(function() return self.task.state end))
      end })
      object.task = task.spawn(function() end)
      object.task:join()
    end
    task.sleep(0)
    helper.eventually(function()
      collectgarbage()
      return seen[3]
    end)
    assert.equal("task: collected", seen[1])
    assert.matches("the handle of the task was collected", seen[2])
    assert.matches("the handle of the task was collected", seen[3])
  end)
end)
