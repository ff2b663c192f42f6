local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local make_relay <const> = require "spec.fixtures.relay"
local buffer <const> = require "perigee.buffer"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

-- How the records of TLS are divided among the segments of TCP, and how they end.

local assert_failure <const> = helper.assert_failure

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

--- The lengths of the whole records in bytes, and what is left.
local function count_records(bytes)
  local count, at = 0, 1
  while at + 4 <= #bytes do
    local size <const> = 5 + string.unpack(">I2", bytes, at + 3)
    if at + size - 1 > #bytes then break end
    count, at = count + 1, at + size
  end
  return count, #bytes - at + 1
end

for _, version in ipairs { "1.2", "1.3" } do describe("records of TLS " .. version, function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local listening, relay, client, server
    before_each(function()
      local accepted <const> = task.channel(1)
      listening = assert(net.serve("tls://127.0.0.1:0", function(conn)
        accepted:send(conn)
        while conn.is_open do task.sleep(0.002) end
      end, { tls = certificates.of "localhost" }))
      relay = make_relay(tostring(listening.address))
      client = assert(net.connect(relay.address, { tls = certificates.trusting(nil, { max_version = version }) }))
      server = accepted:receive()
      server:write "." -- after the tickets of TLS 1.3
      assert.equal(".", (client:read(1)))
    end)
    after_each(function()
      client:abort()
      server:abort()
      relay:__close()
      listening:close()
    end)

    --- Writes pieces, each in its own records, and returns them as they are on the wire.
    local function records_of(pieces, then_close)
      relay.to_client:hold()
      for _, piece in ipairs(pieces) do
        local before <const> = #relay.to_client.held
        server:write(piece)
        assert.is_true((server:flush()))
        helper.eventually(function() return #relay.to_client.held > before end)
      end
      local count <const> = count_records(relay.to_client.held)
      if then_close then
        server:close()
        helper.eventually(function() return relay.to_client.ended end)
      end
      helper.eventually(function()
        local now <const>, left <const> = count_records(relay.to_client.held)
        return left == 0 and now >= count + (then_close and 1 or 0)
      end)
      return relay.to_client.held
    end

    it("are read one by one when many come at once", function()
      records_of { "one", "two", "three" }
      relay.to_client:release()
      for byte in ("onetwothree"):gmatch "." do assert.equal(byte, (client:read(1))) end
    end)

    it("wake a reader for each that is wanted, though the kernel tells but once", function()
      records_of { "first\n", "second\n", "third\nfourth\n" }
      local lines <const> = {}
      local reader <const> = task.spawn(function()
        for line in client:lines() do
          table.insert(lines, line)
          task.sleep(0.001) -- the loop sleeps between
        end
      end)
      relay.to_client:release()
      helper.eventually(function() return #lines == 4 end)
      assert.same({ "first", "second", "third", "fourth" }, lines)
      reader:cancel()
      reader:join()
    end)

    it("wake a second reader when the first has left something", function()
      records_of { "abc", "def" }
      local reader <const> = parked(client.read, client, 4)
      relay.to_client:release()
      assert.equal("abcd", (reader:join()))
      local second <const> = task.spawn(client.read, client, 2)
      assert.equal("ef", (second:join()))
    end)

    it("are seen with the end right behind them", function()
      records_of({ "all", " of it" }, true)
      local reader <const> = parked(client.read, client, 3)
      relay.to_client:release()
      assert.equal("all", (reader:join()))
      assert.equal(" of it", (client:read_all()))
      assert_failure("closed", "closed by the peer", client:read(1))
    end)

    it("are seen with the end right behind them by a task that waits for it", function()
      records_of({ "x" }, true)
      local reader <const> = parked(client.read_all, client)
      relay.to_client:release()
      assert.equal("x", (reader:join()))
    end)

    it("are seen with TLS's end right behind them, while TCP goes on", function()
      local bytes <const> = records_of({ "x" }, true)
      local reader <const> = parked(client.read_all, client)
      relay.to_client.to:write(bytes)
      assert.equal("x", (reader:join()))
    end)

    it("may come byte by byte", function()
      local bytes <const> = records_of { "one\n", "two\n", "three" }
      local reader <const> = parked(function()
        return client:read_line(), client:read_line(), (client:read(5))
      end)
      relay.to_client:trickle(bytes)
      assert.same({ "one", "two", "three" }, { reader:join() })
    end)

    it("may be cut anywhere, in a deadline too", function()
      local bytes <const> = records_of { "one", "two" }
      for at = 1, #bytes - 1, helper.is_tiny and 9 or 3 do
        relay.to_client.to:write(bytes:sub(at, math.min(at + (helper.is_tiny and 8 or 2), #bytes - 1)))
        if at % 5 == 1 then task.deadline(0.001, client.read, client, 6) end
      end
      assert_failure("timeout", "the deadline has passed", task.deadline(0.01, client.read, client, 6))
      relay.to_client.to:write(bytes:sub(-1))
      assert.equal("onetwo", (client:read(6)))
    end)

    it("go into a buffer past what is pending", function()
      records_of { "ab\n", "cdef", "gh" }
      relay.to_client:release()
      assert.equal("ab", (client:read_line()))
      local bytes <const> = buffer.new(6)
      assert.equal(6, (client:read_into(bytes)))
      assert.equal("cdefgh", bytes:string())
    end)

    it("that end without a word are told from those that end well", function()
      server:write "half of it"
      server:flush()
      assert.equal("half", (client:read(4)))
      relay.to_client:hold()
      relay:cut_client()
      assert_failure("tls", "^read from tls://127.0.0.1:%d+: the peer ended without TLS's close_notify: truncated%?$",
        client:read_all())
      assert_failure("tls", "truncated", client:read(100))
      assert_failure("tls", "truncated", client:write "x")
      assert.matches("truncated", client.error)
    end)

    it("that end without a word right behind data keep the data", function()
      local bytes <const> = records_of { "one", "two" }
      relay.to_client.to:write(bytes)
      relay:cut_client()
      assert.same({ "one", "two" }, { client:read(3), (client:read(3)) })
      assert_failure("tls", "truncated", client:read(1))
    end)

    it("that end without a word end chunks and lines with the reason", function()
      server:write "one\ntwo"
      server:flush()
      assert.equal("one", (client:read_line()))
      relay.to_client:hold()
      relay:cut_client()
      for _ in client:lines() do error "an unfinished line is none" end
      assert.matches("truncated", client.error)
    end)

    it("that end in the middle are truncated as well", function()
      local bytes <const> = records_of { "whole", "x" }
      relay.to_client.to:write(bytes:sub(1, -5))
      relay:cut_client()
      assert.equal("whole", (client:read(5)))
      assert_failure("tls", "truncated", client:read(1))
    end)

    it("that were changed are refused, those before them are not", function()
      local bytes <const> = records_of { "+", "-" }
      relay.to_client.to:write(bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 1))
      assert.equal("+", (client:read(1)))
      assert_failure("tls", "^read from tls://127.0.0.1:%d+: decryption failed or bad record mac$", client:read(1))
      assert_failure("tls", "decryption failed or bad record mac$", client:read(1))
      assert_failure("tls", "decryption failed or bad record mac$", client:write "x")
    end)

    it("that were changed are refused in one piece with good ones", function()
      local bytes <const> = records_of { "+", "-" }
      local reader <const> = parked(client.read_some, client)
      relay.to_client:release(bytes:sub(1, -2) .. string.char(bytes:byte(-1) ~ 1))
      assert.equal("+", (reader:join()))
      assert_failure("tls", "decryption failed or bad record mac$", client:read_some())
    end)

    it("that come twice are refused", function()
      local bytes <const> = records_of { "once" }
      relay.to_client:release(bytes .. bytes)
      assert.equal("once", (client:read(4)))
      assert_failure("tls", "bad record mac", client:read(1))
      assert_failure("tls", "the peer refuses it: bad record mac$", server:read(1))
    end)

    it("that are none are refused", function()
      relay.to_client:hold()
      relay.to_client:release "HTTP/1.1 400 Bad Request\r\n\r\n"
      assert_failure("tls", "^read from .*: wrong version number$", client:read(1))
    end)

    it("that are not finished when the connection is closed do not hold up the loop", function()
      local bytes <const> = records_of { "x" }
      relay.to_client.to:write(bytes:sub(1, -10))
      relay.to_client.to:flush()
      assert_failure("timeout", "", task.deadline(0.01, client.read, client, 1))
      client.high_water = 1 << 30
      relay.to_server:hold()
      client:write "last words"
      client:close()
      helper.eventually(function() return task.counts().drains > 0 end)
      relay.to_client.to:write(bytes:sub(-9, -5))
      for _ = 1, 5 do task.sleep(0.001) end
    end)
  end)
end) end
