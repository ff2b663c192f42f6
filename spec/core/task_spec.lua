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
    assert.matches("task_spec.lua:%d+: wrapped", message)
  end)

  it("refuses to wait in the callback of a function that cannot wait, and says so", function()
    local ok <const>, message <const> = pcall(string.gsub, "x", "x", function() task.sleep(0) end)
    assert.is_false(ok)
    assert.matches("sleep has to wait, and only a task can: this is the callback", message)
    assert.is_false((pcall(table.sort, { 2, 1 }, function() coroutine.wrap(task.sleep)(0) end)))
    task.sleep(0)
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

describe("task.group", function()
  helper.leaves_nothing(before_each, after_each)

  it("returns when all its tasks have ended, with the body's results", function()
    local count = 0
    local results <const> = table.pack(task.group(function(group)
      for _ = 1, 3 do group:spawn(function() task.sleep(0.001) count = count + 1 end) end
      return "a", nil
    end))
    assert.equal(3, count)
    assert.same({ "a", nil, n = 2 }, results)
  end)

  it("cancels the siblings at an error, and raises it once with the first traceback", function()
    local closed = 0
    local t <const> = task.spawn(function()
      task.group(function(group)
        for _ = 1, 2 do
          group:spawn(function()
            local _ <close> = witness(function() closed = closed + 1 end)
            task.sleep(math.huge)
          end)
        end
        group:spawn(function() task.sleep(0) error("first") end)
        group:spawn(function() task.sleep(0) error("second") end)
      end)
    end)
    local ok <const>, message <const> = t:join()
    assert.is_nil(ok)
    assert.matches("first", message)
    assert.equal(2, closed)
  end)

  it("interrupts its body when a task fails", function()
    local ok <const>, message <const> = pcall(task.group, function(group)
      group:spawn(function() task.sleep(0) error("broken", 0) end)
      task.sleep(math.huge)
    end)
    assert.is_false(ok)
    assert.equal("broken", message)
    task.sleep(0) -- the interruption ended with the group
  end)

  it("cancels its tasks when the body fails", function()
    local closed = false
    local ok <const>, message <const> = pcall(task.group, function(group)
      group:spawn(function()
        local _ <close> = witness(function() closed = true end)
        task.sleep(math.huge)
      end)
      task.sleep(0)
      error("body", 0)
    end)
    assert.is_false(ok)
    assert.equal("body", message)
    assert.is_true(closed)
  end)

  it("passes the error value itself on, tables too", function()
    local value <const> = {}
    local _, raised <const> = pcall(task.group, function(group)
      group:spawn(function() error(value) end)
    end)
    assert.equal(value, raised)
  end)

  it("nests: an inner failure goes through the outer group", function()
    local ok <const>, message <const> = pcall(task.group, function(outer)
      outer:spawn(function()
        task.group(function(inner)
          inner:spawn(function() task.sleep(0) error("deep", 0) end)
          inner:spawn(task.sleep, math.huge)
        end)
      end)
      outer:spawn(task.sleep, math.huge)
    end)
    assert.is_false(ok)
    assert.equal("deep", message)
  end)

  it("is where task.spawn in its body puts tasks", function()
    local done = false
    task.group(function() task.spawn(function() task.sleep(0.001) done = true end) end)
    assert.is_true(done)
  end)

  it("refuses to spawn when it has ended", function()
    local group
    task.group(function(g) group = g end)
    assert.has_error(function() group:spawn(print) end)
  end)
end)

describe("task.deadline", function()
  helper.leaves_nothing(before_each, after_each)

  it("returns the function's results in time", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(task.deadline(10, function(...) return ... end, 1, nil, 3)))
  end)

  it("interrupts sleep, join, channel, queue, read, write and group", function()
    local channel <const>, queue <const> = task.channel(), task.queue()
    local a <const>, b <const> = require "perigee.net".pair()
    local other <const> = task.spawn(task.sleep, math.huge)
    local stuck <const> = {
      function() task.sleep(math.huge) end,
      function() other:join() end,
      function() channel:receive() end,
      function() channel:send(1) end,
      function() queue:get() end,
      function() a:read_line() end,
      function() while true do b:write(("x"):rep(100000)) end end,
      function() task.group(function(group) group:spawn(task.sleep, math.huge) end) end,
    }
    for i, f in ipairs(stuck) do
      assert.same({ i, nil, "the deadline has passed", "timeout" }, { i, task.deadline(0.002, f) })
    end
    other:cancel()
    a:close()
    b:abort()
  end)

  it("interrupts a connect that gets no answer", function()
    local silent <const> = helper.unanswered_address()
    local _, _, code <const> = task.deadline(0.01, require "perigee.net".connect, silent.address)
    assert.equal("timeout", code)
    silent.close()
  end)

  it("unwinds through code that ignores failures", function()
    local failures = 0
    local _, _, code <const> = task.deadline(0.002, function()
      while failures < 3 do
        if not pcall(task.sleep, math.huge) then failures = failures + 1 end
      end
      task.sleep(0)
    end)
    assert.same({ 3, "timeout" }, { failures, code })
  end)

  it("passes errors on with the error value unchanged", function()
    local value <const> = {}
    local ok <const>, raised <const> = pcall(task.deadline, 10, function() error(value) end)
    assert.is_false(ok)
    assert.equal(value, raised)
  end)

  it("of an outer one is not taken for an inner one", function()
    local inner
    local _, _, outer <const> = task.deadline(0.002, function()
      inner = table.pack(task.deadline(1000, task.sleep, math.huge))
    end)
    assert.equal("timeout", outer)
    assert.is_nil(inner)
  end)

  it("of an inner one leaves the rest of the outer one alone", function()
    local ok <const> = task.deadline(1000, function()
      local _, _, code <const> = task.deadline(0.001, task.sleep, math.huge)
      assert.equal("timeout", code)
      task.sleep(0)
      return "on"
    end)
    assert.equal("on", ok)
  end)

  it("refuses what is no function or no time", function()
    assert.has_error(function() task.deadline(1, nil) end)
    assert.has_error(function() task.deadline(-1, print) end)
    assert.has_error(function() task.deadline("soon", print) end)
  end)
end)
