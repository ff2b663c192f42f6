local log <const> = require "perigee.log"

describe("what peers do", function()
  local logged <const>, now = {}, 0

  before_each(function()
    for index in ipairs(logged) do logged[index] = nil end
    log.configure { write = function(line) logged[#logged + 1] = line end, clock = function() return now end }
  end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end, clock = os.time }
  end)

  it("is logged ten times in ten seconds, and how often it was not", function()
    for i = 1, 1000 do log.refusal("a peer was turned away", { peer = i }) end
    assert.equal(10, #logged)
    log.refusal("another message", { peer = 1 })
    assert.equal(11, #logged)
    now = now + 10
    log.refusal("a peer was turned away", { peer = 1001 })
    assert.truthy(logged[12]:find("a peer was turned away left_out=990 peer=1001\n", 1, true), logged[12])
    now = now + 10
    log.refusal("a peer was turned away", { peer = 1002 })
    assert.truthy(logged[13]:find("a peer was turned away peer=1002\n", 1, true))
  end)
end)
