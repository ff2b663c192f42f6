local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

local function drain(queue)
  local got <const> = {}
  while #queue > 0 do got[#got + 1] = queue:get() end
  return got
end

describe("a queue", function()
  helper.leaves_nothing(before_each, after_each)

  it("is first in first out", function()
    for _, queue in ipairs { task.queue(), task.queue "fifo" } do
      for i = 1, 5 do queue:put(i) end
      assert.same({ 1, 2, 3, 4, 5 }, drain(queue))
    end
  end)

  it("is last in first out", function()
    local queue <const> = task.queue "lifo"
    for i = 1, 3 do queue:put(i) end
    assert.equal(3, (queue:get()))
    queue:put(4)
    assert.same({ 4, 2, 1 }, drain(queue))
  end)

  it("goes by priority, and among equals by arrival", function()
    local queue <const> = task.queue "priority"
    for _, entry in ipairs { { "d", 5 }, { "b" }, { "a", -1.5 }, { "c", 0 }, { "e", 5 }, { "f", math.huge } } do
      queue:put(entry[1], entry[2])
    end
    assert.same({ "a", "b", "c", "d", "e", "f" }, drain(queue))
  end)

  it("keeps the order of any priorities", function()
    local queue <const>, ranks <const> = task.queue "priority", {}
    for i = 1, 500 do
      local rank <const> = i * 48271 % 101
      queue:put(rank, rank)
      table.insert(ranks, rank)
      table.sort(ranks)
      if i % 3 == 0 then assert.equal(table.remove(ranks, 1), (queue:get())) end
    end
    assert.same(ranks, drain(queue))
  end)

  it("makes put wait at its limit", function()
    local queue <const> = task.queue("fifo", { limit = 2 })
    queue:put(1)
    queue:put(2)
    local third <const>, fourth <const> = parked(queue.put, queue, 3), parked(queue.put, queue, 4)
    assert.equal(2, #queue)
    assert.equal(1, (queue:get()))
    third:join()
    assert.equal("waiting", fourth.state)
    assert.equal(2, (queue:get()))
    fourth:join()
    assert.same({ 3, 4 }, drain(queue))
  end)

  it("makes get wait, first come, first served", function()
    local queue <const> = task.queue()
    local first <const>, second <const> = parked(queue.get, queue), parked(queue.get, queue)
    queue:put "a"
    queue:put "b"
    assert.same({ "a", "b" }, { first:join(), (second:join()) })
  end)

  it("lets get give up in time", function()
    local queue <const> = task.queue()
    assert.same({ nil, "get: the queue stayed empty", "timeout" }, { queue:get(0.002) })
    assert.same({ nil, "get: the queue stayed empty", "timeout" }, { queue:get(0) })
    queue:put "x"
    assert.equal("x", (queue:get(0)))
  end)

  it("lets get give up in time even when others are always quicker", function()
    local queue <const> = task.queue()
    local t <const> = parked(queue.get, queue, 0.03)
    helper.eventually(function()
      queue:put "x"
      queue:get()
      return t.state == "returned"
    end)
    assert.equal("timeout", (select(3, t:join())))
  end)

  it("loses nothing when a task that was woken is cancelled", function()
    local queue <const> = task.queue("fifo", { limit = 1 })
    local first <const>, second <const> = parked(queue.get, queue), parked(queue.get, queue)
    queue:put "x"
    first:cancel()
    assert.equal("x", (second:join()))
    queue:put "a"
    local third <const>, fourth <const> = parked(queue.put, queue, "b"), parked(queue.put, queue, "c")
    assert.equal("a", (queue:get()))
    third:cancel()
    fourth:join()
    assert.equal("c", (queue:get()))
  end)

  it("is joined when done was called for everything that was put", function()
    local queue <const> = task.queue()
    queue:join()
    queue:put(1)
    queue:put(2)
    local joiners <const> = { parked(queue.join, queue), parked(queue.join, queue) }
    queue:get()
    queue:done()
    queue:get()
    task.sleep(0)
    assert.equal("waiting", joiners[1].state)
    assert.equal("fifo queue: 0 waiting, 1 unfinished", tostring(queue))
    queue:done()
    for _, joiner in ipairs(joiners) do joiner:join() end
    assert.has_error(function() queue:done() end, "done was called more often than put")
  end)

  it("feeds workers", function()
    local queue <const> = task.queue("fifo", { limit = 3 })
    local sum = 0
    local workers <const> = {}
    for i = 1, 4 do
      workers[i] = task.spawn(function()
        while true do
          local value <const> = queue:get()
          task.sleep(0)
          sum = sum + value
          queue:done()
        end
      end)
    end
    for i = 1, 100 do queue:put(i) end
    queue:join()
    assert.equal(5050, sum)
    for _, worker in ipairs(workers) do worker:cancel() worker:join() end
  end)

  it("refuses misuse", function()
    local queue <const> = task.queue "priority"
    local function assert_misuse(pattern, f)
      local ok <const>, message <const> = pcall(f)
      assert.is_false(ok)
      assert.matches("queue_spec.lua:%d+: " .. pattern, message)
    end
    assert_misuse("bad argument 'value' %(nil cannot be put", function() queue:put(nil) end)
    assert_misuse("bad argument 'priority' %(a number expected", function() queue:put(1, "high") end)
    assert_misuse("bad argument 'priority' %(a number expected", function() queue:put(1, 0 / 0) end)
    assert_misuse("bad argument 'order' %(one of fifo, lifo, priority", function() local _ = task.queue "random" end)
    assert_misuse("option 'limit' must be 1 or more", function() local _ = task.queue("fifo", { limit = 0 }) end)
    assert_misuse("option 'limit' must be 1 or more", function() local _ = task.queue("fifo", { limit = "x" }) end)
    assert.equal(0, #queue)
  end)
end)
