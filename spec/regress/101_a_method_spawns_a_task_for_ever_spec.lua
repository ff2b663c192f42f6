local helper <const> = require "spec.helper"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

-- The connection of MessagePack-RPC waited for what its methods had spawned, which may go on for ever: neither ended
-- when the client had gone.
describe("what a method of MessagePack-RPC spawns", function()
  helper.leaves_nothing(before_each, after_each)

  it("ends with the connection", function()
    local spawned, ended = 0, 0
    local function last()
      local _ <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
      spawned = spawned + 1
      task.sleep(math.huge)
    end
    local service <const> = rpc.service {
      spawn = function() task.spawn(last) end,
      count = function()
        task.sleep(0)
        return ended
      end,
    }
    local server <close> = assert(require "perigee.rpc.msgpack".serve(service, "tcp://127.0.0.1:0"))
    local remote <const> = rpc.connect(tostring(server.address))
    remote.spawn()
    assert.equal(0, remote.count())
    rpc.close(remote)
    helper.eventually(function() return ended == 1 end)
    assert.equal(1, spawned)
  end)
end)
