local helper <const> = require "spec.helper"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

-- Those that waited for its attempt all began one of their own, and the second to end raised.
describe("calls that wait for a connection", function()
  helper.leaves_nothing(before_each, after_each)

  it("make another attempt when the task that connects is cancelled", function()
    local nobody <const> = helper.unanswered_address()
    local remote <close> = rpc.connect(tostring(nobody.address), { timeout = 0.2 })
    local first <const> = task.spawn(rpc.try, remote, "a")
    local others <const> = {}
    for i = 1, 3 do others[i] = task.spawn(rpc.try, remote, "a") end
    task.sleep(0)
    first:cancel()
    for i = 1, 3 do assert.equal("timeout", (select(3, others[i]:join()))) end
    nobody.close()
  end)

  it("fail at once when the client is closed", function()
    local nobody <const> = helper.unanswered_address()
    local remote <const> = rpc.connect(tostring(nobody.address), { timeout = 600 })
    local first <const> = task.spawn(rpc.try, remote, "a")
    local other <const> = task.spawn(rpc.try, remote, "a")
    task.sleep(0)
    rpc.close(remote)
    assert.equal("closed", (select(3, other:join())))
    first:cancel()
    nobody.close()
  end)
end)
