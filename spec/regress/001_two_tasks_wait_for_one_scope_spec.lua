--- A stop joined a service's scope while the service's own task was joining it, and raised.

local core <const> = require "core.task"
local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

describe("a scope", function()
  helper.leaves_nothing(before_each, after_each)

  it("may be waited for by several tasks", function()
    local scope <const> = core.scope()
    local worker <const> = scope:spawn(task.sleep, math.huge)
    local joins <const> = { task.spawn(scope.join, scope), task.spawn(scope.join, scope) }
    helper.eventually(function() return joins[1].state == "waiting" and joins[2].state == "waiting" end)
    worker:cancel()
    for _, join in ipairs(joins) do assert.is_true(join:join()) end
  end)

  it("lets one of them give up without the other", function()
    local scope <const> = core.scope()
    local worker <const> = scope:spawn(task.sleep, math.huge)
    local patient <const> = task.spawn(scope.join, scope)
    assert.equal("timeout", (select(3, scope:join(0.001))))
    worker:cancel()
    assert.is_true(patient:join())
  end)
end)
