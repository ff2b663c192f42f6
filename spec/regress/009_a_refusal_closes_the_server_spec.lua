--- A head that took too long, of which nothing was pending any more, was refused; the hook that was told closed the
--- server, which ended the client as an idle one, within its refusal.

local core <const> = require "core.http"
local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

describe("a client that is being refused", function()
  helper.leaves_nothing(before_each, after_each)

  it("is answered though what is told of it closes the server", function()
    local listener, told
    listener = assert(core.listen(net.lookup("tcp://127.0.0.1:0")[1], function() return "unused" end, {
      header_timeout = 0.05,
      on_failure = function() end,
      on_refused = function(_, status)
        told = status
        listener:close()
      end,
    }))
    local conn <close> = fixture.connect("tcp://127.0.0.1:" .. listener.address.port)
    conn:write "\r"
    helper.eventually(function() return listener.active == 1 end)
    for _ = 1, 10 do task.sleep(0) end -- it has been read
    conn:write "\n"
    assert.same({ 408, 408 }, { fixture.read(conn).status, told })
  end)
end)
