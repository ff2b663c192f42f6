--- libcurl looked through all of them for each, and blocked the loop for seconds.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"

describe("http.request", function()
  helper.leaves_nothing(before_each, after_each)

  it("sends as many headers as a request may have, in their order", function()
    local count, previous, are_ordered = 0, 0, true
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      for line in conn:lines() do
        if line == "" then break end
        local number <const> = tonumber(line:match "^x: (%d+)$")
        if number then
          count, previous, are_ordered = count + 1, number, are_ordered and number == previous + 1
        end
      end
      conn:write "HTTP/1.1 204 No Content\r\n\r\n"
    end))
    local values <const> = {}
    for number = 1, 200000 do values[number] = number end
    local url <const> = "http://127.0.0.1:" .. server.address.port
    helper.assert_failure("limit", "the head of the request is too long",
      http.request { url = url, headers = { x = values } })
    for number = 80001, 200000 do values[number] = nil end
    assert.equal(204, assert(http.request { url = url, headers = { x = values } }).status)
    assert.same({ 80000, 80000, true }, { count, previous, are_ordered })
    http.close_idle()
  end)
end)
