local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local check_by_sslscan <const> = require "spec.fixtures.sslscan"
local net <const> = require "perigee.net"

-- The scripts over TLS, by their listen options alone, and clients that nobody here wrote.

local CA <const> = certificates.path "ca.crt"

--- Starts a script at tls://127.0.0.1:0 with the certificate for localhost, or another one.
local function start(name, more, certificate)
  return helper.serve(("scripts/%s.lua --set '%s.listen=tls://127.0.0.1:0?certificate=%s' %s"):format(name, name,
    certificates.path((certificate or "localhost") .. ".crt"), more or ""))
end

local PROLOGUE <const> = [[
import socket, ssl, subprocess, sys
port, ca = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context(cafile=ca)
def connect(context=context, name='localhost'):
    return context.wrap_socket(socket.create_connection(('127.0.0.1', port), 20), server_hostname=name)
def read(s, count):
    message = b''
    while len(message) < count:
        part = s.recv(count - len(message))
        assert part, 'the stream ended after %d bytes' % len(message)
        message += part
    return message
class Client: # openssl s_client
    def __init__(self, *arguments):
        self.process = subprocess.Popen(['openssl', 's_client', '-connect', '127.0.0.1:%d' % port, '-CAfile', ca,
            *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    def say(self, text):
        self.process.stdin.write(text + b'\n')
        self.process.stdin.flush()
    def wait_for(self, text):
        line = b'x'
        while line and text not in line: line = self.process.stdout.readline()
        return line.strip()
    def close(self):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait()
        return rest
]]

local function python(port, program, arguments)
  return helper.python(PROLOGUE .. program, ("%d %s %s"):format(port, CA, arguments or ""))
end

describe("the echo script over TLS", function()
  helper.leaves_nothing(before_each, after_each)

  for _, certificate in ipairs { "localhost", "localhost_rsa", "chain" } do
    it("answers openssl s_client: " .. certificate, function()
      local _ <close>, address <const>, port <const> = start("echo", nil, certificate)
      assert.equal("tls://127.0.0.1:" .. port, address)
      assert.same({ ("b'hi'\nb'Verify return code: 0 (ok)'\n"):rep(2), 0 }, { python(port, [[
for version in '-tls1_2', '-tls1_3':
    s = Client(version, '-verify_hostname', 'localhost')
    s.say(b'hi')
    verified = s.wait_for(b'Verify return code')
    print(s.wait_for(b'hi'))
    print(verified)
    s.close()
]]) })
    end)
  end

  it("answers Python's ssl: as in document 000, 11.10", function()
    local _ <close>, _ <const>, port <const> = start "echo"
    assert.same({ "b'Hello World?'\nTLSv1.3\n", 0 }, { python(port, [[
s = connect()
s.send(b'Hello World?')
print(read(s, 12))
print(s.version())
s.close()
]]) })
  end)

  it("sends back megabytes to Python, who ends its side last", function()
    local size <const> = helper.is_tiny and 20000 or 5000000
    local _ <close>, _ <const>, port <const> = start "echo"
    assert.same({ "True b''\n", 0 }, { python(port, [[
import select
size = int(sys.argv[3])
sent, got, at = bytes(i * i % 251 for i in range(size)), bytearray(), 0
s = connect()
s.setblocking(False)
while len(got) < size:
    try: at += s.send(sent[at:at + 100000])
    except ssl.SSLWantWriteError: pass
    try: got += s.recv(100000)
    except ssl.SSLWantReadError: select.select([s], [s] if at < size else [], [], 20)
s.setblocking(True)
plain = s.unwrap()
print(got == sent, plain.recv(1))
]], tostring(size)) })
  end)

  it("goes on after a change of keys, and after a renegotiation that it refuses", function()
    local _ <close>, _ <const>, port <const> = start "echo"
    assert.same({ "b'one' b'two' b'three'\nTrue\n", 0 }, { python(port, [[
s, heard = Client('-tls1_3'), []
for word in b'one', b'two', b'three':
    s.say(word)
    heard.append(s.wait_for(word))
    s.say(b'K' if word == b'one' else b'k') # both sides' keys, or our own alone
    s.wait_for(b'KEYUPDATE')
print(*heard)
s.close()
s = Client('-tls1_2')
s.say(b'four')
s.wait_for(b'four')
s.say(b'R')
print(b'no renegotiation' in s.close())
]]) })
    local conn <close> = assert(net.connect("tls://127.0.0.1:" .. port, { tls = certificates.trusting() }))
    conn:write "still"
    assert.equal("still", (conn:read(5)))
  end)

  it("wants certificates of clients when its address says so", function()
    local _ <close>, _ <const>, port <const> = helper.serve(
      ("scripts/echo.lua --set 'echo.listen=tls://127.0.0.1:0?certificate=%s&ca=%s'"):format(
        certificates.path "localhost.crt", CA))
    assert.same({ "b'alice'\nTLSV13_ALERT_CERTIFICATE_REQUIRED\n", 0 }, { python(port, [[
def ask(context):
    s = connect(context)
    s.sendall(b'alice')
    try: print(read(s, 5))
    except ssl.SSLError as error: print(error.reason)
    s.close()
context.load_cert_chain(sys.argv[3] + '/alice.crt', sys.argv[3] + '/alice.key')
ask(context)
ask(ssl.create_default_context(cafile=ca))
]], (CA:gsub("/[^/]*$", ""))) })
  end)

  it("has new versions and strong ciphers only, says sslscan", function()
    for _, certificate in ipairs { "localhost", "localhost_rsa" } do
      local process <close>, _ <const>, port <const> = start("echo", nil, certificate)
      check_by_sslscan(port)
      assert.is_false(process:has_ended())
    end
  end)
end)

describe("over TLS, the script", function()
  helper.leaves_nothing(before_each, after_each)

  it("line answers lines", function()
    local _ <close>, _ <const>, port <const> = start "line"
    assert.same({ "Hello. Say a line, or quit.\n1: one\n2: two\nGoodbye.\n", 0 }, { python(port, [[
s = connect()
s.sendall(b'one\r\ntwo\r\nquit\r\n')
for line in s.makefile(): print(line.strip())
]]) })
  end)

  it("arrays sends its numbers, as in document 000, 11.13", function()
    local count <const> = helper.is_tiny and 2000 or 1000000
    local _ <close>, _ <const>, port <const> = start("arrays", "--set arrays.count=" .. count)
    assert.same({ "True b''\n", 0 }, { python(port, [[
import array
count = int(sys.argv[3])
a = array.array('d', bytes(8 * count))
s = connect()
view = memoryview(a).cast('B')
while len(view): view = view[s.recv_into(view):]
print(a == array.array('d', range(count)), s.recv(1))
]], tostring(count)) })
  end)

  it("chat has its lines, beside a page in the clear", function()
    local process <close>, address <const> = start("chat", "--set chat.page=http://127.0.0.1:0")
    assert.matches("^tls:", address)
    process:wait_for "listening address=http://"
    assert.same({ "* welcome. What is your name?\n* you are in lobby\n* carl has come\ncarl: hello\n* goodbye\n", 0 },
      { python(address:match "%d+$", [[
s = connect()
s.sendall(b'carl\nhello\n/quit\n')
print(s.makefile().read(), end='')
]]) })
  end)

  it("is refused with a certificate that is of no use, and says why", function()
    local output <const>, status <const> = helper.run(helper.binary ..
      " run scripts/echo.lua --set 'echo.listen=tls://127.0.0.1:0?certificate=/nowhere/x.crt'")
    assert.equal(1, status)
    assert.matches("listen on tls://127.0.0.1:0: TLS: certificate '/nowhere/x.crt': No such file or directory", output)
    assert.matches("scripts/echo.lua:%d+:", output)
  end)
end)

describe("openssl s_server", function()
  helper.leaves_nothing(before_each, after_each)

  local function s_server(name, options)
    local server <const> = helper.start(("openssl s_server -accept 127.0.0.1:0 -www -cert %s -key %s %s"):format(
      certificates.path(name .. ".crt"), certificates.path(name .. ".key"), options or ""))
    return server, "tls://" .. server:wait_for "ACCEPT (%S+)"
  end

  local function get(address, options)
    local conn <close>, message <const>, code <const> = net.connect(address, { tls = options })
    if not conn then return nil, message, code end
    conn:write "GET / HTTP/1.0\r\n\r\n"
    local page <const>, why <const>, short <const> = conn:read_all()
    return page and page:match "^HTTP/1.0 200 ok", page and conn.tls or why, short
  end

  it("is a peer of net.connect", function()
    for _, options in ipairs { "", "-tls1_2", "-tls1_3", "-ciphersuites TLS_CHACHA20_POLY1305_SHA256 -tls1_3",
      "-groups P-384", "-alpn other,two" } do
      local _ <close>, address <const> = s_server("localhost", options)
      local page <const>, facts <const> = get(address, certificates.trusting(nil, { protocols = { "one", "two" } }))
      assert.same({ "HTTP/1.0 200 ok", true }, { page, facts.verified })
      assert.equal(options:match "two", facts.protocol)
    end
  end)

  it("may ask for our certificate", function()
    local _ <close>, address <const> = s_server("localhost", "-Verify 1 -verify_return_error -CAfile " .. CA)
    assert.equal("HTTP/1.0 200 ok", (get(address, certificates.trusting "alice")))
    local page <const>, message <const>, code <const> = get(address, certificates.trusting())
    assert.same({ nil, "tls" }, { page, code })
    assert.matches("^read from tls://127.0.0.1:%d+: the peer refuses it: certificate required$", message)
    local _, wrong <const> = get(address, certificates.trusting "stranger")
    assert.matches("the peer refuses it: unknown CA$", wrong)
  end)

  it("is refused with old versions and weak ciphers", function()
    for _, options in ipairs { "-tls1_1 -cipher ALL:@SECLEVEL=0", "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA" } do
      local _ <close>, address <const> = s_server("localhost", options)
      local page <const>, message <const>, code <const> = get(address, certificates.trusting())
      assert.same({ nil, "tls" }, { page, code })
      assert.matches("the peer refuses it: ", message)
    end
  end)
end)
