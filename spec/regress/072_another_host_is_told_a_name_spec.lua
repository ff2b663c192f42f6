--- A Host that the caller had set went to every server that a redirect led to.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"

describe("the Host that a request was given", function()
  helper.leaves_nothing(before_each, after_each)

  it("is for the first server alone", function()
    local function tell(request) return request:header "host" end
    local other <close> = assert(http.serve("http://127.0.0.1:0", tell))
    local far <const> = tostring(other.address) .. "/"
    local server <close> = assert(http.serve("http://127.0.0.1:0", function(request)
      local to <const> = ({ ["/near"] = "/end", ["/far"] = far })[request.path]
      return to and http.response(302, "", { Location = to }) or tell(request)
    end))
    local function ask(path)
      local url <const> = tostring(server.address) .. path
      return assert(http.request { url = url, redirects = 1, headers = { HOST = "inner.test" } }).body
    end
    assert.equal("inner.test", ask "/near")
    assert.equal("http://" .. ask "/far" .. "/", far)
    http.close_idle()
  end)
end)
