local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"
local websocket <const> = require "perigee.websocket"

local gate, noted, running = task.channel(0), {}, 0

local api <const> = rpc.service {
  add = function(x, y) return x + y end,
  echo = function(value) return value end,
  fail = function() return nothing.here end, -- luacheck: ignore
  note = function(what) noted[#noted + 1] = what end,
  wait = function()
    local _ <close> = setmetatable({}, { __close = function() running = running - 1 end })
    running = running + 1
    return (gate:receive())
  end,
}

local function call(method, params, id)
  return json.encode { jsonrpc = "2.0", method = method, params = params, id = id }
end

describe("JSON-RPC over WebSocket", function()
  helper.leaves_nothing(before_each, after_each)

  before_each(function()
    gate, noted, running = task.channel(0), {}, 0
    log.configure { write = function() end }
  end)
  after_each(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  local function serve(options)
    local server <const> = assert(http.serve("http://127.0.0.1:0", api:app(options)))
    return server, ("ws://127.0.0.1:%d/any/path"):format(server.address.port)
  end

  local function connect(url)
    return assert(websocket.connect(url, { timeout = 20 }))
  end

  local function answer(socket)
    return assert(json.decode((assert(socket:receive()))))
  end

  it("answers calls, batches and what is none; notifications have no answer", function()
    local _ <close>, url <const> = serve()
    local socket <close> = connect(url)
    socket:send(call("note", { 1 }))
    socket:send(call("add", { 2, 3 }, 1))
    assert.same({ jsonrpc = "2.0", result = 5, id = 1 }, answer(socket))
    socket:send(call("add", { x = 2, y = 4 }, "two"))
    assert.same({ jsonrpc = "2.0", result = 6, id = "two" }, answer(socket))
    socket:send("[" .. call("add", { 1, 2 }, 1) .. "," .. call("note", { 2 }) .. "," .. call("add", { 3, 4 }, 2) .. "]")
    assert.same({ { jsonrpc = "2.0", result = 3, id = 1 }, { jsonrpc = "2.0", result = 7, id = 2 } }, answer(socket))
    for text, code in pairs { ["{"] = -32700, ["{}"] = -32600, [call("none", nil, 1)] = -32601,
      [call("fail", nil, 1)] = -32603 } do
      socket:send(text)
      assert.equal(code, answer(socket).error.code)
    end
    socket:send_binary(call("add", { 5, 6 }, 3))
    assert.equal(11, answer(socket).result)
    assert.same({ 1, 2 }, noted)
  end)

  it("runs the calls of one socket side by side, and answers as they end", function()
    local _ <close>, url <const> = serve()
    local socket <close> = connect(url)
    socket:send(call("wait", nil, 1))
    socket:send(call("wait", nil, 2))
    helper.eventually(function() return running == 2 end)
    socket:send(call("add", { 2, 3 }, 3))
    assert.same({ jsonrpc = "2.0", result = 5, id = 3 }, answer(socket))
    gate:send "first"
    gate:send "second"
    local results <const> = {}
    for _ = 1, 2 do
      local one <const> = answer(socket)
      results[one.id] = one.result
    end
    assert.same({ "first", "second" }, results)
  end)

  it("leaves what is more than its limit of calls unread", function()
    local _ <close>, url <const> = serve { calls = 3 }
    local socket <close> = connect(url)
    for id = 1, 10 do socket:send(call("wait", nil, id)) end
    helper.eventually(function() return running == 3 end)
    for _ = 1, 20 do task.sleep(0) end
    assert.equal(3, running)
    local seen <const> = {}
    for _ = 1, 10 do
      gate:send(true)
      seen[answer(socket).id] = true
    end
    assert.equal(10, #seen)
  end)

  it("lets calls that have begun end when the client goes", function()
    local _ <close>, url <const> = serve()
    local socket <const> = connect(url)
    socket:send(call("wait", nil, 1))
    socket:send(call("wait"))
    helper.eventually(function() return running == 2 end)
    socket:close()
    gate:send(1)
    gate:send(2)
    helper.eventually(function() return running == 0 end)
  end)

  it("sends long answers to a client that is slow, each whole", function()
    local _ <close>, url <const> = serve()
    local socket <close> = connect(url)
    local long <const> = ("x"):rep(helper.is_tiny and 20000 or 300000)
    for id = 1, 20 do assert(socket:send(call("echo", { long .. id }, id))) end
    local seen <const> = {}
    for _ = 1, 20 do
      local one <const> = answer(socket)
      assert.is_true(one.result == long .. one.id)
      seen[one.id] = true
    end
    assert.equal(20, #seen)
  end)

  it("closes a socket whose message is longer than the limit", function()
    local _ <close>, url <const> = serve { limit = 100 }
    local socket <close> = connect(url)
    socket:send(call("echo", { ("x"):rep(100) }, 1))
    assert.is_nil((socket:receive()))
    assert.equal(1009, socket.close_code)
  end)

  it("is not for pages of other origins, nor where it is switched off", function()
    local function refusal(options, origin)
      local _ <close>, url <const> = serve(options)
      local socket <close>, message <const> = websocket.connect(url, { headers = origin and { Origin = origin } })
      return socket == nil and message
    end
    assert.matches("answers 403$", refusal(nil, "http://evil.example"))
    assert.matches("answers 200$", refusal { websocket = false })
    assert.is_false(refusal({ origins = { "http://good.example" } }, "http://good.example"))
    assert.is_false(refusal { origins = "*" })
  end)

  it("serves Python's websockets", function()
    local _ <close>, url <const> = serve()
    assert.same({ "done\n", 0 }, { helper.python([==[
import asyncio, json, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as socket:
        for i in range(500):
            await socket.send(json.dumps({'jsonrpc': '2.0', 'method': 'add', 'params': [i, 1], 'id': i}))
        answers = [json.loads(await socket.recv()) for _ in range(500)]
        assert {a['id']: a['result'] for a in answers} == {i: i + 1 for i in range(500)}
asyncio.run(asyncio.wait_for(main(), 20))
print('done')
]==], url) })
  end)
end)
