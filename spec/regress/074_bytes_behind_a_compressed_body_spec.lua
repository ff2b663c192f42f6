--- It was "Failed writing received data to disk/application".

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"

local GZIP <const> = "\31\139\8\0\0\0\0\0\2\3\203\72\205\201\201\7\0\134\166\16\54\5\0\0\0" -- hello

describe("a compressed body on which something follows", function()
  helper.leaves_nothing(before_each, after_each)

  it("is refused, and the message says so", function()
    local server <close> = assert(http.serve("http://127.0.0.1:0", function(request)
      local tail <const> = request.path == "/more" and GZIP or ""
      return http.response(200, GZIP .. tail, { ["Content-Encoding"] = "gzip" })
    end))
    local url <const> = tostring(server.address)
    assert.equal("hello", assert(http.request { url = url .. "/" }).body)
    helper.assert_failure("protocol", "/more: something follows on the compressed body",
      http.request { url = url .. "/more" })
    http.close_idle()
  end)
end)
