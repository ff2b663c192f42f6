local certificates <const> = require "spec.fixtures.certificates"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local name_server <const> = require "spec.fixtures.name_server"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local proxies <const> = require "perigee.http.client_proxy"

--- A proxy that says what it was asked for, and tunnels a CONNECT to `target`.
local function serve_proxy(target)
  local seen <const> = {}
  local server <const> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
    while true do
      local head <const> = conn:read_until("\r\n\r\n", 10000)
      if not head then return end
      seen[#seen + 1] = head:match "^[^\r]+"
      if head:find "^CONNECT " then
        conn:write "HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n"
        local other <close> = assert(net.connect(target))
        task.spawn(function() other:pipe(conn) end)
        return conn:pipe(other)
      end
      conn:write "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nby proxy!"
    end
  end))
  return server, ("http://127.0.0.1:%d"):format(server.address.port), seen
end

local function of(url, environment)
  local scheme <const>, host <const> = url:match "^(%w+)://(.+)$"
  return proxies.of({ scheme = scheme, host = host }, function(name) return environment[name] end)
end

describe("the proxy of a request", function()
  it("is what the environment says for the scheme", function()
    assert.equal("a", of("http://x", { http_proxy = "a", https_proxy = "b", all_proxy = "c" }))
    assert.equal("b", of("https://x", { http_proxy = "a", https_proxy = "b", all_proxy = "c" }))
    assert.equal("b", of("https://x", { HTTPS_PROXY = "b" }))
    assert.equal("c", of("http://x", { all_proxy = "c", https_proxy = "b" }))
    assert.equal("c", of("http://x", { ALL_PROXY = "c", http_proxy = "" }))
    assert.is_nil(of("http://x", {}))
    assert.is_nil(of("http://x", { HTTP_PROXY = "a" })) -- which CGI makes of a client's header
  end)

  it("is none for this machine", function()
    for _, host in ipairs { "localhost", "LocalHost.", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]" } do
      assert.is_nil(of("http://" .. host, { http_proxy = "a", all_proxy = "b" }))
    end
    for _, host in ipairs { "notlocalhost", "128.0.0.1", "[::2]", "127.0.0.1.example" } do
      assert.equal("a", of("http://" .. host, { http_proxy = "a" }))
    end
  end)

  it("is none for those that no_proxy has", function()
    for host, list in pairs {
      ["a.test"] = "*", ["b.test"] = "b.test", ["x.c.test"] = "c.test", ["x.d.test"] = ".d.test",
      ["E.test"] = "x, e.TEST ,y", ["f.test."] = "f.test", ["10.1.2.3"] = "10.0.0.0/8", ["10.1.2.4"] = "10.1.2.4",
      ["10.1.2.5"] = "10.1.2.4/31", ["[fe80::1]"] = "fe80::/10", ["[2001:db8::1]"] = "2001:DB8:0:0::1",
    } do
      assert.is_nil(of("http://" .. host, { http_proxy = "a", no_proxy = list }), host)
      assert.is_nil(of("http://" .. host, { http_proxy = "a", NO_PROXY = list }), host)
    end
    for host, list in pairs {
      ["a.test"] = "x *", ["bb.test"] = "b.test", ["c.test.org"] = "c.test", ["11.1.2.3"] = "10.0.0.0/8",
      ["10.1.2.6"] = "10.1.2.4/31", ["[fec0::1]"] = "fe80::/10", ["10.1.2.7"] = "10.0.0.0/99", ["10.1.2.8"] = "/8 , .",
      ["d.test"] = "", ["[::ffff]"] = "0.0.0.0/0",
    } do
      assert.equal("a", of("http://" .. host, { http_proxy = "a", no_proxy = list }), host)
    end
  end)
end)

describe("the HTTP client", function()
  helper.leaves_nothing(before_each, after_each)

  it("asks a proxy, which looks the name up itself", function()
    local _ <close>, proxy <const>, seen <const> = serve_proxy()
    local response <const> = assert(http.request { url = "http://far.invalid/x?y", proxy = proxy })
    assert.same({ "by proxy!", "GET http://far.invalid/x?y HTTP/1.1" }, { response.body, seen[1] })
  end)

  it("asks a proxy whose name the resolver finds", function()
    local _ <close> = name_server.serve { ["proxy.test"] = { "127.0.0.1" } }
    local server <close> = serve_proxy()
    for _, form in ipairs { "http://proxy.test:%d", "proxy.test:%d", "http://proxy.test:%d/" } do
      assert.equal("by proxy!",
        assert(http.request { url = "http://far.invalid/", proxy = form:format(server.address.port) }).body)
    end
    assert.same({ nil, "GET http://far.invalid/: look up no.test:8080: name does not exist", "unreachable" },
      { http.request { url = "http://far.invalid/", proxy = "http://no.test:8080" } })
  end)

  it("goes through a tunnel to a server with TLS, and verifies that", function()
    local secure <close> = assert(http.serve("https://127.0.0.1:0", function() return "secret" end,
      { tls = certificates.of "alpha" }))
    local _ <close>, proxy <const>, seen <const> = serve_proxy(("tcp://127.0.0.1:%d"):format(secure.address.port))
    local response <const> = assert(http.request { url = "https://alpha.test/", proxy = proxy,
      tls = certificates.trusting() })
    assert.same({ "secret", nil, "CONNECT alpha.test:443 HTTP/1.1" },
      { response.body, response.headers["x-proxy"], seen[1] })
    local _, _, code <const> = http.request { url = "https://beta.test/", proxy = proxy, tls = certificates.trusting() }
    assert.equal("tls", code)
  end)

  it("says when the proxy refuses it", function()
    assert.same({ nil, "GET http://far.invalid/: connection refused", "refused" },
      { http.request { url = "http://far.invalid/", proxy = "http://127.0.0.1:1" } })
  end)

  it("goes by the environment, unless it is told otherwise", function()
    local _ <close>, proxy <const> = serve_proxy()
    local script <const> = helper.temporary_name() .. ".lua"
    local file <const> = assert(io.open(script, "w"))
    file:write [[
      local http = require "perigee.http"
      describe("", function() it("", function()
        print("body=" .. assert(http.request { url = "http://far.invalid/" }).body)
        print(select(2, http.request { url = "http://127.0.0.1:1/" }))
        print(select(2, http.request { url = "http://127.0.0.1:1/", proxy = false }))
      end) end)
    ]]
    file:close()
    local output <const> = helper.run(("http_proxy=%s %s test %s"):format(proxy, helper.binary, script))
    os.remove(script)
    assert.matches("body=by proxy!\n", output, 1, true)
    assert.equal(2, select(2, output:gsub("GET http://127.0.0.1:1/: connection refused\t", "")))
  end)
end)
