--- A client that called a method with wrong arguments, again and again, had a traceback logged for each call.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local log <const> = require "perigee.log"
local rpc <const> = require "perigee.rpc"

describe("an error that a peer causes again and again", function()
  local logged, now

  before_each(function()
    logged, now = {}, 0
    log.configure { write = function(line) logged[#logged + 1] = line end, clock = function() return now end }
  end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end, clock = os.time }
  end)
  helper.leaves_nothing(before_each, after_each)

  it("of a method is logged ten times in ten seconds, and how often it was not", function()
    local api <const> = rpc.service { add = function(x, y) return x + y end, length = function(x) return #x end }
    for _ = 1, 100 do api:invoke("add", 1) end
    assert.equal(10, #logged)
    api:invoke("length", 1)
    assert.matches("a method has failed method=length ", logged[11])
    now = 10
    api:invoke("add", 1)
    assert.matches("a method has failed left_out=90 method=add ", logged[12])
  end)

  it("and of what cannot be sent", function()
    local api <const> = rpc.service { print = function() return print end }
    local server <close> = assert(api:serve { msgpack = "tcp://127.0.0.1:0" }).msgpack
    local remote <close> = rpc.connect(tostring(server.address))
    for _ = 1, 20 do rpc.try(remote, "print") end
    assert.equal(10, #logged)
    assert.matches("what a method returned cannot be sent method=print reason=", logged[1])
  end)

  it("and of a handler of HTTP, by the place in it", function()
    local server <close> = assert(http.serve("http://127.0.0.1:0", function(request)
      if request.path == "/other" then error("another place") end
      error("no " .. request.path)
    end))
    local url <const> = tostring(server.address)
    for index = 1, 20 do assert(http.request { url = url .. "/" .. index }) end
    assert.equal(10, #logged)
    assert(http.request { url = url .. "/other" })
    assert.matches("another place", logged[11])
    http.close_idle()
  end)
end)
