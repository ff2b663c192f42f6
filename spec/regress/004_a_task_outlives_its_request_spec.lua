--- A task that outlived its handler stayed parked on the connection, for the body or in write: it was woken when that
--- had been freed. Another's task that wrote to a client who had gone was cancelled.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

describe("a task that is not the handler's", function()
  helper.leaves_nothing(before_each, after_each)

  it("is told that the request has been answered while it waits for the body", function()
    local given <const> = task.channel(1)
    local reader <const> = task.spawn(function()
      local request <const>, bytes = given:receive(), ""
      while bytes ~= "abc" do bytes = bytes .. request:read_some() end
      return request:read_some()
    end)
    local server <close>, url <const> = fixture.serve(function(request)
      given:send(request)
      helper.eventually(function() return reader.state == "waiting" end)
      return "answered"
    end)
    local conn <close> = fixture.connect(url)
    conn:write "POST / HTTP/1.1\r\nHost: spec\r\nContent-Length: 10\r\n\r\nabc"
    assert.equal("answered", fixture.read(conn).body)
    assert.same({ nil, "read the body: the request has been answered", "closed" }, { reader:join() })
    assert.is_true(server.is_open)
  end)

  it("is told that the answer has ended while it waits to write", function()
    local given <const> = task.channel(1)
    local writer <const> = task.spawn(function()
      local write <const> = given:receive()
      return pcall(function() while true do write(("x"):rep(100000)) end end)
    end)
    local server <close>, url <const> = fixture.serve(function()
      return http.stream(function(write)
        given:send(write)
        helper.eventually(function() return writer.state == "waiting" end)
      end)
    end)
    local conn <close> = fixture.connect(url)
    conn:write "GET / HTTP/1.1\r\nHost: spec\r\n\r\n"
    local ok <const>, message <const> = writer:join()
    assert.is_false(ok)
    assert.matches("write: the answer has ended", message, 1, true)
    assert.equal(200, fixture.read(conn).status)
    assert.is_true(server.is_open)
  end)

  it("goes on when a client that it writes to has gone", function()
    local sends <const>, broken = {}, nil
    local ticker <const> = task.spawn(function()
      while not broken do
        for _, send in ipairs(sends) do
          local ok <const>, message <const> = pcall(send, ("x"):rep(1000))
          if not ok then broken = message end
        end
        task.sleep(0)
      end
      task.sleep(0)
      return "went on"
    end)
    local server <close>, url <const> = fixture.serve(function()
      return http.events(function(send)
        sends[1] = send
        task.sleep(math.huge)
      end)
    end)
    local conn <close> = fixture.connect(url)
    conn:write "GET / HTTP/1.1\r\nHost: spec\r\n\r\n"
    conn:read_line()
    conn:abort()
    assert.equal("went on", ticker:join())
    assert.matches("write: the", broken, 1, true)
    assert.is_true(server.is_open)
  end)
end)
