local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local task <const> = require "perigee.task"
local zeromq <const> = require "perigee.zeromq"

-- It was logged as a handler's error, with a traceback.
describe("a handler of requests that is interrupted", function()
  helper.leaves_nothing(before_each, after_each)

  it("is no error", function()
    local logged <const>, gate <const>, is_asked = {}, task.channel(0), false
    log.configure { write = function(line) logged[#logged + 1] = line end }
    local rep <const>, req <close> = zeromq.rep(function()
      is_asked = true
      return gate:receive()
    end), zeromq.req()
    rep:connect(tostring(assert(req:bind "tcp://127.0.0.1:0").address))
    local asking <const> = task.spawn(req.request, req, "?")
    helper.eventually(function() return is_asked end)
    rep:close()
    assert.equal("closed", (select(3, asking:join())))
    assert.same({}, logged)
    log.configure { write = function(line) io.stderr:write(line) end }
  end)
end)
