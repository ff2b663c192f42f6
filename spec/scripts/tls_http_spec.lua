local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local check_by_sslscan <const> = require "spec.fixtures.sslscan"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local websocket <const> = require "perigee.websocket"

local CA <const> = certificates.path "ca.crt"

--- Starts a script whose `option` is an https address.
local function start(name, option, more)
  return helper.serve(("scripts/%s.lua --set '%s.%s=https://127.0.0.1:0?certificate=%s' %s"):format(name, name, option,
    certificates.path "localhost.crt", more or ""))
end

local function curl(arguments)
  return helper.run("curl -sS --max-time 20 --cacert " .. CA .. " " .. arguments)
end

describe("the rest script over TLS", function()
  helper.leaves_nothing(before_each, after_each)

  it("serves curl", function()
    local process <close>, address <const>, port <const> = start("rest", "listen")
    assert.equal("https://127.0.0.1:" .. port, address)
    for _, host in ipairs { "localhost", "127.0.0.1" } do
      local url <const> = ("https://%s:%d"):format(host, port)
      assert.same({ "<html><body><h1>Hello Ann!</h1></body></html>", 0 }, { curl(("'%s/hello?name=Ann'"):format(url)) })
    end
    local lamp <const> = { id = 1, name = "lamp", price = 19.75 }
    assert.same(lamp, json.decode((curl([[-d '{"name":"lamp","price":19.75}' ]] .. address .. "/items"))))
    for _, options in ipairs { "--tls-max 1.2", "--tlsv1.3", "--http2", "--http1.0", "--no-alpn" } do
      assert.same(lamp, json.decode((curl(options .. " " .. address .. "/items/1"))))
    end
    local said <const>, status <const> = helper.run("curl -sS " .. address .. "/items/1")
    assert.equal(60, status)
    assert.matches("unable to get local issuer certificate", said)
    process:wait_for 'TLS handshake failed .* reason="the peer refuses it: unknown CA"'
  end)

  it("agrees on http/1.1", function()
    local _ <close>, address <const> = start("rest", "listen")
    local output <const> = curl("-v " .. address .. "/hello")
    assert.matches("ALPN, server accepted to use http/1.1", (output:gsub("ALPN: server accepted http/1.1",
      "ALPN, server accepted to use http/1.1")))
    assert.matches("SSL connection using TLSv1.3", output)
  end)

  it("says nothing when clients end without a word", function()
    local process <close>, _ <const>, port <const> = start("rest", "listen")
    assert.same({ "200 True\n", 0 }, { helper.python([[
import http.client, socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
c = http.client.HTTPSConnection('localhost', int(sys.argv[1]), context=context)
c.request('GET', '/hello')
r = c.getresponse()
print(r.status, b'Hello' in r.read())
c.sock.shutdown(socket.SHUT_RDWR)
c.close()
]], port .. " " .. CA) })
    assert.same({ "<html><body><h1>Hello world!</h1></body></html>", 0 },
      { curl("https://127.0.0.1:" .. port .. "/hello") })
    assert.is_nil(process:output():match "warn" or process:output():match "error")
  end)

  it("tells who speaks HTTP to it in the clear", function()
    local process <close>, _ <const>, port <const> = start("rest", "listen")
    assert.is_true(select(2, helper.run("curl -sS http://127.0.0.1:" .. port .. "/hello")) ~= 0)
    process:wait_for 'reason="the peer speaks HTTP without TLS %(http request%)"'
  end)

  it("serves wrk and h2load without an error", function()
    local _ <close>, address <const> = start("rest", "listen")
    local output <const> = helper.run("wrk -t1 -c16 -d1 " .. address .. "/hello")
    assert.matches("[1-9]%d* requests in", output)
    assert.is_nil(output:match "Socket errors" or output:match "Non%-2xx")
    local count <const> = helper.is_tiny and 200 or 3000
    local loaded <const> = helper.run(("h2load --h1 -n%d -c10 -m5 %s/hello"):format(count, address))
    assert.matches(("%d succeeded, 0 failed, 0 errored, 0 timeout"):format(count), loaded)
  end)

  it("has new versions and strong ciphers only, says sslscan", function()
    local _ <close>, _ <const>, port <const> = start("rest", "listen")
    check_by_sslscan(port)
  end)

  it("answers requests that come in one record, in order, and those that come byte by byte", function()
    local _ <close>, _ <const>, port <const> = start("rest", "listen")
    local conn <close> = assert(net.connect("tls://127.0.0.1:" .. port, { tls = certificates.trusting() }))
    local request <const> = "GET /hello?name=%d HTTP/1.1\r\nHost: a\r\n\r\n"
    local requests <const>, count <const> = {}, helper.is_tiny and 20 or 500
    for i = 1, count do requests[i] = request:format(i) end
    conn:write(table.concat(requests))
    local function read_answer()
      local head <const> = assert(conn:read_until "\r\n\r\n")
      return (conn:read(math.tointeger(head:match "Content%-Length: (%d+)"))):match "Hello (%d+)"
    end
    for i = 1, count do assert.equal(tostring(i), read_answer()) end
    for byte in request:format(7):gmatch "." do
      conn:write(byte)
      conn:flush()
    end
    assert.equal("7", read_answer())
  end)
end)

