local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local listener <const> = require "core.listener"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local of <const>, trusting <const> = certificates.of, certificates.trusting

--- What the server is told of handshakes that failed, in a test.
local failures = {}

local function collect_failures(_, _, message) table.insert(failures, message) end

local function serve(options, more)
  local given <const> = { tls = options }
  for name, value in pairs(more or {}) do given[name] = value end
  return assert(net.serve("tls://127.0.0.1:0", function(conn)
    conn:write "hello"
    conn:shutdown()
    conn:read_all()
  end, given))
end

--- What a client of these options comes to: all that the server says, or nil and why not. In TLS 1.3 it learns of its
--- own certificate's refusal when it reads.
local function attempt(address, options, name)
  local conn <close>, message <const>, code <const> = net.connect(address, { tls = options, server_name = name })
  if not conn then return nil, message, code end
  return conn:read_all()
end

--- Options of servers that want a certificate of their clients.
local function demanding(more)
  local options <const> = of("localhost", { ca = certificates.path "ca.crt" })
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

local OLD <const>, NEW <const> = { max_version = "1.2" }, { min_version = "1.3" }

--- What each is called, the server's and the client's options by functions, and what either says.
local cases <const> = {
  { "a server's certificate that is expired",
    function() return of "expired", trusting() end,
    "the certificate of /CN=expired is not valid: certificate has expired",
    "the peer refuses it: certificate expired" },
  { "a server's certificate that is not valid yet",
    function() return of "not_yet_valid", trusting() end,
    "the certificate of /CN=not_yet_valid is not valid: certificate is not yet valid",
    "the peer refuses it: bad certificate" },
  { "a server's certificate that is signed by itself",
    function() return of "self_signed", trusting() end,
    "the certificate of /CN=localhost is not valid: self%-signed certificate", "the peer refuses it: unknown CA" },
  { "a server's certificate of an unknown authority",
    function() return of "stranger", trusting() end,
    "the certificate of /CN=stranger is not valid: unable to get local issuer certificate",
    "the peer refuses it: unknown CA" },
  { "an authority that the system does not know",
    function() return of "localhost", {} end,
    "the certificate of /CN=localhost is not valid: unable to get local issuer certificate",
    "the peer refuses it: unknown CA" },
  { "a server's chain without the middle",
    function() return of "below", trusting() end,
    "the certificate of /CN=below is not valid: unable to get local issuer certificate",
    "the peer refuses it: unknown CA" },
  { "a server's certificate for another name",
    function() return of "elsewhere", trusting(), "localhost" end,
    "the certificate of /CN=elsewhere is not for 'localhost': hostname mismatch",
    "the peer refuses it: bad certificate" },
  { "a server's certificate for another address",
    function() return of "elsewhere", trusting() end,
    "the certificate of /CN=elsewhere is not for '127.0.0.1': IP address mismatch",
    "the peer refuses it: bad certificate" },
  { "a client's certificate that a server shows",
    function() return of "alice", trusting(), "localhost" end,
    "the certificate of /O=Perigee/CN=alice is not valid: unsuitable certificate purpose",
    "the peer refuses it: unsupported certificate" },
  { "a missing certificate of a client",
    function() return demanding(), trusting() end,
    "the peer refuses it: certificate required",
    "the peer shows no certificate %(peer did not return a certificate%)" },
  { "a missing certificate of a client by TLS 1.2",
    function() return demanding(), trusting(nil, OLD) end,
    "the peer refuses it: certificate required %(handshake failure%)",
    "the peer shows no certificate %(peer did not return a certificate%)" },
  { "a client's certificate that is expired",
    function() return demanding(), trusting "expired" end,
    "the peer refuses it: certificate expired",
    "the certificate of /CN=expired is not valid: certificate has expired" },
  { "a client's certificate that is expired by TLS 1.2",
    function() return demanding(), trusting("expired", OLD) end,
    "the peer refuses it: certificate expired",
    "the certificate of /CN=expired is not valid: certificate has expired" },
  { "a client's certificate that is not valid yet",
    function() return demanding(), trusting "not_yet_valid" end,
    "the peer refuses it: bad certificate",
    "the certificate of /CN=not_yet_valid is not valid: certificate is not yet valid" },
  { "a client's certificate of an unknown authority",
    function() return demanding { verify = "optional" }, trusting "stranger" end,
    "the peer refuses it: unknown CA",
    "the certificate of /CN=stranger is not valid: unable to get local issuer certificate" },
  { "a client's certificate that is signed by itself",
    function() return demanding(), trusting "self_signed" end,
    "the peer refuses it: unknown CA", "the certificate of /CN=localhost is not valid: self%-signed certificate" },
  { "a server's certificate that a client shows",
    function() return demanding(), trusting "server_only" end,
    "the peer refuses it: unsupported certificate",
    "the certificate of /CN=server only is not valid: unsuitable certificate purpose" },
  { "a client that is too old",
    function() return of("localhost", NEW), trusting(nil, OLD) end,
    "the peer refuses it: protocol version", "there is no common version of TLS %(unsupported protocol%)" },
  { "a server that is too old",
    function() return of("localhost", OLD), trusting(nil, NEW) end,
    "the peer refuses it: protocol version", "there is no common version of TLS %(unsupported protocol%)" },
  { "no common cipher",
    function()
      return of("localhost", { max_version = "1.2", ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" }),
        trusting(nil, { ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" })
    end,
    "the peer refuses it: handshake failure", "there is no common cipher %(no shared cipher%)" },
  { "no common cipher suite",
    function()
      return of("localhost", { min_version = "1.3", cipher_suites = "TLS_AES_128_GCM_SHA256" }),
        trusting(nil, { cipher_suites = "TLS_AES_256_GCM_SHA384" })
    end,
    "the peer refuses it: handshake failure", "there is no common cipher %(no shared cipher%)" },
  { "no common group",
    function() return of("localhost", { groups = "P-256" }), trusting(nil, { groups = "X25519" }) end,
    "the peer refuses it: handshake failure", "there is no common group %(no suitable key share%)" },
  { "no common protocol",
    function() return of("localhost", { protocols = { "a" } }), trusting(nil, { protocols = { "b" } }) end,
    "the peer refuses it: no application protocol", "there is no common protocol %(no application protocol%)" },
}

describe("a handshake fails, and both ends say why:", function()
  helper.leaves_nothing(before_each, after_each)
  before_each(function()
    failures = {}
    listener.on_handshake_failed(collect_failures)
  end)

  for _, case in ipairs(cases) do
    local name <const>, options <const>, client_says <const>, server_says <const> = table.unpack(case)
    it(name, function()
      local server_options <const>, client_options <const>, server_name <const> = options()
      local server <close> = serve(server_options)
      local got <const>, message <const>, code <const> = attempt(tostring(server.address), client_options, server_name)
      assert.same({ nil, "tls" }, { got, code })
      assert.matches(": " .. client_says .. "$", message)
      assert.matches("tls://127.0.0.1:" .. server.address.port .. ": ", message, 1, true)
      helper.eventually(function() return server.sockets[1].active == 0 end)
      assert.equal(1, #failures)
      assert.matches("^" .. server_says .. "$", failures[1])
    end)
  end
end)

describe("a handshake succeeds", function()
  helper.leaves_nothing(before_each, after_each)
  before_each(function()
    failures = {}
    listener.on_handshake_failed(collect_failures)
  end)

  local function assert_hello(server_options, client_options, name)
    local server <close> = serve(server_options)
    assert.same({ "hello" }, { attempt(tostring(server.address), client_options, name) })
    assert.same({}, failures)
  end

  it("with a chain, a list of certificates, or certificate and key in one file", function()
    assert_hello(of "chain", trusting())
    assert_hello({ certificate = certificates.path "together.pem" }, trusting())
    local both <const> = { certificate = { certificates.path "localhost.crt", certificates.path "localhost_rsa.crt" } }
    for _, kind in ipairs { "ECDSA", "RSA" } do
      assert_hello(both, trusting(nil, { max_version = "1.2", ciphers = "ECDHE-" .. kind .. "-AES128-GCM-SHA256" }))
    end
  end)

  it("with a key beside the certificate, and with an encrypted one", function()
    assert_hello({ certificate = certificates.path "localhost.crt" }, trusting())
    assert_hello(of("encrypted", { password = certificates.password }), trusting())
  end)

  it("without verification when the client wants none", function()
    assert_hello(of "expired", { verify = false })
    assert_hello(of "elsewhere", { verify = "none" })
  end)

  it("with a client's certificate that may be missing", function()
    assert_hello(demanding { verify = "optional" }, trusting())
    assert_hello(demanding { verify = "optional" }, trusting "alice")
    assert_hello(demanding { verify = false }, trusting "stranger")
  end)

  it("with the certificate of a name, whatever its case", function()
    assert_hello(of "alpha", trusting(), "ALPHA.test")
    assert_hello(of "wildcard", trusting(), "any.example.test")
  end)

  it("and hides names of a certificate that have a zero byte in them", function()
    local server <close> = serve(of "forged")
    local conn <close> = assert(net.connect(tostring(server.address), { tls = trusting(), server_name = "other.test" }))
    assert.same({ "other.test" }, conn.tls.peer.names)
    assert.matches("is not for 'good.test'", select(2, attempt(tostring(server.address), trusting(), "good.test")))
  end)

  it("and shows the client's certificate to the handler", function()
    local seen <const> = task.channel(1)
    local server <close> = assert(net.serve("tls://127.0.0.1:0", function(conn)
      seen:send(conn.tls)
    end, { tls = demanding() }))
    attempt(tostring(server.address), trusting "alice")
    local tls <const> = seen:receive()
    assert.same({ true, "CN=alice,O=Perigee", "alice", "CN=ca,O=Perigee specs" },
      { tls.verified, tls.peer.subject, tls.peer.common_name, tls.peer.issuer })
    assert.same({ "alice@example.test" }, tls.peer.names)
    assert.matches("^%x+$", tls.peer.serial)
  end)
end)
