local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

--- A value whose end can be seen.
local function witness(on_close)
  return setmetatable({}, { __close = on_close })
end

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
