--- Deadlines and cancellation, in each phase of a request.

local helper <const> = require "spec.helper"
local name_server <const> = require "spec.fixtures.name_server"
local certificates <const> = require "spec.fixtures.certificates"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

--- A server whose backlog is full, so that a connect to it waits.
local function serve_nobody()
  local server <const> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:read_all() end,
    { backlog = 1, max_connections = 1 }))
  local filling <const> = {}
  while #filling < 16 do
    local conn <const> = net.connect(tostring(server.address), { timeout = 0.05 })
    if not conn then break end
    filling[#filling + 1] = conn
  end
  return { address = server.address, close = function()
    for _, conn in ipairs(filling) do conn:abort() end
    server:close()
  end }
end

--- Serves connections with f(conn); tells in `ended` of each that the peer has left.
local function serve(f)
  local ended <const> = task.channel(1)
  local server <const> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
    f(conn)
    while conn:read_some() do end
    ended:send "ended"
  end))
  return { address = server.address, close = function() server:close() end, ended = ended }
end

local function answering(text)
  return function()
    return serve(function(conn)
      conn:read_until("\r\n\r\n", 10000)
      conn:write(text)
    end)
  end
end

local SIZE <const> = 10000000

local phases <const> = {
  { name = "connecting", serve = serve_nobody, message = "timed out, connecting" },
  { name = "in the TLS handshake", scheme = "https", message = "timed out, in the TLS handshake",
    serve = function() return serve(function() end) end },
  { name = "sending the body", body = ("x"):rep(SIZE), message = "timed out, sending the body",
    serve = function() return serve(function() task.sleep(0.2) end) end },
  { name = "waiting for the answer", serve = answering "", message = "timed out, waiting for the answer" },
  { name = "in the head of the answer", serve = answering "HTTP/1.1 200 OK\r\nX: ",
    message = "timed out, in the middle of the answer" },
  { name = "in the body of the answer", message = "timed out, in the middle of the answer",
    serve = answering "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234" },
  { name = "between two chunks", message = "timed out, in the middle of the answer",
    serve = answering "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n" },
}

local function options_of(phase, server)
  return { url = ("%s://127.0.0.1:%d/"):format(phase.scheme or "http", server.address.port), body = phase.body,
    tls = certificates.trusting() }
end

--- The server sees the end, where it has seen the beginning.
local function assert_ended(server)
  if server.ended then assert.equal("ended", server.ended:receive()) end
end

for _, phase in ipairs(phases) do describe("a request that hangs " .. phase.name, function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local server
    before_each(function() server = phase.serve() end)
    after_each(function() server.close() end)

    --- A slow machine does not come so far in a short time.
    local function ask_for_longer(options)
      for _, seconds in ipairs { 0.05, 0.5, 5 } do
        options.timeout = seconds
        local response <const>, message <const>, code <const> = http.request(options)
        assert_ended(server)
        if seconds == 5 or message:find(phase.message, 1, true) then return response, message, code end
      end
    end

    it("ends by its own timeout", function()
      local options <const> = options_of(phase, server)
      local expected <const> = ("%s %s: %s"):format(phase.body and "POST" or "GET", options.url, phase.message)
      assert.same({ nil, expected, "timeout" }, { ask_for_longer(options) })
    end)

    it("ends by a deadline of the task", function()
      local ok <const>, _, code <const> = task.deadline(0.05, http.request, options_of(phase, server))
      assert.same({ nil, "timeout" }, { ok, code })
      assert_ended(server)
    end)

    it("ends at once when its task is cancelled", function()
      local asking <const> = task.spawn(http.request, options_of(phase, server))
      helper.eventually(function() return asking.state == "waiting" end)
      for _ = 1, 3 do task.sleep(0.002) end
      asking:cancel()
      assert_ended(server)
      local ok <const>, _, code <const> = asking:join()
      assert.same({ nil, "cancelled" }, { ok, code })
    end)

    it("leaves others alone that are under way", function()
      local other <const> = assert(http.serve("http://127.0.0.1:0", function()
        task.sleep(0.1)
        return "late"
      end))
      local late <const> = task.spawn(http.request, { url = tostring(other.address) })
      local options <const> = options_of(phase, server)
      options.timeout = 0.05
      http.request(options)
      assert.equal("late", assert(late:join()).body)
      other:close()
    end)
  end)
end) end

describe("a request that hangs", function()
  helper.leaves_nothing(before_each, after_each)

  it("in the lookup of the name ends by its timeout, and at once when its task is cancelled", function()
    local _ <close> = name_server.serve {}
    assert.same({ nil, "GET http://silent.test/: look up silent.test:80: timed out", "timeout" },
      { http.request { url = "http://silent.test/", timeout = 0.05 } })
    local asking <const> = task.spawn(http.request, { url = "http://silent.test/" })
    helper.eventually(function() return asking.state == "waiting" end)
    asking:cancel()
    assert.equal("cancelled", select(3, asking:join()))
  end)

  it("ends when another task of its group fails", function()
    local server <const> = phases[4].serve()
    local url <const> = ("http://127.0.0.1:%d/"):format(server.address.port)
    local ok <const>, message <const> = pcall(task.group, function(group)
      local asking <const> = group:spawn(http.request, { url = url })
      helper.eventually(function() return asking.state == "waiting" end)
      error("on purpose", 0)
    end)
    assert.same({ false, "on purpose" }, { ok, message })
    assert_ended(server)
    server.close()
  end)
end)
