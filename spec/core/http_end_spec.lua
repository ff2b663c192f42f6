--- Ends that one side does not expect: the client vanishes, or the server is closed.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local function get(path)
  return ("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path)
end

local function clients_of(server)
  return server.sockets[1].active
end

--- Opens a stream, sends `more` behind the request, and vanishes by a reset.
local function vanish_from_stream(server, url, more)
  local conn <const> = fixture.connect(url)
  conn:write(get "/")
  assert(conn:read_line())
  if more then
    conn:write(more)
    conn:flush()
    for _ = 1, 5 do task.sleep(0.001) end
  end
  assert.equal(1, clients_of(server))
  conn:abort()
end

describe("a client that vanishes", function()
  helper.leaves_nothing(before_each, after_each)

  it("leaves nothing, wherever that is", function()
    local began
    local _ <close>, url <const> = fixture.serve(function(request)
      began = true
      request:body()
      if request.path == "/stream" then
        return function(write)
          while true do
            write(("x"):rep(1000))
            task.sleep(0.001)
          end
        end
      end
      task.sleep(0.01)
      return "well"
    end)
    for _, text in ipairs { "", "GE", "GET / HTTP/1.1\r\nHos", get "/", get "/stream",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhel", get "/" .. get "/" .. get "/" } do
      for _, ending in ipairs { "abort", "close" } do
        began = false
        local conn <const> = fixture.connect(url)
        if text ~= "" then
          conn:write(text)
          conn:flush()
        end
        if text:find "\r\n\r\n" then helper.eventually(function() return began end) end
        conn[ending](conn)
      end
    end
  end)

  for what, more in pairs { ["nothing"] = false, ["another request"] = get "/next", ["nonsense"] = "\0\n" } do
    it("from a fan-out's stream leaves nothing, when it has sent " .. what, function()
      local room <const> = require "perigee.fanout".new()
      local server <close>, url <const> = fixture.serve(function() return http.events(room) end)
      vanish_from_stream(server, url, more)
      helper.eventually(function()
        room:write "x"
        return clients_of(server) == 0
      end)
      assert.equal(0, room:write "x")
    end)

    it("from a function's silent stream ends its task, when it has sent " .. what, function()
      local ended = false
      local server <close>, url <const> = fixture.serve(function()
        return function(write)
          local _ <close> = setmetatable({}, { __close = function() ended = true end })
          write "begun"
          task.sleep(100)
        end
      end)
      vanish_from_stream(server, url, more)
      helper.eventually(function() return ended and clients_of(server) == 0 end)
    end)
  end

  it("gets no shorter answer that looks whole: a stream that fails resets a client of HTTP/1.0", function()
    local log <close> = fixture.log()
    local _ <close>, url <const> = fixture.serve(function()
      return function(write)
        write "begun"
        error "in the middle"
      end
    end)
    local conn <close> = fixture.connect(url)
    conn:write "GET / HTTP/1.0\r\n\r\n"
    local all <const>, _, code <const> = conn:read_all()
    assert.same({ nil, "reset" }, { all, code })
    assert.matches("in the middle", tostring(log), 1, true)
  end)
end)

describe("an HTTP server that is closed", function()
  helper.leaves_nothing(before_each, after_each)

  it("ends idle connections, and others with their answer", function()
    local go <const> = task.channel(1)
    local server <close>, url <const> = fixture.serve(function(request)
      if request.path == "/slow" then go:receive() end
      return request.path
    end)
    local idle <close> = fixture.connect(url)
    idle:write(get "/")
    fixture.read(idle)
    local busy <close> = fixture.connect(url)
    busy:write(get "/slow", get "/never")
    helper.eventually(function() return server.sockets[1].active == 2 end)
    task.sleep(0.01)
    server:close()
    assert.is_true(fixture.is_over(idle))
    go:send(true)
    local answer <const> = fixture.read(busy)
    assert.same({ "/slow", "close" }, { answer.body, answer.headers.connection })
    assert.is_true(fixture.is_over(busy))
  end)

  it("waits for the rest of a body that is skipped, and no longer", function()
    local server <close>, url <const> = fixture.serve(function(request) return request.path end)
    local conn <close> = fixture.connect(url)
    conn:write "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello"
    assert.equal("/", fixture.read(conn).body)
    server:close()
    conn:write("world", get "/never")
    assert.is_true(fixture.is_over(conn))
  end)

  it("answers a request of which it has a part", function()
    local server <close>, url <const> = fixture.serve(function(request) return request.path end)
    local conn <close> = fixture.connect(url)
    conn:write "GET /half HT"
    conn:flush()
    helper.eventually(function() return clients_of(server) == 1 end)
    task.sleep(0.02)
    server:close()
    conn:write "TP/1.1\r\nHost: a\r\n\r\n"
    local answer <const> = fixture.read(conn)
    assert.same({ "/half", "close" }, { answer.body, answer.headers.connection })
    assert.is_true(fixture.is_over(conn))
  end)

  it("lets the stream of a function come to its end", function()
    local go <const> = task.channel(1)
    local server <close>, url <const> = fixture.serve(function()
      return function(write)
        write "one "
        go:receive()
        write "two"
      end
    end)
    local conn <close> = fixture.connect(url)
    conn:write(get "/")
    helper.eventually(function() return clients_of(server) == 1 end)
    task.sleep(0.01)
    server:close()
    go:send(true)
    assert.equal("one two", fixture.read(conn).body)
    assert.is_true(fixture.is_over(conn))
  end)

  it("takes no new clients", function()
    local server <const>, url <const> = fixture.serve(function() return "well" end)
    server:close()
    local conn <const>, _, code <const> = require "perigee.net".connect(url)
    assert.same({ nil, "refused" }, { conn, code })
  end)
end)
