local helper <const> = require "spec.helper"

local function run(example, options)
  return helper.run(("%s run examples/%s.lua %s"):format(helper.binary, example, options or ""))
end

describe("the example", function()
  helper.leaves_nothing(before_each, after_each)

  it("deadline leaves the peer that stays silent", function()
    local output <const>, status <const> = run("deadline", "--set deadline.seconds=0.05")
    assert.matches("^the peer says: welcome\nleaving, everything is closed\nthe answer: timeout\n"
      .. "in time: true\nwelcome\nnil\tread from tcp://127.0.0.1:%d+: timed out\ttimeout\n$", output)
    assert.equal(0, status)
  end)

  for _, workers in ipairs { 1, 3, 9 } do
    it(("workers does the jobs in the order of each queue with %d workers"):format(workers), function()
      local expected <const> = "fifo      sweep cook read shop sleep\n"
        .. "lifo      sleep shop read cook sweep\n"
        .. "priority  cook shop sweep read sleep\n"
      assert.same({ expected, 0 }, { run("workers", "--set workers.workers=" .. workers) })
    end)
  end

  it("workers knows no other orders", function()
    local output <const>, status <const> = run("workers", "--set workers.orders=fifo,random")
    assert.matches("one of fifo, lifo, priority expected", output)
    assert.equal(1, status)
  end)

  for _, capacity in ipairs { 0, 1, 100 } do
    it(("pipeline passes every value through its stages with channels of %d"):format(capacity), function()
      assert.same({ "the sum of 10 squares is 385\n", 0 }, { run("pipeline", "--set pipeline.capacity=" .. capacity) })
    end)
  end
end)
