local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local function path_of(request)
  return request.path
end

local function get(path, fields)
  return ("GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n"):format(path, fields or "")
end

describe("an HTTP connection", function()
  helper.leaves_nothing(before_each, after_each)

  it("is kept for the next request", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    for _, path in ipairs { "/one", "/two", "/three" } do
      conn:write(get(path))
      local answer <const> = fixture.read(conn)
      assert.same({ 200, path, nil }, { answer.status, answer.body, answer.headers.connection })
    end
  end)

  it("ends when the client says so", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    conn:write(get("/", "Connection: x, Close\r\n"), get "/never")
    assert.equal("close", fixture.read(conn).headers.connection)
    assert.is_true(fixture.is_over(conn))
  end)

  it("ends when the client says both that it is kept and that it ends", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    conn:write(get("/", "Connection: keep-alive\r\nConnection: close\r\n"), get "/never")
    assert.equal("close", fixture.read(conn).headers.connection)
    assert.is_true(fixture.is_over(conn))
  end)

  it("answers what came before a request that is refused", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    conn:write(get "/one", (get "/two":gsub("GET", "HEAD")), "GET /bad HTTP/1.1\r\n\r\n", get "/never")
    assert.equal("/one", fixture.read(conn).body)
    assert.equal("4", fixture.read(conn, "HEAD").headers["content-length"])
    assert.equal(400, fixture.read(conn).status)
    assert.is_true(fixture.is_over(conn))
  end)

  it("of HTTP/1.0 ends, unless the client asks for more", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    conn:write "GET /one HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert.equal("keep-alive", fixture.read(conn).headers.connection)
    conn:write "GET /two HTTP/1.0\r\n\r\n"
    assert.equal("/two", fixture.read(conn).body)
    assert.is_true(fixture.is_over(conn))
  end)

  it("answers pipelined requests in order, also behind one that takes long", function()
    local go <const> = task.channel(1)
    local _ <close>, url <const> = fixture.serve(function(request)
      if request.path == "/8" then go:receive() end
      return request.path
    end)
    local conn <close> = fixture.connect(url)
    local requests <const> = {}
    for i = 1, 16 do requests[i] = get("/" .. i) end
    conn:write(table.concat(requests))
    for i = 1, 7 do assert.equal("/" .. i, fixture.read(conn).body) end
    go:send(true)
    for i = 8, 16 do assert.equal("/" .. i, fixture.read(conn).body) end
  end)

  it("answers more pipelined requests than have a turn at once", function()
    local count <const> = helper.is_tiny and 200 or 2000
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    local writer <const> = task.spawn(function()
      for i = 1, count do conn:write(get("/" .. i)) end
    end)
    for i = 1, count do assert.equal("/" .. i, fixture.read(conn).body) end
    writer:join()
  end)

  it("lets a client wait that sends requests but takes no answers", function()
    local handled = 0
    local body <const> = ("x"):rep(helper.is_tiny and 3000 or 100000)
    local server <close> = assert(http.serve("http://127.0.0.1:0", function()
      handled = handled + 1
      return body
    end, { high_water = 1000, send_buffer = 4096 }))
    local conn <close> = fixture.connect("tcp://127.0.0.1:" .. server.address.port,
      { timeout = 20, receive_buffer = 4096 })
    for _ = 1, 200 do conn:write(get "/") end
    conn:flush()
    helper.eventually(function() return handled > 0 end)
    for _ = 1, 20 do task.sleep(0.001) end
    assert.is_true(handled < 200)
    for _ = 1, 200 do assert.equal(#body, #fixture.read(conn).body) end
    assert.equal(200, handled)
  end)

  it("gives HEAD the head of GET", function()
    local _ <close>, url <const> = fixture.serve(function() return "hello" end)
    local conn <close> = fixture.connect(url)
    conn:write("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", get "/")
    local head <const>, whole <const> = fixture.read(conn, "HEAD"), fixture.read(conn)
    assert.equal("5", head.headers["content-length"])
    assert.same(whole.headers, head.headers)
    assert.equal("hello", whole.body)
  end)

  it("skips the short body that a handler has not read", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    conn:write("POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", get "/two")
    assert.equal("/one", fixture.read(conn).body)
    assert.equal("/two", fixture.read(conn).body)
  end)

  it("ends behind the long body that a handler has not read", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    conn:write "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhello"
    assert.equal("close", fixture.read(conn).headers.connection)
    assert.is_true(fixture.is_over(conn))
  end)

  it("takes one empty line before a request, not two", function()
    local _ <close>, url <const> = fixture.serve(path_of)
    local conn <close> = fixture.connect(url)
    conn:write("\r\n", get "/one")
    assert.equal("/one", fixture.read(conn).body)
    conn:write("\r\n\r\n", get "/two")
    assert.equal(400, fixture.read(conn).status)
  end)

  it("answers a client that has ended its side", function()
    local _ <close>, url <const> = fixture.serve(function(request)
      task.sleep(0.01)
      return request.path
    end)
    local conn <close> = fixture.connect(url)
    conn:write(get "/")
    conn:shutdown()
    assert.equal("/", fixture.read(conn).body)
    assert.is_true(fixture.is_over(conn))
  end)

  it("is served on a Unix socket", function()
    local path <const> = helper.temporary_name()
    local server <close> = assert(http.serve("unix:" .. path, path_of))
    assert.equal("unix:" .. path, tostring(server.address))
    local conn <close> = assert(net.connect("unix:" .. path, { timeout = 20 }))
    conn:write(get "/x")
    assert.equal("/x", fixture.read(conn).body)
  end)
end)
