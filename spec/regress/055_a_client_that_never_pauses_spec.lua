local buffer <const> = require "perigee.buffer"
local helper <const> = require "spec.helper"
local pubsub <const> = require "spec.fixtures.pubsub"
local task <const> = require "perigee.task"

--- A process that sends the bytes over and over, once it has sent those of `first`, and throws away what comes.
local function send_forever(port, bytes, first)
  return helper.start(([[/usr/bin/python3 -c '
import socket, threading
there = socket.create_connection(("127.0.0.1", %d))
def read():
    while there.recv(1 << 20): pass
threading.Thread(target=read, daemon=True).start()
there.sendall(b"%s")
while True: there.sendall(b"%s" * 100000)']]):format(port, first or "", bytes))
end

-- What came was read for as long as there was some, and commands without a word are passed over: a quick client that
-- sent empty lines held up all others for as long as it liked. And one that published much at once had its subscribers
-- closed as too slow, before they were sent anything.
describe("a client that never pauses", function()
  helper.leaves_nothing(before_each, after_each)

  it("leaves others their turn, whatever it sends", function()
    local server <close> = pubsub.start()
    local other <close> = pubsub.client(server)
    for _, bytes in ipairs { "\\r\\n", "*0\\r\\n", "PING\\r\\n" } do
      local _ <close> = send_forever(server.port, bytes)
      helper.eventually(function() return tonumber((other:call "INFO":match "connected_clients:(%d+)")) == 2 end)
      for _ = 1, 50 do assert.equal("PONG", other:call "PING") end
    end
  end)

  it("leaves others their turn when it speaks WebSocket, and sends pongs", function()
    local server <close> = pubsub.start()
    local other <close> = pubsub.client(server)
    local pong <const> = "\\x8a\\x80\\0\\0\\0\\0"
    local _ <close> = send_forever(server.page:match ":(%d+)$", pong, "GET /topics/news HTTP/1.1\\r\\n" ..
      "Host: here\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Version: 13\\r\\n" ..
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n")
    helper.eventually(function() return other:call("PUBSUB", "NUMSUB", "news")[2] == 1 end)
    for _ = 1, 50 do assert.equal("PONG", other:call "PING") end
  end)

  it("is waited for now and then, though more has come", function()
    local near <const>, far <const> = helper.tcp_pair()
    local turns, is_over = 0, false
    local other <const> = task.spawn(function()
      while not is_over do
        turns = turns + 1
        task.sleep(0)
      end
    end)
    far:write(("x"):rep(50 * 1000))
    far:flush()
    turns = 0
    local thousand <const> = buffer.new(1000)
    for _ = 1, 50 do assert(near:read_into(thousand)) end
    assert.is_true(turns >= 3)
    is_over = true
    other:join()
    near:close()
    far:close()
  end)
end)
