local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"
local websocket_client <const> = require "perigee.rpc.websocket_client"

-- A client of JSON-RPC over WebSocket that nobody calls by for a while.

local SERVER <const> = [[
import asyncio, json, os, websockets

count = 0

async def await_pongs(socket):
    try:
        for number in range(1, 6):
            await asyncio.sleep(0.1)
            await (await socket.ping())
            print('pong', number, flush=True)
    except websockets.ConnectionClosed:
        os._exit(1)

async def serve(socket):
    global count
    count += 1
    pongs = None
    async for text in socket:
        await socket.send(json.dumps({'jsonrpc': '2.0', 'id': json.loads(text)['id'], 'result': count}))
        pongs = pongs or asyncio.create_task(await_pongs(socket))

async def main():
    async with websockets.serve(serve, '127.0.0.1', 0, ping_interval=0.2, ping_timeout=2) as server:
        print('port', server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
]]

describe("an idle client of JSON-RPC over WebSocket", function()
  helper.leaves_nothing(before_each, after_each)

  local released
  before_each(function() released = task.channel(0) end)

  --- Answers calls with the number of the socket; a call of `last` closes it, when that is released.
  local function serve()
    local count = 0
    local app <const> = http.app():websocket("/", function(socket)
      count = count + 1
      local number <const> = count
      for text in socket:messages() do
        local call <const> = json.decode(text)
        socket:send(json.encode { jsonrpc = "2.0", id = call.id, result = call.params[1] or number })
        if call.method == "last" then return released:receive() end
      end
    end)
    local server <const> = assert(http.serve("http://127.0.0.1:0", app))
    return server, ("ws://127.0.0.1:%d/"):format(server.address.port)
  end

  local function await_watch(client)
    helper.eventually(function() return client.link.calls.reader == "watch" end)
  end

  it("answers the pings of Python's websockets, which would close its connection", function()
    local directory <close> = helper.directory { ["server.py"] = SERVER }
    local server <close> = helper.start("/usr/bin/python3 " .. tostring(directory) .. "/server.py")
    local remote <close> = rpc.connect("ws://127.0.0.1:" .. server:wait_for "port (%d+)")
    assert.equal(1, remote.any())
    server:wait_for "pong 5"
    assert.equal(1, remote.any())
  end)

  it("notices that the server has closed its connection, and makes another with the next call", function()
    local server <close>, url <const> = serve()
    local client <close> = websocket_client.connect(url)
    assert.same({ true, 1 }, { client:call("last", { n = 0 }) })
    await_watch(client)
    released:send(true)
    helper.eventually(function() return not client.link.is_open() end)
    helper.eventually(function() return server:active() == 0 end)
    assert.same({ true, 2 }, { client:call("any", { n = 0 }) })
  end)

  it("gives many callers who come at once their own answers", function()
    local _ <close>, url <const> = serve()
    local client <close> = websocket_client.connect(url)
    local answers = 0
    for _ = 1, 5 do
      task.group(function(group)
        for i = 1, 20 do
          group:spawn(function()
            assert.same({ true, "call " .. i }, { client:call("any", { n = 1, "call " .. i }) })
            answers = answers + 1
          end)
        end
      end)
      await_watch(client)
    end
    assert.equal(100, answers)
  end)

  it("fails a call whose time is over, and has the next one answered", function()
    local _ <close>, url <const> = serve()
    local client <close> = websocket_client.connect(url)
    client:call("any", { n = 0 })
    await_watch(client)
    assert.equal("timeout", select(3, client:call("any", { n = 0 }, 0)))
    assert.same({ true, 1 }, { client:call("any", { n = 0 }) })
  end)

  it("is collected, and its connection closed", function()
    local server <close>, url <const> = serve()
    local function be_idle()
      local client <const> = websocket_client.connect(url)
      client:call("any", { n = 0 })
      await_watch(client)
    end
    be_idle()
    helper.eventually(function()
      collectgarbage()
      return server:active() == 0
    end)
  end)

  it("does not keep the process alive", function()
    local _ <close>, url <const> = serve()
    local directory <close> = helper.directory { ["calls.lua"] = [[
      local task <const> = require "perigee.task"
      local client <const> = require("perigee.rpc.websocket_client").connect(os.getenv "URL")
      print(client:call("any", { n = 0 }))
      while client.link.calls.reader ~= "watch" do task.sleep(0.01) end
    ]] }
    local output <const>, status <const> =
      helper.run(("URL=%s timeout 20 %s run %s/calls.lua"):format(url, helper.binary, directory))
    assert.matches("true\t1", output)
    assert.equal(0, status)
  end)
end)
