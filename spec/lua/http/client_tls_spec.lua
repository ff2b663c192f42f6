local certificates <const> = require "spec.fixtures.certificates"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local name_server <const> = require "spec.fixtures.name_server"

local function serve(tls, handler)
  local server <const> = assert(http.serve("https://127.0.0.1:0", handler or function(request)
    return ("%s %s"):format(request.tls.version, request.tls.peer and request.tls.peer.common_name or "nobody")
  end, { tls = tls }))
  return server, ("https://127.0.0.1:%d/"):format(server.address.port)
end

local function assert_failure(url, pattern, options)
  options.url = url
  local response <const>, message <const>, code <const> = http.request(options)
  assert.same({ nil, "tls" }, { response, code }, message)
  assert.equal("GET " .. url .. ": ", message:sub(1, #url + 6))
  assert.matches(pattern, message)
end

describe("the HTTP client over TLS", function()
  helper.leaves_nothing(before_each, after_each)

  it("takes a certificate of an authority that it trusts, for that name", function()
    local server <close>, url <const> = serve(certificates.of "localhost")
    local tls <const> = certificates.trusting()
    assert.equal("TLSv1.3 nobody", assert(http.request { url = url, tls = tls }).body)
    local named <const> = ("https://localhost:%d/"):format(server.address.port)
    assert.equal("TLSv1.3 nobody", assert(http.request { url = named, tls = tls }).body)
  end)

  it("asks for the server by the URL's name when the resolver has found its address", function()
    local _ <close> = name_server.serve { ["alpha.test"] = { "127.0.0.1" }, ["beta.test"] = { "127.0.0.1" } }
    local server <close> = serve(certificates.of "localhost")
    local names <close> = assert(http.serve("https://127.0.0.1:0", function(request) return request.tls.server_name end,
      { tls = certificates.of "alpha" }))
    local url <const> = ("https://alpha.test:%d/"):format(names.address.port)
    assert.equal("alpha.test", assert(http.request { url = url, tls = certificates.trusting() }).body)
    assert_failure(("https://beta.test:%d/"):format(names.address.port), "beta.test", { tls = certificates.trusting() })
    assert_failure(("https://alpha.test:%d/"):format(server.address.port), "alpha.test",
      { tls = certificates.trusting() })
  end)

  for name, pattern in pairs { expired = "expired", not_yet_valid = "not yet valid", elsewhere = "127.0.0.1",
    stranger = "unable to get local issuer certificate", self_signed = "self.signed certificate" } do
    it("refuses a certificate that is " .. name, function()
      local _ <close>, url <const> = serve(certificates.of(name))
      assert_failure(url, pattern, { tls = certificates.trusting() })
    end)

    it("takes one that is " .. name .. " when it is told not to verify", function()
      local _ <close>, url <const> = serve(certificates.of(name))
      assert.equal(200, assert(http.request { url = url, tls = { verify = false } }).status)
      assert_failure(url, pattern, { tls = certificates.trusting() })
    end)
  end

  it("trusts the system's authorities when nothing else is said, and those alone", function()
    local _ <close>, url <const> = serve(certificates.of "localhost")
    assert_failure(url, "unable to get local issuer certificate", {})
  end)

  it("does not use a connection that was not verified for a request that verifies", function()
    local _ <close>, url <const> = serve(certificates.of "localhost")
    assert.equal(200, assert(http.request { url = url, tls = { verify = false } }).status)
    assert_failure(url, "unable to get local issuer certificate", {})
    assert.equal(200, assert(http.request { url = url, tls = certificates.trusting() }).status)
    assert_failure(url, "unable to get local issuer certificate", {})
  end)

  it("shows its certificate to servers that ask for one", function()
    local server_tls <const> = certificates.trusting("localhost", { verify = "required" })
    local _ <close>, url <const> = serve(server_tls)
    assert.equal("TLSv1.3 alice", assert(http.request { url = url, tls = certificates.trusting "alice" }).body)
    assert_failure(url, ": tlsv13 alert certificate required$", { tls = certificates.trusting() })
  end)

  it("opens a key by its password", function()
    local _ <close>, url <const> = serve(certificates.trusting("localhost", { verify = "required" }))
    local given <const> = certificates.trusting("encrypted", { password = certificates.password })
    assert.equal("TLSv1.3 localhost", assert(http.request { url = url, tls = given }).body)
    http.close_idle()
    assert_failure(url, "key", { tls = certificates.trusting("encrypted", { password = "wrong" }) })
  end)

  it("names the file that cannot be read", function()
    local _ <close>, url <const> = serve(certificates.of "localhost")
    assert_failure(url, "/nowhere/ca.pem", { tls = { ca = "/nowhere/ca.pem" } })
    assert_failure(url, "/nowhere/me.pem", { tls = certificates.trusting(nil, { certificate = "/nowhere/me.pem" }) })
  end)

  it("does not speak less than TLS 1.2", function()
    local own <const> = certificates.of "localhost"
    local server <close> = helper.start(("openssl s_server -accept 127.0.0.1:0 -tls1_1 -cipher DEFAULT@SECLEVEL=0 "
      .. "-cert %s -key %s"):format(own.certificate, own.key))
    local port <const> = server:wait_for "ACCEPT [%d.]+:(%d+)"
    assert_failure(("https://127.0.0.1:%d/"):format(port), "", { tls = certificates.trusting() })
  end)

  it("says when the server speaks no TLS, and when TLS is spoken to plain HTTP", function()
    local plain <close> = assert(http.serve("http://127.0.0.1:0", function() return "plain" end))
    assert_failure(("https://127.0.0.1:%d/"):format(plain.address.port), ": the peer does not speak TLS$",
      { tls = certificates.trusting() })
    local secure <close> = serve(certificates.of "localhost")
    local response <const>, message <const>, code <const> =
      http.request { url = ("http://127.0.0.1:%d/"):format(secure.address.port) }
    assert.is_true(code ~= nil or response.status == 400, message)
  end)

  it("keeps connections", function()
    local function say_peer(request) return tostring(request.peer) end
    local _ <close>, url <const> = serve(certificates.of "localhost", say_peer)
    local tls <const> = certificates.trusting()
    local first <const> = assert(http.request { url = url, tls = tls }).body
    for _ = 1, 10 do assert.equal(first, assert(http.request { url = url, tls = tls }).body) end
  end)
end)
