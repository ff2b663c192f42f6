--- What becomes of members that take their messages too slowly.

local helper <const> = require "spec.helper"
local fanout <const> = require "perigee.fanout"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local raw <const> = require "spec.fixtures.websocket"
local task <const> = require "perigee.task"

local LIMIT <const> = helper.is_tiny and 20000 or 200000
local MESSAGE <const> = ("m"):rep(helper.is_tiny and 1000 or 10000)
local SMALL_BUFFERS <const> = { send_buffer = 10000, receive_buffer = 10000 }

--- Lets the loop send what can be sent: all of what is queued for the quick one.
local function turn(quick)
  for _ = 1, 3 do task.sleep(0) end
  helper.eventually(function() return quick.queued == 0 end)
end

describe("a fan-out with a slow member", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local slow, slow_end, quick, quick_end, reader, quick_got
    before_each(function()
      slow, slow_end = helper.tcp_pair(SMALL_BUFFERS)
      quick, quick_end = net.pair()
      quick_got = {}
      reader = task.spawn(function()
        for line in quick_end:lines(1 << 20) do quick_got[#quick_got + 1] = line end
      end)
    end)
    after_each(function()
      for _, conn in ipairs { slow, slow_end, quick, quick_end } do conn:abort() end
      reader:join()
    end)

    --- Writes numbered messages until `done`, and returns how many.
    local function write_until(room, done)
      local count = 0
      repeat
        count = count + 1
        room:write(count .. " " .. MESSAGE)
        turn(quick)
      until done()
      return count
    end

    local function quick_has(count)
      helper.eventually(function() return #quick_got == count end)
      for i, line in ipairs(quick_got) do assert.equal(i, tonumber(line:match "^%d+")) end
    end

    it("cuts it off, unless told otherwise", function()
      local room <const> = fanout.new { limit = LIMIT }
      room:add(slow_end, "line")
      room:add(quick, "line")
      local count <const> = write_until(room, function() return room.closed > 0 end)
      assert.same({ 1, 1, 0, false }, { room.count, room.closed, room.dropped, slow_end.is_open })
      quick_has(count)
      assert.equal("reset", (select(3, slow:read_all(1 << 30))))
    end)

    it("never has more queued for it than the limit and a message", function()
      for _, policy in ipairs { "drop", "close" } do
        local room <const> = fanout.new { limit = LIMIT, policy = policy }
        room:add(slow_end, "line")
        for _ = 1, 5 * LIMIT // #MESSAGE do
          room:write(MESSAGE)
          assert.is_true(slow_end.queued <= LIMIT + #MESSAGE + 1)
        end
        if policy == "drop" then assert.is_true(room.dropped > 0) end
      end
    end)

    it("leaves messages out for it, and goes on when it has caught up", function()
      local room <const> = fanout.new { limit = LIMIT, policy = "drop" }
      room:add(slow_end, "line")
      room:add(quick, "line")
      local count <const> = write_until(room, function() return room.dropped >= 5 end)
      assert.same({ 2, 0, true }, { room.count, room.closed, slow_end.is_open })
      assert.equal(1, room:write(count + 1 .. " " .. MESSAGE))
      quick_has(count + 1)
      local got <const> = {}
      for i = 1, count + 1 - room.dropped do got[i] = tonumber(slow:read_line(1 << 20):match "^%d+") end
      for i = 2, #got do assert.is_true(got[i] > got[i - 1]) end
      helper.eventually(function() return slow_end.queued == 0 end)
      local dropped <const> = room.dropped
      assert.equal(2, room:write "back")
      assert.equal("back", (slow:read_line()))
      assert.equal(dropped, room.dropped)
    end)

    it("counts what it leaves out", function()
      local room <const> = fanout.new { limit = LIMIT, policy = "drop" }
      room:add(slow_end, "line")
      local sent, count = 0, 0
      repeat
        sent, count = sent + room:write(MESSAGE), count + 1
        turn(quick)
      until room.dropped == 10
      assert.equal(count, sent + 10)
      local lines = 0
      slow_end:shutdown()
      for _ in slow:lines(1 << 20) do lines = lines + 1 end
      assert.equal(sent, lines)
    end)

    it("waits for it, and loses nothing", function()
      local room <const> = fanout.new { limit = LIMIT, policy = "wait" }
      room:add(slow_end, "line")
      room:add(quick, "line")
      local total <const> = 10 * LIMIT // #MESSAGE
      local written = 0
      local writer <const> = task.spawn(function()
        for i = 1, total do
          assert.equal(2, room:write(i .. " " .. MESSAGE))
          written = i
        end
      end)
      helper.eventually(function() return writer.state == "waiting" and slow_end.queued > LIMIT // 2 end)
      assert.is_true(written < total)
      for i = 1, total do
        assert.equal(i, tonumber(slow:read_line(1 << 20):match "^%d+"))
        assert.is_true(slow_end.queued <= LIMIT + 2 * #MESSAGE)
      end
      writer:join()
      quick_has(total)
      assert.same({ total, 0, 0 }, { written, room.dropped, room.closed })
    end)

    it("lets writers go on when it leaves, breaks off, or the room is closed", function()
      for _, how in ipairs { "remove", "close", "abort", "peer", "room", "cancel" } do
        local room <const> = fanout.new { limit = LIMIT, policy = "wait" }
        local far <const>, near <const> = helper.tcp_pair(SMALL_BUFFERS)
        room:add(near)
        local function write_on() while room.count > 0 do room:write(MESSAGE) end return "went on" end
        local writers <const> = { task.spawn(write_on), task.spawn(write_on) }
        helper.eventually(function() return writers[1].state == "waiting" and writers[2].state == "waiting" end)
        if how == "remove" then room:remove(near)
        elseif how == "close" then near:close()
        elseif how == "abort" then near:abort()
        elseif how == "peer" then
          local _ <const> = task.spawn(function() near:read_all() near:close() end)
          far:abort()
        elseif how == "room" then room:close()
        else
          for _, writer in ipairs(writers) do writer:cancel() end
        end
        for _, writer in ipairs(writers) do
          local result <const>, _, code <const> = writer:join(10)
          assert.same({ how, how == "cancel" and "cancelled" or "went on" }, { how, result or code })
        end
        far:abort()
        near:abort()
      end
    end)

    it("waits only for those who are members when it waits", function()
      local room <const> = fanout.new { limit = LIMIT, policy = "wait" }
      room:add(quick, "line")
      for i = 1, 3 * LIMIT // #MESSAGE do room:write(i .. " " .. MESSAGE) end
      quick_has(3 * LIMIT // #MESSAGE)
    end)

    it("obeys the deadline of a writer that waits", function()
      local room <const> = fanout.new { limit = LIMIT, policy = "wait" }
      room:add(slow_end)
      local result <const>, _, code <const> = task.deadline(0.05, function()
        while true do room:write(MESSAGE) end
      end)
      assert.same({ nil, "timeout" }, { result, code })
      assert.equal(1, room.count)
    end)

    it("does not let the slowness in one room be counted in another", function()
      local first <const> = fanout.new { limit = LIMIT, policy = "close" }
      local second <const> = fanout.new { limit = LIMIT, policy = "wait" }
      local third <const> = fanout.new { limit = LIMIT, policy = "drop" }
      for _, room in ipairs { first, second, third } do room:add(slow_end, "line") end
      second:add(quick, "line")
      slow_end.high_water = 1 << 30
      slow_end:write(("x"):rep(4 * LIMIT))
      turn(quick)
      local writer <const> = task.spawn(function()
        second:write "waits"
        return second:write "last"
      end)
      helper.eventually(function() return writer.state == "waiting" end)
      assert.is_true(slow_end.queued > LIMIT)
      assert.equal(0, third:write "left out")
      assert.same({ 1, 1 }, { third.dropped, third.count })
      assert.equal(0, first:write "cut off")
      assert.same({ 1, 0, 0, 0, 1 }, { first.closed, first.count, third.count, second.closed, second.count })
      assert.equal(1, (writer:join(10)))
    end)
  end)

  it("tells the handler of a WebSocket that was cut off", function()
    local room <const> = fanout.new { limit = LIMIT }
    local ended
    local server <close> = raw.serve(function(socket)
      room:add(socket)
      ended = { socket:receive() }
      ended[4], ended[5] = socket.close_code, socket.is_open
    end, nil, SMALL_BUFFERS)
    local client <close> = raw.open(server, nil, SMALL_BUFFERS)
    helper.eventually(function() return room.count == 1 end)
    helper.eventually(function()
      room:write(MESSAGE)
      return room.count == 0
    end)
    helper.eventually(function() return ended end)
    assert.same({ nil, "closed", 1006, false }, { ended[1], ended[3], ended[4], ended[5] })
    client:abort()
  end)

  it("lets members that are cut off remove others from their handlers", function()
    local room <const> = fanout.new { limit = LIMIT }
    local sockets <const>, clients <const>, handlers = {}, {}, 0
    local server <close> = raw.serve(function(socket)
      sockets[#sockets + 1] = socket
      room:add(socket)
      socket:receive()
      for _, other in ipairs(sockets) do room:remove(other) other:close() end
      room:close()
      handlers = handlers + 1
    end, nil, SMALL_BUFFERS)
    for i = 1, 5 do clients[i] = raw.open(server, nil, SMALL_BUFFERS) end
    helper.eventually(function() return room.count == 5 end)
    helper.eventually(function()
      room:write(MESSAGE)
      return handlers == 5
    end)
    assert.equal(0, room.count)
    for _, client in ipairs(clients) do client:abort() end
  end)

  it("cuts off viewers that do not look", function()
    local room <const> = fanout.new { limit = LIMIT }
    local app <const> = http.app()
    app:get("/events", function() return http.events(room) end)
    app:get("/parts", function() return http.multipart(room) end)
    local server <close> = assert(http.serve("http://127.0.0.1:0", app, SMALL_BUFFERS))
    local viewers <const> = {}
    for i, path in ipairs { "/events", "/parts" } do
      viewers[i] = raw.connect(server, SMALL_BUFFERS)
      viewers[i]:write("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n")
    end
    helper.eventually(function() return room.count == 2 end)
    helper.eventually(function()
      room:write(MESSAGE)
      return room.count == 0
    end)
    assert.equal(2, room.closed)
    for _, viewer in ipairs(viewers) do viewer:abort() end
  end)
end)
