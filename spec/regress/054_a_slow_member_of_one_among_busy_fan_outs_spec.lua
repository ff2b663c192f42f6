local fanout <const> = require "perigee.fanout"
local helper <const> = require "spec.helper"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local function resident()
  collectgarbage()
  local file <close> = assert(io.open "/proc/self/smaps_rollup")
  return tonumber(file:read "a":match "Rss:%s+(%d+) kB") * 1024
end

--- Two fan-outs, each with one member; the second one's reads what comes.
local function rooms()
  local slow <const>, slow_far <const> = helper.tcp_pair { send_buffer = 4096, receive_buffer = 4096 }
  local quick <const>, quick_far <const> = helper.tcp_pair()
  local one <const>, other <const> = fanout.new { limit = 64 << 20 }, fanout.new { limit = 64 << 20 }
  one:add(slow)
  other:add(quick)
  return one, other, slow_far, quick_far, function()
    for _, conn in ipairs { slow, slow_far, quick, quick_far } do conn:abort() end
  end
end

-- Messages to many lie in blocks of 64 KiB, one behind the other. A member that read nothing of a quiet one kept one
-- for each of its messages, with messages of others in it: 190 MB for 3000 messages of one byte.
describe("a member that reads nothing", function()
  helper.leaves_nothing(before_each, after_each)

  it("does not keep the messages of other fan-outs", function()
    local one <const>, other <const>, slow_far <const>, quick_far <const>, close <const> = rooms()
    local count <const> = helper.is_tiny and 30 or 1500
    local filler <const> = ("f"):rep(16000)
    one:write(("x"):rep(1 << 20)) -- more than the kernel takes
    local before <const> = resident()
    local reading <const> = task.spawn(function() while quick_far:read_some() do end end)
    for i = 1, count do
      one:write(("%05d"):format(i))
      for _ = 1, 4 do other:write(filler) end
      task.sleep(0)
    end
    if not system.versions().sanitized then -- ASan keeps freed memory in quarantine
      assert.is_true(resident() - before < 40 << 20)
    end
    assert.equal(1 << 20, #slow_far:read(1 << 20))
    for i = 1, count do assert.equal(("%05d"):format(i), slow_far:read(5)) end
    close()
    reading:join()
  end)
end)