describe("the chat script over TLS", function()
  helper.leaves_nothing(before_each, after_each)


  it("has its page, and rooms for WebSockets of three makers", function()
    local process <close> = start("chat", "page", "--set chat.listen=tcp://127.0.0.1:0")
    local page <const>, port <const> = process:wait_for "listening address=(https://127.0.0.1:(%d+))"
    assert.matches("<html", (curl(page .. "/")))
    local socket <close> = assert(websocket.connect(("wss://127.0.0.1:%d/socket"):format(port),
      { tls = certificates.trusting() }))
    socket:send "ann"
    local heard = ""
    local function hear(text)
      while not heard:find(text, 1, true) do heard = heard .. assert(socket:receive()) .. "\n" end
    end
    hear "* ann has come"
    local function assert_talk(name, output, status)
      assert.same({ "heard ann\n", 0 }, { output, status })
      hear(name .. ": hello from " .. name)
    end
    helper.eventually(function() return socket:send "welcome" end)
    assert_talk("bob", helper.python([[
import asyncio, ssl, sys, websockets
async def main():
    context = ssl.create_default_context(cafile=sys.argv[2])
    async with websockets.connect('wss://localhost:%s/socket' % sys.argv[1], ssl=context) as s:
        await s.send('bob')
        heard = ''
        while 'ann: welcome' not in heard: heard += await s.recv()
        await s.send('hello from bob')
        while 'bob: hello from bob' not in heard: heard += await s.recv()
        print('heard ann')
asyncio.run(main())
]], port .. " " .. CA))
    local program <close> = helper.directory { ["carl.js"] = [[
const WebSocket = require(process.argv[2]), fs = require('fs');
const s = new WebSocket('wss://localhost:' + process.argv[3] + '/socket', { ca: fs.readFileSync(process.argv[4]) });
let heard = '', said = false;
s.on('open', () => s.send('carl'));
s.on('message', data => {
  heard += data;
  if (!said && heard.includes('ann: welcome')) { said = true; s.send('hello from carl'); }
  if (heard.includes('carl: hello from carl')) { console.log('heard ann'); s.close(); heard = ''; }
});
]] }
    assert_talk("carl", helper.run(("node %s/carl.js $PWD/build/npm/node_modules/ws %d %s"):format(program, port, CA)))
  end)

  it("is not had by wss with a certificate that is not trusted", function()
    local process <close> = start("chat", "page", "--set chat.listen=tcp://127.0.0.1:0")
    local port <const> = process:wait_for "listening address=https://127.0.0.1:(%d+)"
    local socket <const>, message <const>, code <const> = websocket.connect(("wss://127.0.0.1:%d/socket"):format(port))
    assert.same({ nil, "tls" }, { socket, code })
    assert.matches("the certificate of /CN=localhost is not valid: unable to get local issuer certificate$", message)
  end)
end)

describe("the camera script over TLS", function()
  helper.leaves_nothing(before_each, after_each)

  it("shows its stream to curl", function()
    local _ <close>, address <const> = start("camera", "listen", "--set camera.rate=200")
    assert.matches("<html", (curl(address .. "/")))
    local output <const> = helper.run(("curl -sS --max-time 20 --cacert %s %s/stream.mjpg | head -c 200000 | " ..
      "grep -a -c 'Content-Type: image/jpeg'"):format(CA, address))
    assert.is_true(math.tointeger(tonumber(output:match "%d+")) > 3)
  end)
end)

describe("an application over TLS", function()
  helper.leaves_nothing(before_each, after_each)

  it("knows its client's certificate", function()
    local app <const> = http.app()
    app:get("/", function(request)
      local peer <const> = request.tls.peer
      return { subject = peer and peer.subject, verified = request.tls.verified, version = request.tls.version,
        protocol = request.tls.protocol }
    end)
    local server <close> = assert(http.serve("https://127.0.0.1:0", app, { tls = certificates.of("localhost",
      { ca = CA, verify = "optional" }) }))
    local url <const> = tostring(server.address)
    local alice <const> = ("--cert %s --key %s "):format(certificates.path "alice.crt", certificates.path "alice.key")
    local facts <const> = { protocol = "http/1.1", subject = "CN=alice,O=Perigee", verified = true,
      version = "TLSv1.3" }
    assert.same(facts, json.decode((curl(alice .. url))))
    facts.subject, facts.verified = nil, false
    assert.same(facts, json.decode((curl(url))))
    local output <const>, status <const> = curl(("--cert %s --key %s "):format(certificates.path "stranger.crt",
      certificates.path "stranger.key") .. url)
    assert.matches("unknown ca", output)
    assert.is_true(status ~= 0)
  end)

  it("takes and sends much, by strings and files", function()
    local app <const> = http.app()
    local content <const> = ("0123456789"):rep(helper.is_tiny and 1000 or 300000)
    local files <close> = helper.directory { ["much.bin"] = content }
    app:static("/", tostring(files))
    app:post("/", function(request) return request:body() end)
    local server <close> = assert(http.serve("https://127.0.0.1:0", app, { tls = certificates.of "localhost",
      body_limit = 1 << 24 }))
    local url <const>, path <const> = tostring(server.address), tostring(files) .. "/much.bin"
    for _, arguments in ipairs { url .. "/much.bin", ("--data-binary @%s %s/"):format(path, url) } do
      local output <const>, status <const> = curl(arguments)
      assert.equal(0, status)
      assert.is_true(output == content)
    end
    assert.same({ "45678", 0 }, { curl("-r 4-8 " .. url .. "/much.bin") })
  end)
end)
