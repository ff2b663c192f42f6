--- Who is a member of a fan-out, and for how long.

local helper <const> = require "spec.helper"
local fanout <const> = require "perigee.fanout"
local net <const> = require "perigee.net"
local raw <const> = require "spec.fixtures.websocket"
local rooms <const> = require "spec.fixtures.rooms"
local websocket <const> = require "perigee.websocket"

local assert_misuse <const> = helper.assert_misuse

describe("a fan-out", function()
  helper.leaves_nothing(before_each, after_each)

  it("has no place for closed members", function()
    local room <const> = fanout.new()
    local a <close>, b <const> = net.pair()
    b:close()
    assert.is_false(room:add(b))
    assert.is_true(room:add(a))
    a:close()
    assert.same({ 0, 0 }, { room.count, room:write "x" })
    room:remove(b)
  end)

  it("has no place for a client's WebSocket, whose frames need a mask of their own", function()
    local room <const> = fanout.new()
    local server <close> = raw.serve()
    local socket <close> = assert(websocket.connect(raw.url_of(server)))
    assert_misuse("bad argument #1 to 'add'", function() room:add(socket) end)
    assert.equal(0, room.count)
  end)

  it("loses members that leave, close, vanish or break off", function()
    local room <const> = fanout.new()
    local server <close> = rooms.serve(room)
    local sockets <const> = {}
    for i = 1, 6 do sockets[i] = rooms.join(server, i <= 4 and "/socket" or "/events") end
    rooms.wait_for_count(room, 6)
    sockets[1]:write(raw.close_frame(1000))
    raw.read_close(sockets[1])
    rooms.wait_for_count(room, 5)
    sockets[2]:abort()
    rooms.wait_for_count(room, 4)
    sockets[3]:close()
    rooms.wait_for_count(room, 3)
    sockets[5]:abort()
    helper.eventually(function() -- an answer without an end is watched by writing to it
      room:write "are you there?"
      return room.count == 2
    end)
    room:write "last"
    local frame
    repeat frame = raw.read_frame(sockets[4]) until frame.payload == "last"
    for _, socket in ipairs(sockets) do socket:close() end
  end)

  it("is left by members between two messages", function()
    local room <const> = fanout.new()
    local a <close>, b <const> = net.pair()
    local c <close>, d <const> = net.pair()
    room:add(b, "line")
    room:add(d, "line")
    assert.equal(2, room:write "one")
    room:remove(b)
    assert.equal(1, room:write "two")
    room:add(b, "line")
    assert.equal(2, room:write "three")
    b:close()
    assert.equal(1, room:write "four")
    d:close()
    assert.same({ "one\nthree\n", "one\ntwo\nthree\nfour\n" }, { (a:read_all()), (c:read_all()) })
  end)

  it("shares members with other rooms", function()
    local first <const>, second <const> = fanout.new(), fanout.new()
    local a <close>, b <const> = net.pair()
    first:add(b, "line")
    second:add(b, "bytes")
    for i = 1, 3 do
      first:write("first " .. i)
      second:write("second " .. i .. "|")
    end
    first:close()
    assert.same({ 0, 1 }, { first.count, second.count })
    second:write "still"
    b:close()
    assert.equal(0, second.count)
    assert.equal("first 1\nsecond 1|first 2\nsecond 2|first 3\nsecond 3|still", (a:read_all()))
  end)

  it("is written to by its members' handlers, each in turn", function()
    local room <const> = fanout.new { limit = 1 << 30 }
    local server <close> = rooms.serve(room)
    local sockets <const>, rounds <const> = {}, helper.is_tiny and 5 or 20
    for i = 1, 10 do sockets[i] = rooms.join(server, "/socket") end
    rooms.wait_for_count(room, 10)
    for round = 1, rounds do
      for i, socket in ipairs(sockets) do socket:write(raw.frame(raw.TEXT, ("%d %d"):format(i, round))) end
    end
    local order
    for _, socket in ipairs(sockets) do
      local last <const>, seen <const> = {}, {}
      for i = 1, 10 * rounds do
        seen[i] = raw.read_frame(socket).payload
        local who <const>, round <const> = seen[i]:match "(%d+) (%d+)"
        assert.equal((last[who] or 0) + 1, tonumber(round))
        last[who] = tonumber(round)
      end
      order = order or seen
      assert.same(order, seen) -- everybody has seen the same
    end
    for _, socket in ipairs(sockets) do socket:close() end
  end)
end)
