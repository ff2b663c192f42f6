--- At exit, what is left of tasks was freed while their timers were still in the heap of timers, where the timers of
--- drains were moved about after: an invalid write.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

local SLEEPER <const> = [[
local net <const>, task <const> = require "perigee.net", require "perigee.task"
net.serve("tcp://127.0.0.1:0", function(conn)
  conn:write "ready\n"
  task.sleep(60)
end)
]]

describe("a process that is told to stop by its control socket", function()
  helper.leaves_nothing(before_each, after_each)

  it("ends well when connections with unread bytes are cut off", function()
    local process <close>, address <const> = workers.serve(SLEEPER, "--drain 0")
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    assert.equal("ready", conn:read_line())
    conn:write "unread\n"
    assert.equal(0, select(2, process:command "stop"))
    assert.equal(0, process:wait())
  end)
end)
