local fixture <const> = require "spec.fixtures.http"
local fanout <const> = require "perigee.fanout"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local GET <const> = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

--- Opens a stream, and leaves it behind its head.
local function open(url, text)
  local conn <const> = fixture.connect(url)
  conn:write(text or GET)
  return conn, assert(conn:read_until "\r\n\r\n")
end

--- The data of the next chunk.
local function read_chunk(conn)
  local size <const> = tonumber(assert(conn:read_line()), 16)
  local data <const> = conn:read(size)
  conn:read(2)
  return data
end

describe("a streamed answer", function()
  helper.leaves_nothing(before_each, after_each)

  it("is sent in chunks, as it is written", function()
    local go <const> = task.channel()
    local _ <close>, url <const> = fixture.serve(function()
      return function(write)
        write("a", 1)
        go:receive()
        write ""
        write "b"
      end
    end)
    local conn <close> = open(url)
    assert.equal("a1", read_chunk(conn))
    go:send(true)
    assert.equal("b", read_chunk(conn))
    assert.equal("0\r\n\r\n", conn:read(5))
    conn:write(GET)
    assert.matches("^HTTP/1.1 200", conn:read_line())
    go:send(true)
  end)

  it("ends the connection for a client of HTTP/1.0, and has no body for HEAD", function()
    local _ <close>, url <const> = fixture.serve(function()
      return http.stream(function(write) write "hello" end, { type = "text/csv" })
    end)
    local answer <const> = fixture.ask(url, "GET / HTTP/1.0\r\n\r\n")
    assert.same({ "hello", "text/csv", nil }, { answer.body, answer.headers["content-type"],
      answer.headers["transfer-encoding"] })
    assert.equal("", fixture.ask(url, "HEAD /").body)
  end)

  it("waits for a client that is slow", function()
    local written = 0
    local server <close> = assert(http.serve("http://127.0.0.1:0", function()
      return function(write)
        for _ = 1, 200 do
          write(("x"):rep(10000))
          written = written + 10000
        end
      end
    end, { high_water = 20000, send_buffer = 4096 }))
    local conn <close> = fixture.connect("tcp://127.0.0.1:" .. server.address.port,
      { timeout = 20, receive_buffer = 4096 })
    conn:write(GET)
    conn:flush()
    helper.eventually(function() return written > 0 end)
    local before
    repeat -- until it stands still
      before = written
      for _ = 1, 10 do task.sleep(0.002) end
    until written == before
    assert.is_true(written < 2000000)
    conn:read_until "\r\n\r\n"
    for _ = 1, 200 do assert.equal(10000, #read_chunk(conn)) end
  end)

  it("ends its task when the client goes, also while it sleeps", function()
    local ended
    local _ <close>, url <const> = fixture.serve(function()
      return function(write)
        local _ <close> = setmetatable({}, { __close = function() ended = true end })
        write "begun"
        task.sleep(1000)
      end
    end)
    for _, ending in ipairs { "close", "abort" } do
      ended = false
      local conn <const> = open(url)
      read_chunk(conn)
      conn[ending](conn)
      helper.eventually(function() return ended end)
    end
  end)

  it("cannot be written when it has ended", function()
    local kept
    local _ <close>, url <const> = fixture.serve(function()
      return function(write)
        kept = write
        write "x"
      end
    end)
    fixture.ask(url, "GET /")
    helper.eventually(function() return not pcall(kept, "late") end)
  end)
end)

describe("server-sent events", function()
  helper.leaves_nothing(before_each, after_each)

  it("come from a function, with names, ids and lines", function()
    local _ <close>, url <const> = fixture.serve(function()
      return http.events(function(send)
        send "one"
        send("two\nlines", { event = "e", id = "7", retry = 1000 })
        send ""
      end)
    end)
    local answer <const> = fixture.ask(url, "GET /")
    assert.same({ "text/event-stream", "no-store" },
      { answer.headers["content-type"], answer.headers["cache-control"] })
    assert.equal("data: one\n\nevent: e\nid: 7\nretry: 1000\ndata: two\ndata: lines\n\ndata: \n\n", answer.body)
  end)

  it("cannot be broken out of by a name or an id", function()
    local log <close> = fixture.log()
    local _ <close>, url <const> = fixture.serve(function()
      return http.events(function(send) send("x", { id = "1\ndata: y" }) end)
    end)
    local conn <close> = open(url)
    assert.is_nil(conn:read_line())
    assert.matches("it must have no line end", tostring(log), 1, true)
  end)

  it("come from a fan-out to everybody, without a task for any", function()
    local room <close> = fanout.new()
    local server <close>, url <const> = fixture.serve(function() return http.events(room) end)
    local before <const> = fixture.tasks()
    local conns <const> = {}
    for i = 1, 20 do conns[i] = open(url, i % 2 == 0 and "GET / HTTP/1.0\r\n\r\n" or nil) end
    assert.equal(20, room.count)
    assert.equal(before, fixture.tasks())
    assert.equal(20, room:write("hello", { id = "3" }))
    for i, conn in ipairs(conns) do
      if i % 2 == 0 then assert.equal("id: 3\ndata: hello\n\n", conn:read(19))
      else assert.equal("id: 3\ndata: hello\n\n", read_chunk(conn)) end
    end
    conns[1]:close()
    conns[2]:abort()
    helper.eventually(function() return room.count == 18 end)
    assert.equal(18, room:write "more")
    room:close()
    helper.eventually(function() return server.sockets[1].active == 0 end)
    for _, conn in ipairs(conns) do conn:close() end
  end)

  it("of a fan-out end with the server", function()
    local room <close> = fanout.new()
    local server <close>, url <const> = fixture.serve(function() return http.events(room) end)
    local conn <close> = open(url)
    helper.eventually(function() return room.count == 1 end)
    server:close()
    assert.equal(0, room.count)
    assert.is_true(fixture.is_over(conn))
  end)
end)

describe("pictures that replace each other", function()
  helper.leaves_nothing(before_each, after_each)

  local PART <const> = "Content-Type: image/png\r\nContent-Length: 3\r\n\r\nabc\r\n--perigee-part\r\n"

  it("come from a function", function()
    local _ <close>, url <const> = fixture.serve(function()
      return http.multipart(function(send) send "abc" end, { type = "image/png" })
    end)
    local answer <const> = fixture.ask(url, "GET /")
    assert.equal("multipart/x-mixed-replace; boundary=perigee-part", answer.headers["content-type"])
    assert.equal("--perigee-part\r\n" .. PART, answer.body)
  end)

  it("come from a fan-out", function()
    local room <close> = fanout.new { policy = "drop" }
    local _ <close>, url <const> = fixture.serve(function() return http.multipart(room, { type = "image/png" }) end)
    local conn <close> = open(url)
    assert.equal("--perigee-part\r\n", read_chunk(conn))
    room:write("abc", "binary")
    assert.equal(PART, read_chunk(conn))
  end)
end)
