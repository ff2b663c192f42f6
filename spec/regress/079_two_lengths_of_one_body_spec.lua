--- Of two different lengths the client took the second, so that a body could be cut, or go on with what is no part of
--- it.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"

describe("an answer with two lengths of its body", function()
  helper.leaves_nothing(before_each, after_each)

  local function ask(text)
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      repeat local line <const> = conn:read_line() until not line or line == ""
      conn:write(text)
    end))
    local response <const>, message <const>, code <const> =
      http.request { url = ("http://127.0.0.1:%d/"):format(server.address.port), timeout = 20 }
    http.close_idle()
    return response and response.body, message, code
  end

  it("is refused when these differ", function()
    for _, lengths in ipairs { { 5, 3 }, { 3, 5 }, { 5, 50 } } do
      local text <const> = ("HTTP/1.1 200 OK\r\nContent-Length: %d\r\ncontent-length: %d\r\n\r\nhello")
      helper.assert_failure("protocol", "the answer has two lengths that differ",
        ask(text:format(lengths[1], lengths[2])))
    end
  end)

  it("is taken when they are the same, or are of two heads", function()
    assert.equal("hello", (ask "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length:05\r\n\r\nhello"))
    assert.equal("hello",
      (ask "HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
  end)
end)
