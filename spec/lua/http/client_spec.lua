local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local name_server <const> = require "spec.fixtures.name_server"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

--- What the server has seen, as JSON.
local function describe_request(request)
  return { method = request.method, target = request.target, headers = request.headers, body = request:body(),
    peer = tostring(request.peer) }
end

local function serve(handler, url)
  local server <const> = assert(http.serve(url or "http://127.0.0.1:0", handler or describe_request))
  return server, tostring(server.address)
end

local function ask(options)
  local response <const> = assert(http.request(options))
  assert.equal(200, response.status)
  return response:json(), response
end

describe("http.request", function()
  helper.leaves_nothing(before_each, after_each)

  it("asks with GET, and returns status, headers and body", function()
    local _ <close>, url <const> = serve(function() return http.response(203, "hello", { ["X-One"] = "1" }) end)
    local response <const> = assert(http.request { url = url .. "/" })
    assert.same({ 203, "hello", "1", "text/plain; charset=utf-8", "5", url .. "/" }, { response.status, response.body,
      response.headers["x-one"], response.headers["content-type"], response.headers["content-length"], response.url })
    assert.equal("HTTP answer: 203, 5 bytes", tostring(response))
  end)

  for _, method in ipairs { "GET", "DELETE", "OPTIONS", "PROPFIND" } do
    it("sends " .. method .. " without a body", function()
      local _ <close>, url <const> = serve()
      local seen <const> = ask { url = url .. "/a?b=c", method = method }
      assert.same({ method, "/a?b=c", "" }, { seen.method, seen.target, seen.body })
      assert.is_nil(seen.headers["content-length"])
      assert.is_nil(seen.headers["content-type"])
    end)
  end

  for _, method in ipairs { "POST", "PUT", "PATCH" } do
    it("says with " .. method .. " that a body is empty", function()
      local _ <close>, url <const> = serve()
      local seen <const> = ask { url = url, method = method }
      assert.same({ method, "0", "" }, { seen.method, seen.headers["content-length"], seen.body })
      assert.is_nil(seen.headers["content-type"])
    end)
  end

  for _, method in ipairs { "GET", "POST", "PUT", "PATCH", "DELETE" } do
    it("sends any bytes as the body of " .. method, function()
      local body
      local _ <close>, url <const> = serve(function(request)
        body = request:body()
        return request.method .. (request.headers["content-type"] or " of no type")
      end)
      local response <const> = assert(http.request { url = url, method = method, body = "a\0b\r\n\255" })
      assert.same({ method .. " of no type", "a\0b\r\n\255" }, { response.body, body })
    end)
  end

  it("posts when there is a body and no method", function()
    local _ <close>, url <const> = serve()
    assert.equal("POST", ask({ url = url, body = "x" }).method)
  end)

  it("sends a large body without waiting for the server's leave", function()
    local size <const> = helper.is_tiny and 100000 or 5000000
    local _ <close>, url <const> = serve(function(request)
      local count = 0
      request:limit_body(size)
      for chunk in request:chunks() do count = count + #chunk end
      return count .. " " .. (request.headers.expect or "at once")
    end)
    assert.equal(size .. " at once", assert(http.request { url = url, body = ("x"):rep(size) }).body)
  end)

  it("has no body in the answer to HEAD", function()
    local _ <close>, url <const> = serve(function() return "twelve bytes" end)
    local response <const> = assert(http.request { url = url, method = "HEAD" })
    assert.same({ 200, "", "12" }, { response.status, response.body, response.headers["content-length"] })
  end)

  for _, status in ipairs { 201, 204, 304, 400, 404, 500, 503 } do
    it("returns an answer of " .. status .. " as it is", function()
      local _ <close>, url <const> = serve(function() return http.response(status) end)
      assert.equal(status, assert(http.request { url = url }).status)
    end)
  end

  it("sends headers: of one and of several values, empty ones, its own in others' place or not at all", function()
    local _ <close>, url <const> = serve()
    local seen <const> = ask { url = url, body = "x", headers = {
      ["X-Text"] = "a b; c", ["X-Number"] = 7, ["X-Empty"] = "", ["X-List"] = { "one", "two" }, Host = "other.test",
      ["User-Agent"] = "spec", Accept = false, ["Content-Type"] = "text/x" } }
    assert.same({ "a b; c", "7", "", "one, two", "other.test", "spec", "text/x" },
      { seen.headers["x-text"], seen.headers["x-number"], seen.headers["x-empty"], seen.headers["x-list"],
        seen.headers.host, seen.headers["user-agent"], seen.headers["content-type"] })
    assert.is_nil(seen.headers.accept)
    assert.matches("^perigee", ask({ url = url }).headers["user-agent"])
  end)

  it("returns the headers of one name joined, and each by itself", function()
    local _ <close>, url <const> = serve(function()
      return http.response(200, "", { ["Set-Cookie"] = { "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2" } })
    end)
    local response <const> = assert(http.request { url = url })
    assert.same({ "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2" }, response:values "Set-Cookie")
    assert.equal("a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT, b=2", response.headers["set-cookie"])
    assert.same({}, response:values "x-none")
  end)

  it("decodes compressed bodies, unless the caller says which encodings it takes", function()
    local text <const> = ("compress me "):rep(1000)
    local _ <close>, url <const> = serve(function() return text end)
    local response <const> = assert(http.request { url = url })
    assert.same({ "gzip", true }, { response.headers["content-encoding"], response.body == text })
    local raw <const> = assert(http.request { url = url, headers = { ["Accept-Encoding"] = "gzip" } })
    assert.same({ "gzip", "\x1f\x8b" }, { raw.headers["content-encoding"], raw.body:sub(1, 2) })
  end)

  it("sends the user and the password of the URL, and does not tell them in a failure", function()
    local server <close>, url <const> = serve()
    local seen <const>, response <const> = ask { url = url:gsub("//", "//me:se%%20cret@") .. "/x" }
    assert.same({ "Basic bWU6c2UgY3JldA==", url .. "/x" }, { seen.headers.authorization, response.url })
    server:close()
    local _, message <const> = http.request { url = url:gsub("//", "//me:secret@") .. "/x" }
    assert.equal("GET " .. url .. "/x: connection refused", message)
  end)

  it("keeps a connection for the next request", function()
    local _ <close>, url <const> = serve()
    local first <const> = ask { url = url, body = "1" }.peer
    for i = 2, 20 do assert.equal(first, ask({ url = url, body = tostring(i) }).peer) end
    http.close_idle()
    assert.not_equal(first, ask({ url = url }).peer)
  end)

  it("connects anew when the server has closed the connection that was kept", function()
    local server, url <const> = serve()
    ask { url = url }
    server:close()
    server = assert(http.serve(url, describe_request))
    assert.equal("POST", ask({ url = url, body = "again" }).method)
    server:close()
  end)

  it("closes connections that are idle as soon as no request is under way", function()
    local gate <const> = task.channel(1)
    local _ <close>, url <const> = serve(function() return gate:receive() end)
    local waiting <const> = task.spawn(http.request, { url = url })
    helper.eventually(function() return waiting.state == "waiting" end)
    http.close_idle()
    gate:send "here"
    assert.equal("here", assert(waiting:join()).body)
    gate:send "anew"
    assert.equal("anew", assert(http.request { url = url }).body)
  end)

  it("does a thousand requests by 64 tasks on as many connections", function()
    local peers <const>, sum = {}, 0
    local _ <close>, url <const> = serve(function(request)
      peers[tostring(request.peer)] = true
      return request:body()
    end)
    local total <const> = helper.is_tiny and 128 or 1000
    task.group(function(group)
      local left = total
      for _ = 1, 64 do
        group:spawn(function()
          while left > 0 do
            left = left - 1
            local text <const> = tostring(left)
            local response <const> = assert(http.request { url = url, body = text })
            assert(response.body == text)
            sum = sum + 1
          end
        end)
      end
    end)
    local count = 0
    for _ in pairs(peers) do count = count + 1 end
    assert.equal(total, sum)
    assert.is_true(count <= 64, count .. " connections")
  end)

  it("speaks to a Unix socket, whatever host the URL names", function()
    local path <const> = helper.temporary_name()
    local _ <close> = net.serve("unix:" .. path, function(conn)
      local lines <const> = {}
      for line in conn:lines() do
        lines[#lines + 1] = line
        if line == "" then break end
      end
      conn:write(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#lines[1], lines[1]))
    end)
    local response <const> = assert(http.request { url = "http://docker.invalid/v1/info", unix = path })
    assert.equal("GET /v1/info HTTP/1.1", response.body)
    assert.same({ nil, "GET http://x/: No such file or directory", "unreachable" },
      { http.request { url = "http://x/", unix = path .. ".none" } })
  end)

  it("knows the names of this machine", function()
    local server <close> = serve()
    for _, host in ipairs { "localhost", "LOCALHOST", "sub.localhost", "0x7f.1" } do
      assert.equal("/x", ask({ url = ("http://%s:%d/x"):format(host, server.address.port) }).target)
    end
  end)

  it("looks names up by the resolver, and remembers them unless they fail", function()
    local names <close> = name_server.serve {
      ["one.test"] = { "127.0.0.1" }, ["two.test"] = { "127.0.0.9", "127.0.0.1" } }
    local server <const> = serve()
    local port <const> = server.address.port
    for _ = 1, 3 do
      for _, host in ipairs { "one.test", "One.Test", "two.test" } do
        local seen <const> = ask { url = ("http://%s:%d/x"):format(host, port) }
        assert.equal(("%s:%d"):format(host, port):lower(), seen.headers.host:lower())
      end
      http.close_idle()
    end
    local once <const> = names.asked["one.test"]
    assert.same({ 2, 2 }, { names.asked["one.test"], names.asked["two.test"] }) -- A and AAAA
    server:close()
    local url <const> = ("http://one.test:%d/"):format(port)
    assert.same({ nil, ("GET %s: connection refused"):format(url), "refused" }, { http.request { url = url } })
    http.request { url = url }
    assert.equal(once + 2, names.asked["one.test"])
    assert.same({ nil, "GET http://no.test/x: look up no.test:80: name does not exist", "unreachable" },
      { http.request { url = "http://no.test/x" } })
  end)

  it("says who refuses it", function()
    assert.same({ nil, "POST http://127.0.0.1:1/: connection refused", "refused" },
      { http.request { url = "http://127.0.0.1:1/", body = "x" } })
    assert.same({ nil, "GET http://[::1]:1/: connection refused", "refused" },
      { http.request { url = "http://[::1]:1" } })
  end)

  it("loads libcurl with the first request, and not before", function()
    local script <const> = helper.temporary_name() .. ".lua"
    local file <const> = assert(io.open(script, "w"))
    file:write [[
      local http = require "perigee.http"
      local function is_loaded()
        local maps <close> = io.open "/proc/self/maps"
        return maps:read "a":find "libcurl" ~= nil
      end
      describe("", function() it("", function()
        print(is_loaded(), select(2, http.request { url = "http://127.0.0.1:1/" }), is_loaded())
      end) end)
    ]]
    file:close()
    local output <const> = helper.run(helper.binary .. " test " .. script)
    os.remove(script)
    assert.matches("false\tGET http://127.0.0.1:1/: connection refused\ttrue", output, 1, true)
  end)

  for url, why in pairs {
    nothing = "URL 'nothing': it must begin with http:// or https://",
    [""] = "URL '': ",
    ["file:///etc/passwd"] = "URL 'file:///etc/passwd': it must begin",
    ["gopher://x/"] = "URL 'gopher://x/': it must begin",
    ["http://a b/"] = "URL 'http://a b/'",
    ["http://a/\r\nX: y"] = "URL 'http://a/\r\nX: y'",
    ["http://a\0.test/"] = "URL 'http://a': a zero byte follows",
    ["http://[::1/"] = "URL 'http://[::1/'",
    ["http://a:99999/"] = "URL 'http://a:99999/'",
  } do
    it(("fails for what is no URL, as it may come from anywhere: %q"):format(url), function()
      local response <const>, message <const>, code <const> = http.request { url = url, method = "PUT", redirects = 3 }
      assert.same({ nil, "protocol" }, { response, code })
      assert.equal("PUT " .. why, message:sub(1, 4 + #why))
    end)
  end

  it("puts a query behind the URL, escaped and in the order of its names", function()
    local _ <close>, url <const> = serve()
    local query <const> = { q = "a b&c=d/?#%+\u{e9}\0", ["n m"] = 7, list = { "y", "x", 1.5 }, yes = true, none = {},
      empty = "", kept = "-._~" }
    local text <const> = "empty=&kept=-._~&list=y&list=x&list=1.5&n%20m=7&"
      .. "q=a%20b%26c%3Dd%2F%3F%23%25%2B%C3%A9%00&yes=true"
    for path, target in pairs { [""] = "/?", ["/x"] = "/x?", ["/x?"] = "/x?", ["/x?z=1"] = "/x?z=1&",
      ["/x?z=1&"] = "/x?z=1&", ["/x#part?"] = "/x?", ["?z"] = "/?z&" } do
      assert.equal(target .. text, ask({ url = url .. path, query = query }).target)
    end
    assert.equal("/x?z", ask({ url = url .. "/x?z", query = {} }).target)
    assert.equal("/x", ask({ url = url .. "/x", query = { a = {} } }).target)
  end)

  it("puts a query that a server of ours reads as it was", function()
    local seen
    local _ <close>, url <const> = serve(function(request) seen = request.query; return "ok" end)
    assert(http.request { url = url, query = { ["a&b"] = "c d+e", ["\u{e9}"] = "=\r\n" } })
    assert.same({ "c d+e", "=\r\n" }, { seen["a&b"], seen["\u{e9}"] })
  end)

  it("raises for what cannot be asked", function()
    for pattern, options in pairs {
      ["option 'url' must be a string, not nil"] = {},
      ["option 'url' must be a string, not table"] = { url = {} },
      ["option 'query' must be a table, not string"] = { url = "http://a/", query = "a=b" },
      ["option 'query': names must be strings, not number"] = { url = "http://a/", query = { "a" } },
      ["option 'query': the value of 'a' must be a string, a number, a boolean or a list of these, not function"] =
        { url = "http://a/", query = { a = print } },
      ["option 'query': the value of 'b' must be a string"] = { url = "http://a/", query = { b = { "x", {} } } },
      ["option 'query': the value of 'c' is no list"] = { url = "http://a/", query = { c = { d = 1 } } },
      ["option 'query': the value of 'e' is no list"] = { url = "http://a/", query = { e = { "x", nil, "y" } } },
      ["option 'method' cannot be 'GET /'"] = { url = "http://a/", method = "GET /" },
      ["option 'method' cannot be 'CONNECT'"] = { url = "http://a/", method = "CONNECT" },
      ["a HEAD request has none"] = { url = "http://a/", method = "HEAD", body = "x" },
      ["option 'body' must be a string, not table"] = { url = "http://a/", body = {} },
      ["option 'timeout' must be seconds above 0, not 0"] = { url = "http://a/", timeout = 0 },
      ["option 'limit' must be an integer from 0, not -1"] = { url = "http://a/", limit = -1 },
      ["there is no option 'header'"] = { url = "http://a/", header = {} },
      ["'a:b' is no name of a header"] = { url = "http://a/", headers = { ["a:b"] = "x" } },
      ["the value of 'A' has a line's end in it"] = { url = "http://a/", headers = { A = "x\r\nB: y" } },
      ["the value of 'A' must be a string, not boolean"] = { url = "http://a/", headers = { A = true } },
      ["'Content-Length' is the client's own affair"] = { url = "http://a/", headers = { ["Content-Length"] = 7 } },
      ["option 'tls' has no 'cert'"] = { url = "http://a/", tls = { cert = "x" } },
      ["option 'tls.verify' must be a boolean, not string"] = { url = "http://a/", tls = { verify = "no" } },
      ["option 'unix' has a zero byte in it"] = { url = "http://a/", unix = "/tmp/a\0b" },
    } do
      local ok <const>, message <const> = pcall(http.request, options)
      assert.is_false(ok)
      assert.matches(pattern, message, 1, true)
    end
  end)
end)
