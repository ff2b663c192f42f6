--- A head of a request of more than a MiB failed by "the answer has a line without an end", and an option proxy that
--- was no URL by an error of the library's own.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"

describe("http.request", function()
  helper.leaves_nothing(before_each, after_each)

  it("says that a request is too long", function()
    local server <close> = assert(http.serve("http://127.0.0.1:0", function() return "here" end))
    local url <const> = tostring(server.address)
    local long <const> = ("x"):rep(1100000)
    helper.assert_failure("limit", "the head of the request is too long",
      http.request { url = url, headers = { ["X-Long"] = long } })
    helper.assert_failure("limit", "the head of the request is too long", http.request { url = url .. "/" .. long })
    assert.equal("here", assert(http.request { url = url }).body)
    http.close_idle()
  end)

  it("raises for a proxy that is no URL", function()
    for _, proxy in ipairs { true, 5, {} } do
      helper.assert_misuse("option 'proxy' must be a string, not " .. type(proxy), http.request,
        { url = "http://127.0.0.1:1/", proxy = proxy })
    end
  end)
end)
