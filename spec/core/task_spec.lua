local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

--- A value whose end can be seen.
local function witness(on_close)
  return setmetatable({}, { __close = on_close })
end

describe("a task", function()
  helper.leaves_nothing(before_each, after_each)

  it("returns its results to every join", function()
    local t <const> = task.spawn(function(a, b) return a + b, nil, "x" end, 1, 2)
    assert.same({ 3, nil, "x", n = 3 }, table.pack(t:join()))
    assert.same({ 3, nil, "x", n = 3 }, table.pack(t:join()))
    assert.equal("returned", t.state)
  end)

  it("begins at the scheduler's next turn", function()
    local ran = false
    local t <const> = task.spawn(function() ran = true end)
    assert.is_false(ran)
    t:join()
    assert.is_true(ran)
  end)

  it("tells its error to the join", function()
    local t <const> = task.spawn(function() task.sleep(0) error("broken") end)
    local ok <const>, message <const>, code <const> = t:join()
    assert.is_nil(ok)
    assert.matches("task_spec.lua:%d+: broken", message)
    assert.equal("failed", code)
  end)

  it("closes its <close> variables when it is cancelled", function()
    local closed = false
    local t <const> = task.spawn(function()
      local _ <close> = witness(function() closed = true end)
      task.sleep(math.huge)
    end)
    task.sleep(0)
    t:cancel()
    assert.same({ nil, "the task was cancelled", "cancelled" }, { t:join() })
    assert.is_true(closed)
  end)

  it("does not begin when it is cancelled before its first turn", function()
    local ran = false
    local t <const> = task.spawn(function() ran = true end)
    t:cancel()
    t:join()
    assert.is_false(ran)
    assert.equal("cancelled", t.state)
  end)

  it("cannot wait any more after a cancel, even when it catches it", function()
    local waits = 0
    local t <const> = task.spawn(function()
      for _ = 1, 3 do
        local ok <const>, interruption <const> = pcall(task.sleep, math.huge)
        if not ok and interruption.code == "cancelled" then waits = waits + 1 end
      end
    end)
    task.sleep(0)
    t:cancel()
    t:join()
    assert.equal(3, waits)
  end)

  it("cancels what it spawned when it ends, and ends after it", function()
    local order <const> = {}
    local t <const> = task.spawn(function()
      task.spawn(function()
        local _ <close> = witness(function() order[#order + 1] = "child" end)
        task.sleep(math.huge)
      end)
      task.sleep(0)
      order[#order + 1] = "parent"
    end)
    t:join()
    assert.same({ "parent", "child" }, order)
  end)

  it("gives the others their turn at a plain coroutine.yield", function()
    local t <const> = task.spawn(function() coroutine.yield() return "on" end)
    assert.equal("on", t:join())
  end)

  it("cannot join itself", function()
    local t
    t = task.spawn(function() return pcall(t.join, t) end)
    local ok <const>, message <const> = t:join()
    assert.is_false(ok)
    assert.matches("cannot join itself", message)
  end)

  it("can be joined with a time limit", function()
    local t <const> = task.spawn(task.sleep, math.huge)
    local ok <const>, _, code <const> = t:join(0.001)
    assert.is_nil(ok)
    assert.equal("timeout", code)
    t:cancel()
    t:join()
  end)

  it("keeps running when the handle is garbage", function()
    local ran = false
    task.spawn(function() task.sleep(0) collectgarbage() task.sleep(0) ran = true end)
    collectgarbage()
    helper.eventually(function() return ran end)
  end)

  it("spawns by the ten thousand", function()
    local sum = 0
    task.group(function(group)
      for i = 1, 10000 do group:spawn(function() task.sleep(0) sum = sum + i end) end
    end)
    assert.equal(50005000, sum)
  end)

  it("can be cancelled wherever it is parked", function()
    local channel <const>, queue <const> = task.channel(), task.queue()
    local a <const>, b <const> = require "perigee.net".pair()
    local other <const> = task.spawn(task.sleep, math.huge)
    local places <const> = {
      function() task.sleep(math.huge) end,
      function() channel:receive() end,
      function() queue:get() end,
      function() queue:join() end,
      function() other:join() end,
      function() a:read(1) end,
      function() while true do b:write(("x"):rep(100000)) end end,
      function() task.group(function(group) group:spawn(task.sleep, math.huge) end) end,
      function() task.group(function() task.sleep(math.huge) end) end,
      function() task.deadline(1000, task.sleep, math.huge) end,
    }
    queue:put(1)
    queue:get()
    for i, place in ipairs(places) do
      local t <const> = task.spawn(place)
      helper.eventually(function() return t.state == "waiting" end)
      t:cancel()
      assert.same({ i, "cancelled" }, { i, (select(3, t:join())) })
    end
    other:cancel()
    a:close()
    b:abort()
  end)
end)
