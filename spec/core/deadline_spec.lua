local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

describe("task.deadline", function()
  helper.leaves_nothing(before_each, after_each)

  it("returns the function's results in time", function()
    assert.same({ 1, nil, 3, n = 3 }, table.pack(task.deadline(10, function(...) return ... end, 1, nil, 3)))
  end)

  it("returns true when the function returns nothing, waiting or not, and nil when it returns nil", function()
    assert.same({ true, n = 1 }, table.pack(task.deadline(10, function() end)))
    assert.same({ true, n = 1 }, table.pack(task.deadline(10, task.sleep, 0.001)))
    assert.same({ n = 1 }, table.pack(task.deadline(10, function() return nil end)))
    assert.same({ false, n = 1 }, table.pack(task.deadline(10, function() return false end)))
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
