local helper <const> = require "spec.helper"
local fanout <const> = require "perigee.fanout"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local raw <const> = require "spec.fixtures.websocket"
local rooms <const> = require "spec.fixtures.rooms"
local task <const> = require "perigee.task"

local assert_misuse <const> = helper.assert_misuse

local function part(data, type_name)
  return ("Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s\r\n--perigee-part\r\n"):format(type_name, #data, data)
end

describe("a fan-out", function()
  helper.leaves_nothing(before_each, after_each)

  it("counts its members", function()
    local room <const> = fanout.new()
    assert.same({ 0, 0, 0, 0, "fanout: 0 members" }, { room.count, #room, room.dropped, room.closed, tostring(room) })
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    assert.is_true(room:add(a))
    assert.is_true(room:add(b, "line"))
    assert.is_true(room:add(a, "line")) -- it stays as it is
    assert.same({ 2, 2, "fanout: 2 members" }, { room.count, #room, tostring(room) })
    room:remove(a)
    room:remove(a)
    assert.equal(1, room.count)
    assert.is_nil(room.unknown)
  end)

  it("sends to nobody", function()
    local room <const> = fanout.new()
    assert.equal(0, room:write "x")
    assert.equal(0, room:write("\xff", "binary"))
    assert.equal(0, room:write("x", { event = "e" }))
  end)

  it("gives members of every kind each message, once and in order", function()
    local room <const> = fanout.new { limit = 1 << 30 }
    local server <close> = rooms.serve(room)
    local a <close>, plain <const> = net.pair()
    local b <close>, lines <const> = net.pair()
    room:add(plain, "bytes")
    room:add(lines, "line")
    local socket <close> = rooms.join(server, "/socket")
    local events <close>, fields <const> = rooms.join(server, "/events")
    local old_events <close> = rooms.join(server, "/events", "1.0")
    local parts <close>, part_fields <const> = rooms.join(server, "/parts")
    local old_parts <close> = rooms.join(server, "/parts", "1.0")
    rooms.wait_for_count(room, 7)
    assert.equal("text/event-stream", fields["content-type"])
    assert.matches("^multipart/x%-mixed%-replace; boundary=perigee%-part", part_fields["content-type"])

    local sizes <const> = { 0, 1, 6, 7, 100, 125, 126, 511, 512, 513, 2000, 4096, helper.is_tiny and 5000 or 65536 }
    local texts <const>, text_parts <const>, text_events <const> = {}, { "--perigee-part\r\n" }, {}
    for i, size in ipairs(sizes) do
      local message <const> = (string.char(96 + i)):rep(size)
      texts[i], text_parts[i + 1] = message, part(message, "text/plain")
      text_events[i] = "data: " .. message .. "\n\n"
      assert.equal(7, room:write(message))
    end
    for i, expected in ipairs(texts) do
      local frame <const> = raw.read_frame(socket)
      assert.same({ i, raw.TEXT, true, 0, false, #expected },
        { i, frame.opcode, frame.final, frame.rsv, frame.masked, #frame.payload })
      assert.is_true(frame.payload == expected)
      assert.is_true(b:read(#expected + 1) == expected .. "\n")
    end
    local text <const>, event_text <const>, part_text <const> =
      table.concat(texts), table.concat(text_events), table.concat(text_parts)
    assert.is_true(a:read(#text) == text)
    assert.is_true(rooms.read_chunks(events, #event_text) == event_text)
    assert.is_true(old_events:read(#event_text) == event_text)
    assert.is_true(rooms.read_chunks(parts, #part_text) == part_text)
    assert.is_true(old_parts:read(#part_text) == part_text)
    lines:close()
    plain:close()
  end)

  it("sends bytes as binary messages, and refuses texts for WebSockets that are none", function()
    local room <const> = fanout.new()
    local server <close> = rooms.serve(room)
    local a <close>, plain <const> = net.pair()
    local _ <close> = plain
    room:add(plain)
    assert.equal(1, room:write "\xff")
    assert.equal("\xff", (a:read(1)))
    local socket <close> = rooms.join(server, "/socket")
    rooms.wait_for_count(room, 2)
    assert_misuse("must be UTF%-8", function() room:write "\xff" end)
    assert_misuse("must be UTF%-8", function() room:write "cut \xe2\x82" end)
    assert.equal(2, room:write("\xff", "binary"))
    local frame <const> = raw.read_frame(socket)
    assert.same({ raw.BINARY, "\xff", "\xff" }, { frame.opcode, frame.payload, (a:read(1)) })
  end)

  it("sends events with names and ids, and each line of them", function()
    local room <const> = fanout.new()
    local server <close> = rooms.serve(room)
    local events <close> = rooms.join(server, "/events", "1.0")
    rooms.wait_for_count(room, 1)
    room:write("one\ntwo\r\nthree", { event = "news", id = "7" })
    local expected <const> = { ["data: one"] = true, ["data: two"] = true, ["data: three"] = true,
      ["event: news"] = true, ["id: 7"] = true }
    local seen <const> = {}
    for line in events:lines() do
      if line == "" then break end
      seen[line] = true
    end
    assert.same(expected, seen)
    for _, bad in ipairs { { event = "a\nb" }, { id = "a\rb" }, { id = "\0" } } do
      assert_misuse("option '", function() room:write("x", bad) end)
    end
    assert_misuse("bad argument #2 to 'write'", function() room:write("x", "html") end)
  end)

  it("refuses what can be no member, and options that there are not", function()
    local room <const> = fanout.new()
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    for _, member in ipairs { false, 1, "x", {}, io.stdout, room } do
      assert.is_false((pcall(room.add, room, member)))
    end
    assert_misuse("bad argument #2 to 'add'", function() room:add(a, "frames") end)
    assert_misuse("bad argument #1 to 'write'", function() room:write {} end)
    assert_misuse("option", fanout.new, { polcy = "drop" })
    assert_misuse("option 'limit'", fanout.new, { limit = -1 })
    assert_misuse("", fanout.new, { policy = "explode" })
    assert_misuse("", fanout.new, "drop")
    assert.equal(0, room.count)
  end)

  it("lets everybody go when it is closed; clients that are only its own are closed", function()
    local room <const> = fanout.new()
    local server <close> = rooms.serve(room)
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    room:add(b, "line")
    local socket <close> = rooms.join(server, "/socket")
    local viewer <close> = rooms.join(server, "/events")
    rooms.wait_for_count(room, 3)
    room:write "last"
    room:close()
    room:close()
    assert.same({ 0, 0 }, { room.count, room:write "nobody" })
    assert.equal("data: last\n\n", rooms.read_chunks(viewer, 12))
    assert.equal("", (assert(viewer:read_all()):gsub("^0\r\n\r\n", "")))
    assert.equal("last", raw.read_frame(socket).payload)
    socket:write(raw.frame(raw.PING, "alive"))
    assert.equal("alive", raw.read_frame(socket).payload)
    b:write "alive"
    assert.equal("last\nalive", (a:read(10)))
    assert.is_true(room:add(b)) -- it can be used again
    assert.equal(1, room:write "again")
  end)

  it("may be collected while it has members", function()
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    local weak <const> = setmetatable({}, { __mode = "v" })
    do
      local room <const> = fanout.new()
      weak[1] = room
      room:add(b)
      room:write "x"
    end
    helper.eventually(function()
      collectgarbage()
      return not weak[1]
    end)
    b:write "y"
    assert.equal("xy", (a:read(2)))
  end)

  it("is kept alive by nobody but its owner, also when viewers wait for it", function()
    local weak <const> = setmetatable({}, { __mode = "v" })
    local app <const> = http.app()
    local room = fanout.new()
    weak[1] = room
    app:get("/events", function() return http.events(room) end)
    local server <close> = assert(http.serve("http://127.0.0.1:0", app))
    local viewer <close> = rooms.join(server, "/events")
    rooms.wait_for_count(room, 1)
    room = nil
    helper.eventually(function()
      collectgarbage()
      return not weak[1]
    end)
    assert.equal("", (assert(viewer:read_all()):gsub("^0\r\n\r\n", "")))
  end)

  it("may be closed by a <close> variable", function()
    local a <close>, b <const> = net.pair()
    local _ <close> = b
    local room
    do
      local inner <close> = fanout.new()
      room = inner
      inner:add(a)
    end
    assert.equal(0, room.count)
  end)

  it("reaches a thousand members", function()
    local room <const> = fanout.new()
    local server <close> = rooms.serve(room)
    local count <const> = helper.is_tiny and 200 or 1000
    local sockets <const> = {}
    for i = 1, count do sockets[i] = rooms.join(server, i % 2 == 0 and "/socket" or "/events") end
    rooms.wait_for_count(room, count)
    local messages <const> = helper.is_tiny and 3 or 20
    for i = 1, messages do
      assert.equal(count, room:write("message " .. i))
      task.sleep(0)
    end
    for i, socket in ipairs(sockets) do
      for k = 1, messages do
        local text <const> = "message " .. k
        if i % 2 == 0 then assert.equal(text, raw.read_frame(socket).payload)
        else assert.equal("data: " .. text .. "\n\n", rooms.read_chunks(socket, #text + 8)) end
      end
      socket:close()
    end
    helper.eventually(function()
      room:write "gone?"
      return room.count == 0
    end)
    assert.same({ 0, 0 }, { room.dropped, room.closed })
  end)
end)
