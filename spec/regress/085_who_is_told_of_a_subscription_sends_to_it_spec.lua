local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local zeromq <const> = require "perigee.zeromq"

describe("a publisher of zeromq that is told of subscriptions", function()
  helper.leaves_nothing(before_each, after_each)

  local function publisher(on_subscribe)
    local pub
    pub = zeromq.xpub { on_subscribe = function(topic, is_on) on_subscribe(pub, topic, is_on) end }
    return pub, tostring(assert(pub:bind "tcp://127.0.0.1:0").address)
  end

  -- What it sent was lost: the subscriber was added afterwards.
  it("may send the last value to who has just subscribed", function()
    local _ <close>, url <const> = publisher(function(publishing, topic, is_on)
      if is_on then assert(publishing:send(topic, "last value") == 1) end
    end)
    local sub <close> = zeromq.sub "cats"
    sub:connect(url)
    assert.same({ "cats", "last value" }, { sub:receive(20) })
  end)

  -- The further topics of a subscriber that had gone were kept for ever, and what was published on them sent to it.
  it("may fail, and the log says so", function()
    local lines <const>, told = {}, 0
    local _ <close> = setmetatable({}, { __close = function()
      log.configure { write = function(line) io.stderr:write(line) end }
    end })
    log.configure { write = function(line) lines[#lines + 1] = line end }
    local pub <close>, url <const> = publisher(function()
      told = told + 1
      error "no"
    end)
    local sub <const> = zeromq.sub { "a", "b", "c" }
    sub:connect(url)
    helper.eventually(function() return told == 3 end)
    for _, topic in ipairs { "a", "b", "c" } do assert.equal(1, pub:send(topic)) end
    sub:close()
    helper.eventually(function() return told == 6 end)
    assert.same({}, pub.wants)
    assert.equal(6, #lines)
    assert.matches("error .*zeromq: on_subscribe has failed: %S+:%d+: no", lines[1])
  end)
end)
