local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local client <const> = require "perigee.http.client"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local rpc <const> = require "perigee.rpc"

-- Document 000, 11.10: XML-RPC over TLS where both sides verify each other, with Python at either end. Its certificates
-- are signed by themselves, so each is its own authority.

--- Makes NAME_cert.pem and NAME_key.pem as the document does.
local function make_certificate(directory, name, common_name)
  local output <const>, status <const> = helper.run(("cd %s && openssl req -new -x509 -days 365 -nodes " ..
    "-out %s_cert.pem -keyout %s_key.pem -subj /CN=%s -addext subjectAltName=DNS:localhost"):format(directory, name,
    name, common_name))
  assert.equal(0, status, output)
end

local function with_certificates()
  local directory <const> = helper.directory { ["client.py"] = [[
from xmlrpc.client import SafeTransport, ServerProxy
import ssl
import sys

class VerifyCertSafeTransport(SafeTransport):
    def __init__(self, cafile, certfile=None, keyfile=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile)
        if certfile:
            context.load_cert_chain(certfile, keyfile)
        context.verify_mode = ssl.CERT_REQUIRED
        SafeTransport.__init__(self, context=context)  # which makes its connections with it since Python 3.5

s = ServerProxy('https://localhost:' + sys.argv[1],
                transport=VerifyCertSafeTransport(*sys.argv[2:]),
                allow_none=True)
try:
    print(s.get('spam'), s.get('eggs'))
except ssl.SSLError as error:
    print(error.reason)
]], ["server.py"] = [[
import ssl
from xmlrpc.server import SimpleXMLRPCServer

class SSLMixin:
    def __init__(self, *args, keyfile=None, certfile=None, ca_certs=None, cert_reqs=ssl.CERT_NONE, **kwargs):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certfile, keyfile)
        self._context.load_verify_locations(ca_certs)
        self._context.verify_mode = cert_reqs
        super().__init__(*args, **kwargs)

    def get_request(self):
        client, addr = super().get_request()
        client_ssl = self._context.wrap_socket(client, server_side=True)
        return client_ssl, addr

class SSLSimpleXMLRPCServer(SSLMixin, SimpleXMLRPCServer):
    pass

server = SSLSimpleXMLRPCServer(('127.0.0.1', 0), logRequests=False, keyfile='server_key.pem',
                               certfile='server_cert.pem', ca_certs='client_cert.pem', cert_reqs=ssl.CERT_REQUIRED)
server.register_function(lambda name: 'value of ' + name, 'get')
print('port', server.server_address[1], flush=True)
server.serve_forever()
]] }
  make_certificate(directory, "server", "localhost")
  make_certificate(directory, "client", "alice")
  return directory
end

local function path_in(directory, name) return tostring(directory) .. "/" .. name end

describe("XML-RPC over TLS", function()
  after_each(function() client.close_idle() end)
  helper.leaves_nothing(before_each, after_each) -- asked behind the above

  it("is served to a Python client: each verifies the other", function()
    local directory <close> = with_certificates()
    local asked <const> = {}
    local app <const> = rpc.service { get = function(name)
      table.insert(asked, name)
      return "value " .. #asked
    end }:app()
    app:use(function(request, next)
      table.insert(asked, request.tls.peer.common_name)
      return next(request)
    end)
    local server <close> = assert(http.serve("https://127.0.0.1:0", app, { tls = {
      certificate = path_in(directory, "server_cert.pem"), key = path_in(directory, "server_key.pem"),
      ca = path_in(directory, "client_cert.pem") } }))
    local function ask(files)
      return (helper.run(("cd %s && timeout 20 /usr/bin/python3 client.py %d %s"):format(directory, server.address.port,
        files)))
    end
    assert.equal("value 2 value 4\n", ask "server_cert.pem client_cert.pem client_key.pem")
    assert.same({ "alice", "spam", "alice", "eggs" }, asked)
    assert.equal("TLSV13_ALERT_CERTIFICATE_REQUIRED\n", ask "server_cert.pem")
    assert.equal("TLSV1_ALERT_UNKNOWN_CA\n", ask "server_cert.pem server_cert.pem server_key.pem")
    assert.equal("CERTIFICATE_VERIFY_FAILED\n", ask "client_cert.pem client_cert.pem client_key.pem")
    assert.equal(4, #asked)
  end)

  it("is asked of a Python server: each verifies the other", function()
    local directory <close> = with_certificates()
    local process <close> = helper.start(("env -C %s /usr/bin/python3 server.py"):format(directory))
    local address <const> = "tls://localhost:" .. process:wait_for "port (%d+)"
    local function path(name) return path_in(directory, name) end
    local body <const> = [[<?xml version="1.0"?><methodCall><methodName>get</methodName>
<params><param><value><string>spam</string></value></param></params></methodCall>]]
    local function ask(options)
      local conn <close>, message <const> = net.connect(address, { tls = options })
      if not conn then return nil, message end
      conn:write(("POST /RPC2 HTTP/1.0\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n"):format(#body), body)
      local head <const>, why <const> = conn:read_until "\r\n\r\n"
      if not head then return nil, why end
      return conn:read(math.tointeger(head:match "Content%-length: (%d+)")):match "<string>(.-)</string>"
    end
    local mutual <const> = { ca = path "server_cert.pem", certificate = path "client_cert.pem",
      key = path "client_key.pem" }
    assert.equal("value of spam", (ask(mutual)))
    assert.matches("the peer refuses it: certificate required$", select(2, ask { ca = path "server_cert.pem" }))
    mutual.certificate, mutual.key = path "server_cert.pem", path "server_key.pem"
    assert.matches("the peer refuses it: unknown CA$", select(2, ask(mutual)))
    assert.matches("the certificate of /CN=localhost is not valid: self%-signed certificate$",
      select(2, ask { ca = certificates.path "ca.crt" }))
  end)

  it("is asked of a Python server by rpc.connect", function()
    local directory <close> = with_certificates()
    local process <close> = helper.start(("env -C %s /usr/bin/python3 server.py"):format(directory))
    local address <const> = "https://localhost:" .. process:wait_for "port (%d+)"
    local function path(name) return path_in(directory, name) end
    local function ask(tls)
      local remote <close> = rpc.connect(address, { protocol = "xml", tls = tls })
      return rpc.try(remote, "get", "spam")
    end
    local mutual <const> = { ca = path "server_cert.pem", certificate = path "client_cert.pem",
      key = path "client_key.pem" }
    assert.equal("value of spam", (ask(mutual)))
    local result <const>, message <const>, code <const> = ask { ca = certificates.path "ca.crt" }
    assert.same({ nil, "tls" }, { result, code })
    assert.matches("^call get: POST https://localhost:%d+/RPC2: ", message)
    mutual.certificate, mutual.key = path "server_cert.pem", path "server_key.pem" -- it does not know that one
    assert.is_nil((ask(mutual)))
    mutual.certificate, mutual.key = path "client_cert.pem", path "client_key.pem"
    assert.equal("value of spam", (ask(mutual)))
  end)
end)
