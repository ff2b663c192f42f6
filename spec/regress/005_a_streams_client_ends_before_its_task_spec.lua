--- A client that a fan-out went on with ended while children of its handler were winding up: the end of the handler's
--- task touched what had been freed.

local fanout <const> = require "perigee.fanout"
local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

describe("a client of a fan-out", function()
  helper.leaves_nothing(before_each, after_each)

  it("may end before the last child of its handler", function()
    local room <close> = fanout.new()
    local function nest(depth)
      if depth > 0 then task.spawn(nest, depth - 1) end
      task.sleep(math.huge)
    end
    local server <close>, url <const> = fixture.serve(function()
      task.spawn(nest, 50)
      for _ = 1, 60 do task.sleep(0) end
      return http.events(room)
    end)
    local conn <close> = fixture.connect(url)
    conn:write "GET / HTTP/1.1\r\nHost: spec\r\n\r\n"
    helper.eventually(function() return room.count == 1 end)
    room:close()
    assert.matches("^HTTP/1.1 200", conn:read_all())
    assert.is_true(server.is_open)
  end)
end)
