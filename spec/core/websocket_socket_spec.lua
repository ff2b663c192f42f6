--- A WebSocket as its handler sees it: what it tells, when it waits, and what becomes of slow and lost clients.

local helper <const> = require "spec.helper"
local raw <const> = require "spec.fixtures.websocket"
local task <const> = require "perigee.task"

local SMALL_BUFFERS <const> = { send_buffer = 20000, receive_buffer = 20000 }
local HIGH_WATER <const> = 64 * 1024 -- bytes; in small writes the kernel takes several times its buffers

local assert_misuse <const> = helper.assert_misuse

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

describe("a WebSocket", function()
  helper.leaves_nothing(before_each, after_each)

  it("tells about itself", function()
    raw.with_pair(function(socket, client)
      assert.same({ true, 0 }, { socket.is_open, socket.queued })
      assert.is_nil(socket.close_code)
      assert.equal(tostring(client.address):gsub("^tcp", "http"), tostring(socket.peer))
      assert.equal("websocket: " .. tostring(socket.peer), tostring(socket))
      assert.is_nil(socket.unknown)
      assert_misuse("", function() socket.unknown = 1 end)
    end)
  end)

  it("gives messages, and whether they are binary", function()
    raw.with_pair(function(socket, client)
      client:write(raw.frame(raw.TEXT, "text"), raw.frame(raw.BINARY, "\0\1"), raw.fragments(raw.BINARY, "more", 1))
      assert.same({ "text", false }, { socket:receive() })
      assert.same({ "\0\1", true }, { socket:receive() })
      assert.same({ "more", true }, { socket:receive() })
    end)
  end)

  it("is walked by messages()", function()
    raw.with_pair(function(socket, client)
      client:write(raw.frame(raw.TEXT, "one"), raw.frame(raw.BINARY, "two"), raw.frame(raw.TEXT, ""),
        raw.close_frame(4000))
      local seen <const> = {}
      for message, is_binary in socket:messages() do seen[#seen + 1] = { message, is_binary } end
      assert.same({ { "one", false }, { "two", true }, { "", false } }, seen)
      assert.equal(4000, socket.close_code)
    end)
  end)

  it("keeps a message whose frames come while it is not received", function()
    raw.with_pair(function(socket, client)
      for i = 1, 100 do client:write(raw.frame(raw.TEXT, "message " .. i)) end
      client:flush()
      for i = 1, 100 do
        assert.equal("message " .. i, (socket:receive()))
        if i % 10 == 0 then collectgarbage() end
      end
    end)
  end)

  it("sends texts and bytes, in order, in one frame each", function()
    raw.with_pair(function(socket, client)
      local sizes <const> = { 0, 1, 7, 10, 11, 12, 125, 126, 4095, 4096, helper.is_tiny and 5000 or 65536 }
      for _, size in ipairs(sizes) do
        assert.is_true(socket:send(("t"):rep(size)))
        assert.is_true(socket:send_binary(("\xff"):rep(size)))
      end
      for _, size in ipairs(sizes) do
        local text <const>, bytes <const> = raw.read_frame(client), raw.read_frame(client)
        assert.same({ raw.TEXT, true, false, size, raw.BINARY, true, false, size },
          { text.opcode, text.final, text.masked, #text.payload, bytes.opcode, bytes.final, bytes.masked,
            #bytes.payload })
        assert.is_true(text.payload == ("t"):rep(size) and bytes.payload == ("\xff"):rep(size))
      end
    end)
  end)

  it("keeps what a string holds when the script has let go of it", function()
    raw.with_pair(function(socket, client)
      for i = 1, 20 do socket:send((string.char(64 + i)):rep(6000)) end
      collectgarbage()
      collectgarbage()
      for i = 1, 20 do assert.is_true(raw.read_frame(client).payload == (string.char(64 + i)):rep(6000)) end
    end)
  end)

  it("pings with any bytes, 125 at most", function()
    raw.with_pair(function(socket, client)
      for _, bytes in ipairs { "", "\0\xff", ("x"):rep(125) } do
        assert.is_true(socket:ping(bytes))
        local frame <const> = raw.read_frame(client)
        assert.same({ raw.PING, bytes }, { frame.opcode, frame.payload })
      end
      assert_misuse("bad argument #1 to 'ping'.*125", function() socket:ping(("x"):rep(126)) end)
    end)
  end)

  it("refuses what cannot be sent, with the argument's number", function()
    raw.with_pair(function(socket)
      for _, value in ipairs { false, {}, print } do
        assert_misuse("bad argument #1 to 'send' %(string", function() socket:send(value) end)
        assert_misuse("bad argument #1 to 'send_binary' %(string", function() socket:send_binary(value) end)
        assert_misuse("bad argument #1 to 'ping' %(string", function() socket:ping(value) end)
      end
      assert_misuse("perigee.websocket expected", socket.send, {}, "x")
      assert_misuse("perigee.websocket expected", socket.receive, io.stdout)
      assert.is_true(socket:send(42))
    end)
  end)

  it("can be received from by one task at a time", function()
    raw.with_pair(function(socket, client)
      local reader <const> = parked(socket.receive, socket)
      assert_misuse("another task is receiving from this WebSocket", socket.receive, socket)
      assert_misuse("another task is receiving from this WebSocket", socket:messages(), socket)
      client:write(raw.frame(raw.TEXT, "for the first"))
      assert.equal("for the first", (reader:join()))
      client:write(raw.frame(raw.TEXT, "for the second"))
      assert.equal("for the second", (socket:receive()))
    end)
  end)

  it("can be received from again after a task that did was cancelled or past its deadline", function()
    raw.with_pair(function(socket, client)
      local reader <const> = parked(socket.receive, socket)
      reader:cancel()
      reader:join()
      assert.same({ "timeout" }, { select(3, task.deadline(0.005, socket.receive, socket)) })
      client:write(raw.frame(raw.TEXT, "still here"))
      assert.equal("still here", (socket:receive()))
    end)
  end)

  it("makes a sender wait while its client takes nothing, and lets it go on", function()
    raw.with_pair(function(socket, client)
      local message <const>, sent = ("x"):rep(helper.is_tiny and 10000 or 100000), 0
      local writer <const> = task.spawn(function()
        for _ = 1, helper.is_tiny and 60 or 40 do
          assert(socket:send(message))
          sent = sent + 1
        end
      end)
      helper.eventually(function() return writer.state == "waiting" and socket.queued > HIGH_WATER // 2 end)
      local before <const> = sent
      assert.is_true(socket.queued <= HIGH_WATER + 2 * #message)
      assert_misuse("another task is waiting to send", socket.send, socket, ("y"):rep(HIGH_WATER))
      for _ = 1, (helper.is_tiny and 60 or 40) do
        local frame
        repeat frame = raw.read_frame(client) until #frame.payload == #message
        assert.is_true(frame.payload == message)
      end
      assert.is_true(before < sent)
      writer:join()
      assert.equal(helper.is_tiny and 60 or 40, sent)
    end, nil, nil, SMALL_BUFFERS, { send_buffer = 20000, receive_buffer = 20000, high_water = HIGH_WATER })
  end)

  it("ends the wait of a sender whose client vanishes", function()
    raw.with_pair(function(socket, client)
      local writer <const> = task.spawn(function()
        local ok, message, code
        repeat ok, message, code = socket:send(("x"):rep(100000)) until not ok
        return message, code
      end)
      helper.eventually(function() return writer.state == "waiting" end)
      client:abort()
      local message <const>, code <const> = writer:join(10)
      assert.matches("^send to http://", message)
      assert.equal("reset", code)
      assert.same({ "reset" }, { select(3, socket:send "x") })
      assert.same({ "reset" }, { select(3, socket:receive()) })
      assert.equal(1006, socket.close_code)
    end, nil, nil, SMALL_BUFFERS)
  end)

  it("ends the wait of a sender when it is closed", function()
    raw.with_pair(function(socket, client)
      local writer <const> = task.spawn(function()
        local ok, message, code
        repeat ok, message, code = socket:send(("x"):rep(100000)) until not ok
        return message, code
      end)
      helper.eventually(function() return writer.state == "waiting" end)
      socket:close(3000)
      assert.equal("closed", (select(2, writer:join(10))))
      client:abort()
    end, nil, nil, SMALL_BUFFERS)
  end)

  it("does not read what its handler does not receive, so that a client that sends has to wait", function()
    raw.with_pair(function(_, client)
      client.high_water = 1000
      local frame <const> = raw.frame(raw.BINARY, ("x"):rep(50000), { mask = "\0\0\0\0" })
      local writer <const> = task.spawn(function() while client:write(frame) do end end)
      helper.eventually(function()
        local queued <const> = client.queued
        for _ = 1, 20 do task.sleep(0.001) end
        return writer.state == "waiting" and client.queued == queued
      end)
      writer:cancel()
      writer:join()
      client:abort()
    end, nil, nil, SMALL_BUFFERS)
  end)

  it("closes when its handler ends without ever having received", function()
    local server <close> = raw.serve(function() task.sleep(0.01) end)
    local client <close> = raw.open(server)
    for i = 1, 50 do client:write(raw.frame(raw.TEXT, "nobody reads " .. i)) end
    assert.equal(1000, (raw.read_close(client)))
  end)

  it("that nobody refers to any more is closed when its handler ends, and is garbage", function()
    local weak <const> = setmetatable({}, { __mode = "v" })
    local server <close> = raw.serve(function(socket)
      weak[#weak + 1] = socket
      socket:receive()
    end)
    for _ = 1, 5 do
      local client <close> = raw.open(server)
      client:write(raw.frame(raw.TEXT, "x"))
      assert.equal(1000, (raw.read_close(client)))
    end
    helper.eventually(function()
      collectgarbage()
      return next(weak) == nil
    end)
  end)

  it("can be kept and used by others while its handler runs, and not after", function()
    local kept
    local go <const> = task.channel(1)
    local server <close> = raw.serve(function(socket)
      kept = socket
      go:receive()
    end)
    local client <close> = raw.open(server)
    helper.eventually(function() return kept end)
    assert.is_true(kept:send "from elsewhere")
    go:send(true)
    local code <const>, _, before <const> = raw.read_close(client)
    assert.same({ 1000, "from elsewhere" }, { code, before[1].payload })
    assert.equal("closed", (select(3, kept:send "x")))
    assert.equal("closed", (select(3, kept:receive())))
    assert.equal(1000, kept.close_code)
    kept:close()
  end)

  it("counts as a connection of the listener until its handler has ended", function()
    local server <close> = raw.serve(nil, nil, { max_connections = 2 })
    local first <close> = raw.open(server)
    local second <close> = raw.open(server)
    local waiting <close> = raw.connect(server)
    waiting:write(raw.request())
    for _, client in ipairs { first, second } do
      client:write(raw.frame(raw.TEXT, "x"))
      assert.equal("x", raw.read_frame(client).payload)
    end
    first:write(raw.close_frame(1000))
    raw.read_close(first)
    assert.equal(101, (raw.read_answer(waiting)))
  end)

  it("serves many at once", function()
    local server <close> = raw.serve()
    local count <const> = helper.is_tiny and 50 or 200
    task.group(function(group)
      for i = 1, count do
        group:spawn(function()
          local client <close> = raw.open(server)
          for round = 1, 5 do
            client:write(raw.frame(raw.TEXT, ("%d of %d"):format(round, i)))
            assert.equal(("%d of %d"):format(round, i), raw.read_frame(client).payload)
          end
          client:write(raw.close_frame(3000))
          assert.equal(3000, (raw.read_close(client)))
        end)
      end
    end)
  end)
end)
