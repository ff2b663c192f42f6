local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

describe("a task", function()
  helper.leaves_nothing(before_each, after_each)

  it("may wait in coroutines of its own, which see only their own yields", function()
    local numbers <const> = coroutine.wrap(function()
      for i = 1, 3 do
        task.sleep(0)
        coroutine.yield(i)
      end
    end)
    local co <const> = coroutine.create(function(a) task.sleep(0) return a, numbers(), numbers() end)
    assert.same({ true, "x", 1, 2 }, { coroutine.resume(co, "x") })
    assert.equal("dead", coroutine.status(co))
    assert.equal(3, numbers())
  end)

  it("is cancelled in a coroutine of its own, too", function()
    local t <const> = task.spawn(function() coroutine.wrap(task.sleep)(math.huge) end)
    helper.eventually(function() return t.state == "waiting" end)
    t:cancel()
    assert.equal("cancelled", (select(3, t:join())))
  end)

  it("cannot resume a coroutine in which another task waits", function()
    local co <const> = coroutine.create(task.sleep)
    local t <const> = task.spawn(coroutine.resume, co, math.huge)
    helper.eventually(function() return t.state == "waiting" end)
    assert.has_error(function() coroutine.resume(co) end, "cannot resume a coroutine that waits in a task")
    t:cancel()
    t:join()
  end)

  it("gets the errors of its coroutines as Lua gives them", function()
    local co <const> = coroutine.create(function() task.sleep(0) error("broken", 0) end)
    assert.same({ false, "broken" }, { coroutine.resume(co) })
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
    local ok <const>, message <const> = pcall(coroutine.wrap(function() error "wrapped" end))
    assert.is_false(ok)
    assert.matches("coroutine_spec.lua:%d+: wrapped", message)
  end)

  it("refuses to wait in the callback of a function that cannot wait, and says so", function()
    local ok <const>, message <const> = pcall(string.gsub, "x", "x", function() task.sleep(0) end)
    assert.is_false(ok)
    assert.matches("sleep has to wait, and only a task can: this is the callback", message)
    assert.is_false((pcall(table.sort, { 2, 1 }, function() coroutine.wrap(task.sleep)(0) end)))
    task.sleep(0)
  end)
end)
