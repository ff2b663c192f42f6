local helper <const> = require "spec.helper"
local process <const> = require "perigee.process"
local task <const> = require "perigee.task"

-- One that has ended, and that its parent has not waited for, is there no more.
local function exists(pid)
  local file <close> = io.open("/proc/" .. pid .. "/stat")
  return file ~= nil and file:read("a"):match "%) ([^Z])" ~= nil
end

describe("the end of a command", function()
  helper.leaves_nothing(before_each, after_each)

  it("is waited for in vain, for a time", function()
    local child <close> = assert(process.run({ "cat" }, { stdin = "pipe" }))
    local status <const>, message <const>, code <const> = child:wait(0.01)
    assert.same({ nil, ("wait for process %d: timed out"):format(child.pid), "timeout" }, { status, message, code })
    assert.equal("timeout", select(3, task.deadline(0.01, child.wait, child)))
  end)

  it("is told to all that wait, and those that do not wait any more are left alone", function()
    local child <close> = assert(process.run({ "cat" }, { stdin = "pipe" }))
    local first <const>, second <const> = task.spawn(child.wait, child), task.spawn(child.wait, child)
    local cancelled <const> = task.spawn(child.wait, child)
    task.sleep(0)
    cancelled:cancel()
    child.stdin:close()
    assert.same({ { exit = 0 }, { exit = 0 } }, { first:join(), second:join() })
    assert.equal("cancelled", select(3, cancelled:join()))
  end)

  it("comes by the signal that is sent", function()
    for name, expected in pairs { SIGTERM = 15, USR1 = 10, [9] = 9 } do
      local child <close> = assert(process.run({ "cat" }, { stdin = "pipe" }))
      assert.is_true(child:signal(name))
      assert.equal(expected, child:wait().number)
    end
  end)

  it("leaves nobody to be signalled", function()
    local child <close> = assert(process.run { "true" })
    child:wait()
    local sent <const>, message <const>, code <const> = child:kill()
    assert.same({ nil, ("signal process %d: it has ended"):format(child.pid), "closed" }, { sent, message, code })
  end)

  it("takes its whole group along", function()
    local child <close> = assert(process.run { "sh", "-c", "sleep 1000 & echo $!; wait" })
    local other <const> = child.stdout:read_line()
    assert.is_true(exists(other))
    child:kill()
    assert.equal("SIGKILL", child:wait().signal)
    helper.eventually(function() return not exists(other) end)
  end)

  it("comes when it is closed, or collected", function()
    local pid
    do
      local child <close> = assert(process.run { "sleep", 1000 })
      pid = child.pid
    end
    helper.eventually(function() return not exists(pid) end)
    pid = assert(process.run { "sleep", 1000 }).pid
    helper.eventually(function()
      collectgarbage()
      return not exists(pid)
    end)
  end)

  it("does not come while somebody reads what it writes", function()
    local stdout <close> = assert(process.run { "sh", "-c", "read -r _ </dev/null; sleep 0.05; echo x" }).stdout
    collectgarbage()
    collectgarbage()
    assert.equal("x\n", stdout:read_all())
  end)

  it("does not come when it is detached", function()
    local directory <close> = helper.directory {}
    os.execute(("mkdir '%s'; mkfifo '%s/fifo'"):format(directory, directory))
    local pid <const> = (function()
      local child <const> = assert(process.run({ "cat", tostring(directory) .. "/fifo" }, { stdout = "null" }))
      child:detach()
      return child.pid
    end)()
    collectgarbage()
    collectgarbage()
    assert.is_true(exists(pid))
    io.open(tostring(directory) .. "/fifo", "w"):close()
    helper.eventually(function() return not exists(pid) end)
  end)

  it("is enforced when the grace is over", function()
    local child <const> = assert(process.run({ "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.01; done" },
      { grace = 0.05 }))
    assert.equal("ready", child.stdout:read_line())
    child:close()
    child:close()
    assert.equal("SIGKILL", child:wait().signal)
  end)
end)
