local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

describe("a semaphore", function()
  helper.leaves_nothing(before_each, after_each)

  it("lets in so many at a time", function()
    local semaphore <const> = task.semaphore(3)
    local inside, peak = 0, 0
    task.group(function(group)
      for _ = 1, 20 do
        group:spawn(function()
          local _ <close> = semaphore:acquire()
          inside = inside + 1
          peak = math.max(peak, inside)
          task.sleep(0)
          inside = inside - 1
        end)
      end
    end)
    assert.same({ 3, 3 }, { peak, semaphore.free })
  end)

  it("lets in first come, first served", function()
    local semaphore <const> = task.semaphore(1)
    local place <const> = semaphore:acquire()
    local order, tasks <const> = {}, {}
    for i = 1, 3 do
      tasks[i] = parked(function()
        local _ <close> = semaphore:acquire()
        order[#order + 1] = i
      end)
    end
    assert.equal("semaphore: 0 free, 3 waiting", tostring(semaphore))
    place:release()
    for _, t in ipairs(tasks) do t:join() end
    assert.same({ 1, 2, 3 }, order)
  end)

  it("gets a place back once, however often it is released", function()
    local semaphore <const> = task.semaphore(2)
    local place <const> = semaphore:acquire()
    for _ = 1, 3 do place:release() end
    assert.equal(2, semaphore.free)
  end)

  it("gets a place back when the task fails or is cancelled", function()
    local failures <close> = helper.failures()
    local semaphore <const> = task.semaphore(1)
    local function hold(f, ...)
      local _ <close> = semaphore:acquire()
      f(...)
    end
    task.spawn(hold, error, "broken")
    helper.eventually(function() return #failures == 1 end)
    local t <const> = parked(hold, task.sleep, math.huge)
    assert.equal(0, semaphore.free)
    t:cancel()
    t:join()
    assert.equal(1, semaphore.free)
  end)

  it("loses no place when a task that was woken is cancelled", function()
    local semaphore <const> = task.semaphore(1)
    local place <const> = semaphore:acquire()
    local first <const>, second <const> = parked(semaphore.acquire, semaphore), parked(semaphore.acquire, semaphore)
    place:release()
    first:cancel()
    assert.is_table((second:join()))
  end)

  it("lets acquire give up in time", function()
    local semaphore <const> = task.semaphore(1)
    local place <const> = semaphore:acquire(0)
    assert.same({ nil, "acquire: no place became free", "timeout" }, { semaphore:acquire(0.002) })
    place:release()
    assert.equal(1, semaphore.free)
  end)

  it("lets acquire give up in time even when others are always quicker", function()
    local semaphore <const> = task.semaphore(1)
    local place = semaphore:acquire()
    local t <const> = parked(semaphore.acquire, semaphore, 0.03)
    helper.eventually(function()
      place:release()
      place = semaphore:acquire()
      return t.state == "returned"
    end)
    assert.equal("timeout", (select(3, t:join())))
  end)

  it("has at least one place", function()
    for _, places in ipairs { 0, -1, 1.5, "x" } do
      local ok <const>, message <const> = pcall(task.semaphore, places)
      assert.is_false(ok)
      assert.matches("bad argument 'places'", message)
    end
    assert.is_false((pcall(task.semaphore)))
  end)
end)
