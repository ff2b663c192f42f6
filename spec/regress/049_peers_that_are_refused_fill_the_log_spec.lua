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

  it("makes a method fail, which is logged as often, of each by itself", function()
    local function fail(method) log.failure("a method has failed", { method = method }, "method " .. method) end
    for _ = 1, 1000 do fail "add" end
    for _ = 1, 11 do fail "sub" end
    assert.equal(20, #logged)
    now = now + 10
    fail "add"
    assert.truthy(logged[21]:find("error +%S+ +a method has failed left_out=990 method=add\n"), logged[21])
    fail "sub"
    assert.truthy(logged[22]:find("left_out=1 method=sub\n", 1, true), logged[22])
  end)

  it("is known by the place of an error, whatever a peer has put into its text", function()
    for i = 1, 100 do log.of("chat").failure(("chat.lua:12: %d is no room"):format(i)) end
    assert.equal(10, #logged)
    log.of("chat").failure "chat.lua:13: 1 is no room"
    log.of("echo").failure "chat.lua:12: 1 is no room"
    assert.equal(12, #logged)
  end)

  it("is bounded also when a peer finds ever new words", function()
    now = now + 10
    for i = 1, 100000 do log.failure(("%d is no room"):format(i)) end
    local most <const> = #logged
    assert.is_true(most < 3000, most)
    for i = 1, 100000 do log.failure(("%d is no place"):format(i)) end
    assert.equal(most, #logged)
  end)
end)
