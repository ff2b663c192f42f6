--- Time limits that are short by option; what is asserted is what happens, not when.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local function well()
  return "well"
end

describe("an HTTP server's time limit", function()
  helper.leaves_nothing(before_each, after_each)

  it("for a head ends a client that says nothing", function()
    local _ <close>, url <const> = fixture.serve(well, { header_timeout = 0.02 })
    local conn <close> = fixture.connect(url)
    assert.is_true(fixture.is_over(conn))
  end)

  it("for a head answers 408 to one that sends it in small pieces", function()
    local handled = false
    local _ <close>, url <const> = fixture.serve(function() handled = true end, { header_timeout = 0.05 })
    local conn <close> = fixture.connect(url)
    local writer <const> = task.spawn(function()
      conn:write "GET / HTTP/1.1\r\nHost: a\r\n"
      while conn:write "X: y\r\n" and conn:flush() do task.sleep(0.002) end
    end)
    local answer <const> = fixture.read(conn)
    assert.same({ 408, "close" }, { answer.status, answer.headers.connection })
    conn:abort()
    writer:join()
    assert.is_false(handled)
  end)

  it("for a head answers 408 also behind an answer", function()
    local _ <close>, url <const> = fixture.serve(well, { header_timeout = 0.05 })
    local conn <close> = fixture.connect(url)
    conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT"
    assert.equal("well", fixture.read(conn).body)
    assert.equal(408, fixture.read(conn).status)
    assert.is_true(fixture.is_over(conn))
  end)

  it("for a head does not end one that is only idle", function()
    local _ <close>, url <const> = fixture.serve(well, { header_timeout = 0.02 })
    local conn <close> = fixture.connect(url)
    for _ = 1, 3 do
      conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      assert.equal("well", fixture.read(conn).body)
      task.sleep(0.05)
    end
  end)

  it("for idle connections ends one that was answered", function()
    local _ <close>, url <const> = fixture.serve(well, { idle_timeout = 0.02 })
    local conn <close> = fixture.connect(url)
    conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.equal("well", fixture.read(conn).body)
    assert.is_true(fixture.is_over(conn))
  end)

  it("ends one that does not take its answer", function()
    local big <const> = ("x"):rep(helper.is_tiny and 20000 or 8000000)
    local server <close> = assert(http.serve("http://127.0.0.1:0", function() return big end,
      { idle_timeout = 0.05, send_buffer = 4096 }))
    local conn <close> = fixture.connect("tcp://127.0.0.1:" .. server.address.port,
      { timeout = 20, receive_buffer = 4096 })
    conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    conn:flush()
    helper.eventually(function() return server.sockets[1].active == 1 end)
    helper.eventually(function() return server.sockets[1].active == 0 end)
    local whole <const> = conn:read_all(#big * 2)
    assert.is_true(whole == nil or #whole < #big)
  end)

  it("does not touch a handler that takes its time", function()
    local _ <close>, url <const> = fixture.serve(function()
      task.sleep(0.1)
      return "late"
    end, { header_timeout = 0.02, idle_timeout = 0.02, body_timeout = 0.02 })
    assert.equal("late", fixture.ask(url, "GET /").body)
  end)

  it("for a body fails reading it in pieces, and the handler still answers", function()
    local got <const> = {}
    local _ <close>, url <const> = fixture.serve(function(request)
      while true do
        local piece <const>, message <const>, code <const> = request:read_some()
        if not piece then return http.response(503, message .. ", " .. code) end
        got[#got + 1] = piece
      end
    end, { body_timeout = 0.05 })
    local conn <close> = fixture.connect(url)
    conn:write "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"
    local answer <const> = fixture.read(conn)
    assert.same({ 503, "read the body: the peer sends too slowly, timeout" }, { answer.status, answer.body })
    assert.equal("hello", table.concat(got))
    assert.is_true(fixture.is_over(conn))
  end)

  it("for a body ends one whose unread rest does not come", function()
    local _ <close>, url <const> = fixture.serve(well, { body_timeout = 0.02 })
    local conn <close> = fixture.connect(url)
    conn:write "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"
    assert.equal("well", fixture.read(conn).body)
    assert.is_true(fixture.is_over(conn))
  end)
end)
