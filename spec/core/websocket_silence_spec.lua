--- Pings: clients that are silent, slow or dead.

local helper <const> = require "spec.helper"
local raw <const> = require "spec.fixtures.websocket"
local task <const> = require "perigee.task"

describe("a WebSocket", function()
  helper.leaves_nothing(before_each, after_each)

  it("pings a client that is silent, and lets it live when it answers", function()
    raw.with_pair(function(socket, client)
      local reader <const> = task.spawn(socket.receive, socket)
      for _ = 1, 5 do
        local frame <const> = raw.read_frame(client)
        assert.same({ raw.PING, "" }, { frame.opcode, frame.payload })
        client:write(raw.frame(raw.PONG, ""))
      end
      client:write(raw.frame(raw.TEXT, "alive"))
      assert.equal("alive", (reader:join()))
    end, { ping = 0.02 })
  end)

  it("ends a client that answers no ping", function()
    for _, receive in ipairs { "receive", "messages" } do
      raw.with_pair(function(socket, client)
        local got
        if receive == "receive" then got = { socket:receive() }
        else for _ in socket:messages() do error "a message" end end
        if got then
          assert.same({ nil, "timeout" }, { got[1], got[3] })
          assert.matches("^receive from http://127.0.0.1:%d+: it does not answer pings$", got[2])
        end
        assert.same({ 1006, false }, { socket.close_code, socket.is_open })
        assert.equal(raw.PING, raw.read_frame(client).opcode)
        assert.is_nil((raw.read_frame(client)))
        assert.equal("closed", (select(3, socket:receive())))
      end, { ping = 0.02 })
    end
  end)

  it("takes any bytes as a sign of life, a pong that has to wait within a long frame too", function()
    raw.with_pair(function(socket, client)
      local reader <const> = task.spawn(socket.receive, socket)
      local frame <const> = raw.frame(raw.TEXT, ("x"):rep(100))
      for i = 1, #frame, 20 do
        assert.equal(raw.PING, raw.read_frame(client).opcode)
        client:write(frame:sub(i, i + 19))
      end
      assert.equal(("x"):rep(100), (reader:join()))
    end, { ping = 0.03 })
  end)

  it("takes pings of the client as a sign of life", function()
    raw.with_pair(function(socket, client)
      local reader <const> = task.spawn(socket.receive, socket)
      for _ = 1, 5 do
        local frame
        repeat frame = raw.read_frame(client) until frame.opcode == raw.PING
        client:write(raw.frame(raw.PING, "and you?"))
      end
      client:write(raw.frame(raw.TEXT, "alive"))
      assert.equal("alive", (reader:join()))
    end, { ping = 0.03 })
  end)

  it("sends no pings when it is told so", function()
    raw.with_pair(function(socket, client)
      local reader <const> = task.spawn(socket.receive, socket)
      assert.equal("timeout", (select(3, task.deadline(0.05, client.read, client, 1))))
      client:write(raw.frame(raw.TEXT, "late"))
      assert.equal("late", (reader:join()))
    end, { ping = math.huge })
  end)
end)
