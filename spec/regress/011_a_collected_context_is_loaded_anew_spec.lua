--- A TLS context that had been collected was still found in the weak table of all contexts until the next collection:
--- a reload of certificates gave it a new one of OpenSSL, which nobody freed, and told of its files if they were gone.

local certificates <const> = require "spec.fixtures.certificates"
local tls <const> = require "perigee.tls"

describe("a reload of certificates", function()
  it("leaves alone what has been collected", function()
    collectgarbage()
    collectgarbage()
    local before <const> = tls.reload()
    local kept <const> = assert(tls.server(certificates.of "localhost"))
    assert(tls.server(certificates.of "localhost"))
    assert.equal(before + 2, (tls.reload()))
    collectgarbage() -- the second's finalizer runs, and its place in a table with weak keys is cleared in the next one
    assert.same({ before + 1, {} }, { tls.reload() })
    assert.is_true(kept:reload())
  end)
end)
