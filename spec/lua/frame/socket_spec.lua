--- Framing over real sockets: what the kernel cuts and joins must not matter.

local frame <const> = require "perigee.frame"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local kinds <const> = {
  prefixed = function(conn) return frame.prefixed(conn, ">I4") end,
  ["prefixed with a little-endian length of two bytes"] = function(conn) return frame.prefixed(conn, "<I2") end,
  delimited = function(conn) return frame.delimited(conn, "\r\n.\r\n") end,
  varint = function(conn) return frame.varint(conn) end,
  netstring = function(conn) return frame.netstring(conn) end,
}

local LARGEST <const> = helper.is_tiny and 500 or 60000

local function random_message()
  return ("abc\n\r."):rep(LARGEST // 6):sub(1, math.random(0, LARGEST))
end

--- A server that sends every message back, and a client's frames to it.
local function echo(make)
  local server <const> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
    local frames <const> = make(conn)
    for message in frames:messages() do frames:send(message) end
  end))
  local conn <const> = assert(net.connect(tostring(server.address)))
  return server, conn, make(conn)
end

for name, make in pairs(kinds) do
  describe("frames that are " .. name, function()
    helper.leaves_nothing(before_each, after_each)

    it("come back as they were sent, whatever their size", function()
      local _ <close>, conn <const>, frames <const> = echo(make)
      local _ <close> = conn
      for _ = 1, 20 do
        local message <const> = random_message()
        assert(frames:send(message))
        assert.equal(message, assert(frames:receive()))
      end
    end)

    it("may be sent many at a time", function()
      local _ <close>, conn <const>, frames <const> = echo(make)
      local _ <close> = conn
      local messages <const> = {}
      for i = 1, 50 do messages[i] = tostring(i):rep(i) end
      task.group(function(group)
        group:spawn(function() for _, message in ipairs(messages) do assert(frames:send(message)) end end)
        for _, message in ipairs(messages) do assert.equal(message, assert(frames:receive())) end
      end)
    end)

    it("tell a clean end from one in the middle of a message", function()
      local a <close>, b <const> = net.pair()
      local _ <close> = b
      assert(make(b):send "whole")
      b:close()
      local frames <const> = make(a)
      assert.equal("whole", frames:receive())
      local none <const>, message <const>, code <const> = frames:receive()
      assert.same({ nil, "closed" }, { none, code })
      assert.is_not.matches("missing", message)
    end)
  end)
end

describe("a frame that is cut off", function()
  helper.leaves_nothing(before_each, after_each)

  it("fails with what is missing", function()
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    b:write(string.pack(">I4", 10), "1234")
    b:close()
    local _, message <const>, code <const> = frame.prefixed(a, ">I4"):receive()
    assert.equal("closed", code)
    assert.matches("6", message)
  end)

  it("of a size beyond the limit fails before its bytes are waited for", function()
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    b:write(string.pack(">I4", 0xffffffff))
    local _, _, code <const> = frame.prefixed(a, ">I4", { limit = 1000 }):receive()
    assert.equal("limit", code)
  end)

  it("does not keep a task beyond the connection's time limit", function()
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    a.timeout = 0.01
    b:write(string.pack(">I4", 10), "1234")
    local _, _, code <const> = frame.prefixed(a, ">I4"):receive()
    assert.equal("timeout", code)
  end)
end)
