local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local FILES <const> = { ["index.html"] = "<p>root", ["a.txt"] = "0123456789", ["sub/index.html"] = "<p>sub",
  ["sub/b c.js"] = "js", [".hidden"] = "secret", ["empty.css"] = "" }

--- Serves the files below /files until both are closed.
local function serve(options)
  local folder <const> = helper.directory(FILES)
  local app <const> = http.app()
  app:static("/files", tostring(folder), options)
  local server <const>, url <const> = fixture.serve(app)
  return setmetatable({}, { __close = function()
    server:close()
    getmetatable(folder).__close()
  end }), url, tostring(folder)
end

--- GET of a path with header fields.
local function get(url, path, fields)
  return fixture.ask(url, ("GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n"):format(path, fields or ""))
end

describe("static files", function()
  helper.leaves_nothing(before_each, after_each)

  it("are sent with their types", function()
    local _ <close>, url <const> = serve()
    for path, case in pairs {
      ["a.txt"] = { "0123456789", "text/plain; charset=utf-8" }, [""] = { "<p>root", "text/html; charset=utf-8" },
      ["sub/"] = { "<p>sub", "text/html; charset=utf-8" },
      ["sub/b%20c.js"] = { "js", "text/javascript; charset=utf-8" },
      ["empty.css"] = { "", "text/css; charset=utf-8" },
    } do
      local answer <const> = get(url, "/files/" .. path)
      assert.same({ 200, case[1], case[2] }, { answer.status, answer.body, answer.headers["content-type"] })
    end
  end)

  it("are never those of another directory, or hidden", function()
    local _ <close>, url <const> = serve()
    for _, path in ipairs { "../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "sub/../../x", "..%2fx", "%2fetc/passwd",
      ".hidden", "sub/%2e%2e/a.txt", "a.txt/", "nothing", "sub/nothing", "..\\x", "a.txt%5c..", "/etc/passwd",
      "./a.txt" } do
      local answer <const> = get(url, "/files/" .. path)
      assert.same({ path, 404 }, { path, answer.status })
    end
    assert.equal(400, get(url, "/files/a.txt%00.html").status)
  end)

  it("of a directory are asked for with a slash", function()
    local _ <close>, url <const> = serve()
    local answer <const> = get(url, "/files/sub?x=1")
    assert.same({ 301, "/files/sub/?x=1" }, { answer.status, answer.headers.location })
  end)

  it("of a directory are never sent for to another host", function()
    local folder <close> = helper.directory { ["evil.example/index.html"] = "x" }
    local app <const> = http.app()
    app:static("/", tostring(folder))
    local _ <close>, url <const> = fixture.serve(app)
    for _, path in ipairs { "//evil.example", "///evil.example", "/%2fevil.example" } do
      local answer <const> = get(url, path)
      assert.same({ path, 301, "/evil.example/" }, { path, answer.status, answer.headers.location })
    end
  end)

  it("are shown hidden, indexed otherwise and kept by browsers when options say so", function()
    local _ <close>, url <const> = serve { hidden = true, index = "a.txt", max_age = 60 }
    assert.equal("secret", get(url, "/files/.hidden").body)
    assert.equal("0123456789", get(url, "/files/").body)
    assert.equal("max-age=60", get(url, "/files/").headers["cache-control"])
  end)

  it("have validators that save sending them again", function()
    local _ <close>, url <const> = serve()
    local first <const> = get(url, "/files/a.txt")
    local etag <const>, date <const> = first.headers.etag, first.headers["last-modified"]
    for fields, status in pairs {
      ["If-None-Match: " .. etag .. "\r\n"] = 304, ["If-None-Match: W/" .. etag .. "\r\n"] = 304,
      ["If-None-Match: \"x\", " .. etag .. "\r\n"] = 304, ["If-None-Match: *\r\n"] = 304,
      ["If-None-Match: \"x\"\r\n"] = 200, ["If-Modified-Since: " .. date .. "\r\n"] = 304,
      ["If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"] = 200,
      ["If-None-Match: \"x\"\r\nIf-Modified-Since: " .. date .. "\r\n"] = 200,
      ["If-Match: \"x\"\r\n"] = 412, ["If-Match: " .. etag .. "\r\n"] = 200, ["If-Match: W/" .. etag .. "\r\n"] = 412,
      ["If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"] = 412, ["If-Modified-Since: nonsense\r\n"] = 200,
    } do
      assert.same({ fields, status }, { fields, get(url, "/files/a.txt", fields).status })
    end
    assert.equal("", get(url, "/files/a.txt", "If-None-Match: *\r\n").body)
  end)

  it("are sent in part", function()
    local _ <close>, url <const> = serve()
    local etag <const> = get(url, "/files/a.txt").headers.etag
    for range, case in pairs {
      ["bytes=0-2"] = { 206, "012", "bytes 0-2/10" }, ["bytes=7-"] = { 206, "789", "bytes 7-9/10" },
      ["bytes=-2"] = { 206, "89", "bytes 8-9/10" }, ["bytes=8-100"] = { 206, "89", "bytes 8-9/10" },
      ["bytes=10-"] = { 416, "", "bytes */10" }, ["bytes=5-3"] = { 200, "0123456789" },
      ["bytes=0-1,3-4"] = { 200, "0123456789" }, ["lines=0-1"] = { 200, "0123456789" },
      ["bytes=x"] = { 200, "0123456789" },
      ["bytes=0-0\r\nIf-Range: " .. etag] = { 206, "0", "bytes 0-0/10" },
      ["bytes=0-0\r\nIf-Range: \"x\""] = { 200, "0123456789" },
    } do
      local answer <const> = get(url, "/files/a.txt", "Range: " .. range .. "\r\n")
      assert.same({ range, case[1], case[2], case[3] },
        { range, answer.status, answer.body, answer.headers["content-range"] })
    end
  end)

  it("have the same head for HEAD", function()
    local _ <close>, url <const> = serve()
    local head <const> = fixture.ask(url, "HEAD /files/a.txt")
    assert.same({ 200, "10", "" }, { head.status, head.headers["content-length"], head.body })
  end)

  it("of many megabytes are sent whole, one after the other on one connection", function()
    local _ <close>, url <const>, folder <const> = serve()
    local size <const> = helper.is_tiny and 50000 or 8 * 1024 * 1024
    local file <close> = assert(io.open(folder .. "/big.bin", "wb"))
    local text <const> = ("0123456789abcdef"):rep(size // 16)
    file:write(text)
    file:flush()
    local conn <close> = fixture.connect(url)
    for _ = 1, 2 do
      conn:write "GET /files/big.bin HTTP/1.1\r\nHost: a\r\n\r\n"
      assert.is_true(fixture.read(conn).body == text)
    end
  end)

  it("that shrink while they are sent cut the connection", function()
    local _ <close>, url <const>, folder <const> = serve()
    local size <const> = helper.is_tiny and 200000 or 64 * 1024 * 1024
    assert(os.execute(("truncate -s %d %s/big.bin"):format(size, folder)))
    local conn <close> = fixture.connect(url)
    conn:write "GET /files/big.bin HTTP/1.1\r\nHost: a\r\n\r\n"
    conn:read_until "\r\n\r\n"
    assert(os.execute(("truncate -s 10 %s/big.bin"):format(folder)))
    local got = 0
    for chunk in conn:chunks() do got = got + #chunk end
    assert.is_true(got < size)
  end)

  it("are compressed where that is worth it, unless the client refuses", function()
    local body <const> = ("hello "):rep(1000)
    local _ <close>, url <const> = fixture.serve(function(request)
      if request.path == "/short" then return "hello" end
      if request.path == "/picture" then return http.response(200, body, { ["Content-Type"] = "image/png" }) end
      if request.path == "/coded" then return http.response(200, body, { ["Content-Encoding"] = "br" }) end
      return body
    end)
    for path, case in pairs {
      ["/"] = { "gzip", "Accept-Encoding" }, ["/short"] = {}, ["/picture"] = {}, ["/coded"] = { "br" },
    } do
      local answer <const> = get(url, path, "Accept-Encoding: deflate, GZIP;q=0.5\r\n")
      assert.same({ path, case[1], case[2] },
        { path, answer.headers["content-encoding"], answer.headers.vary })
    end
    for _, value in ipairs { "gzip;q=0", "identity", "x-gzip", "" } do
      local answer <const> = get(url, "/", "Accept-Encoding: " .. value .. "\r\n")
      assert.same({ nil, body }, { answer.headers["content-encoding"], answer.body })
    end
    local output <const> = helper.run(("curl -s -m 20 --compressed %s/"):format((url:gsub("^tcp", "http"))))
    assert.equal(body, output)
    task.sleep(0)
  end)
end)
