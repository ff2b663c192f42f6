local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local slow <const> = helper.is_tiny or system.versions().sanitized
local COUNT <const> = slow and 5000 or 100000
local UNDERWAY <const> = 100 -- connections that are passed about at once

--- Without the garbage, of which there is the more the more the other specs have left alive.
local function resident_kilobytes()
  collectgarbage()
  local file <close> = io.open "/proc/self/status"
  return math.tointeger(tonumber(file:read("a"):match "VmRSS:%s+(%d+)"))
end

--- Sends connections, each with unread bytes, as long as there are some left.
local function send_all(out, sent)
  for i = 1, COUNT // UNDERWAY do
    local pairs_of <const> = {}
    for j = 1, UNDERWAY do
      local x <const>, y <const> = net.pair()
      pairs_of[j] = x
      x:write(i, " ", j, "\n")
      assert(out:send_fd(y, { unread = true }))
    end
    sent:send(pairs_of)
  end
end

describe("very many descriptors", function()
  helper.leaves_nothing(before_each, after_each)

  it("are passed without a leak #load", function()
    local a <close>, b = net.pair()
    local sent <const> = task.channel(1)
    local before
    task.group(function(group)
      group:spawn(send_all, a, sent)
      for i = 1, COUNT // UNDERWAY do
        local ours <const> = {}
        for j = 1, UNDERWAY do
          local got <close> = assert(b:receive_fd { unread = true })
          assert.equal(i .. " " .. j, got:read_line())
          got:write "done"
        end
        for j, conn in ipairs(sent:receive()) do ours[j] = conn:read_all() conn:close() end
        assert.equal(("done"):rep(UNDERWAY), table.concat(ours))
        if i == COUNT // UNDERWAY // 5 then before = resident_kilobytes() end
      end
    end)
    b:close()
    if not slow then assert.is_true(resident_kilobytes() - before < 8192) end
  end)

  it("go to Python and back without a leak #load", function()
    local count <const> = COUNT // 10
    local name <const> = ("perigee-descriptors-%d"):format(math.random(1 << 40))
    local done = 0
    local server <close> = assert(net.serve("unix:@" .. name, function(conn)
      local x <const>, y <close> = net.pair()
      local passed = x
      for _ = 1, count do
        assert(conn:send_fd(passed))
        passed = assert(conn:receive_fd())
        done = done + 1
      end
      y:write "still the same"
      assert.equal("still the same", passed:read(14))
      passed:close()
    end))
    local process <close> = helper.start("/usr/bin/python3 spec/fixtures/pass_descriptors.py echo " .. name)
    process:wait_for "the other side has ended"
    assert.equal(count, done)
    assert.is_true(server.is_open)
  end)
end)
