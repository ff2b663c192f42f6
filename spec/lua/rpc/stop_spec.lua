local buffer <const> = require "core.buffer"
local connection <const> = require "perigee.connection"
local framing <const> = require "perigee.connection.framing"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local pickle <const> = require "perigee.codec.pickle"
local reloading <const> = require "spec.fixtures.reloading"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"
local websocket <const> = require "perigee.websocket"

local shared <const> = reloading.shared

local FILES <const> = { ["a.lua"] = [[
  local rpc <const> = require "perigee.rpc"
  local shared <const> = require "spec.fixtures.reloading".shared
  rpc.service {
    add = function(x, y) return x + y end,
    slow = function()
      shared.begun:send(true)
      return (shared.gate:receive())
    end,
  }:serve { http = "http://127.0.0.1:0", msgpack = "tcp://127.0.0.1:0", connection = { "tcp://127.0.0.1:0" } }
]] }

local LONG <const> = 30 -- seconds of a drain that must not pass

local function start(drain)
  local here <const> = reloading.start(FILES, { drain = drain or LONG })
  shared.begun, shared.gate = task.channel(9), task.channel(9)
  return here
end

local function port(here, index) return here:addresses()[index].port end

local function remotes_of(here)
  return setmetatable({
    rpc.connect(("ws://127.0.0.1:%d/"):format(port(here, 1))),
    rpc.connect(("tcp://127.0.0.1:%d"):format(port(here, 2))),
    rpc.connect(("tcp://127.0.0.1:%d"):format(port(here, 3)), { protocol = "connection" }),
  }, { __close = function(remotes) for _, remote in ipairs(remotes) do rpc.close(remote) end end })
end

--- Stops the service in a task of its own, and waits until it drains.
local function stop(here, gently)
  here.run:request_stop(gently)
  local stopping <const> = task.spawn(function()
    here.run:finish()
    return true
  end)
  helper.eventually(function() return here:service().generation.servers[1].is_open == false end)
  for _ = 1, 5 do task.sleep(0) end
  return stopping
end

local function call(id, method, ...) return msgpack.encode_call(table.pack(...), 0, id, method) end

describe("a stop of a service of methods", function()
  helper.leaves_nothing(before_each, after_each)

  it("ends connections at once on which no call is under way", function()
    local here <close> = start()
    local remotes <close> = remotes_of(here)
    for _, remote in ipairs(remotes) do remote.add(1, 2) end
    local began <const> = require "core.task".now()
    assert(stop(here):join(10))
    assert.is_true(require "core.task".now() - began < LONG / 2)
  end)

  it("lets calls that are under way end, and those that come meanwhile", function()
    local here <close> = start()
    local remotes <close> = remotes_of(here)
    local results <const> = {}
    task.group(function(group)
      for i, remote in ipairs(remotes) do
        group:spawn(function() results[i] = remote.slow() end)
        shared.begun:receive()
      end
      local stopping <const> = stop(here)
      assert.same({ 3, 7 }, { remotes[1].add(1, 2), remotes[2].add(3, 4) })
      assert.same({ 3, 7 }, { remotes[1].add(1, 2), remotes[2].add(3, 4) })
      for i = 1, 3 do shared.gate:send("slow " .. i) end
      assert(stopping:join(10))
    end)
    table.sort(results)
    assert.same({ "slow 1", "slow 2", "slow 3" }, results)
    assert.is_nil(here:log():find "cancelled")
  end)

  it("ends what is under way at the deadline", function()
    local here <close> = start(0.05)
    local remotes <close> = remotes_of(here)
    local codes <const> = {}
    task.group(function(group)
      for i, remote in ipairs(remotes) do
        group:spawn(function() codes[i] = select(3, rpc.try(remote, "slow")) end)
        shared.begun:receive()
      end
      assert(stop(here):join(10))
    end)
    assert.same({ "closed", rpc.codes.INTERNAL, "closed" }, codes)
  end)

  it("waits for the rest of a request that has begun", function()
    local here <close> = start()
    local whole <const> = call(7, "add", 2, 3)
    local stream <close> = here:connect(2)
    local peer <close> = here:connect(3)
    local text <const> = ('["add",[2,3],{}]%s'):format((" "):rep(20000))
    stream:write(whole:sub(1, 5))
    peer:write((">i4"):pack(#text))
    helper.eventually(function() return stream.queued == 0 and peer.queued == 0 end)
    local stopping <const> = stop(here)
    stream:write(whole:sub(6))
    peer:write(text)
    assert.same({ 1, 7, nil, 5, n = 4 }, table.pack(msgpack.reader(stream, { list = true }):next()))
    assert.equal("5", setmetatable({ conn = peer, limit = 100 }, framing):receive())
    assert(stopping:join(10))
  end)

  it("closes WebSockets with 1001 behind the last answer", function()
    local here <close> = start()
    local socket <close> = assert(websocket.connect(("ws://127.0.0.1:%d/"):format(port(here, 1)), { timeout = 10 }))
    socket:send '{"jsonrpc":"2.0","method":"slow","id":1}'
    shared.begun:receive()
    local stopping <const> = stop(here)
    shared.gate:send "last"
    assert.same({ jsonrpc = "2.0", result = "last", id = 1 }, json.decode((socket:receive())))
    assert.is_nil((socket:receive()))
    assert.equal(1001, socket.close_code)
    assert(stopping:join(10))
  end)
end)

describe("a service of methods whose place another process takes", function()
  helper.leaves_nothing(before_each, after_each)

  it("ends the connections of busy clients behind an answer, so that no call is lost", function()
    local here <close> = start()
    local stream <close> = here:connect(2)
    local peer <close> = here:connect(3)
    local messages <const> = setmetatable({ conn = peer, limit = 100 }, framing)
    local socket <close> = assert(websocket.connect(("ws://127.0.0.1:%d/"):format(port(here, 1)), { timeout = 10 }))
    local reader <const> = msgpack.reader(stream, { list = true })
    local stopping <const> = stop(here, true)
    stream:write(call(1, "add", 2, 3), helper.is_tiny and "" or call(2, "add", 3, 4)) -- by one write(2) when not tiny
    assert.same({ 1, 1, nil, 5, n = 4 }, table.pack(reader:next()))
    if not helper.is_tiny then assert.same({ 1, 2, nil, 7, n = 4 }, table.pack(reader:next())) end
    assert.is_nil((reader:next()))
    messages:send '["add",[2,3],{}]'
    assert.equal("5", messages:receive())
    assert.is_nil((messages:receive()))
    socket:send '{"jsonrpc":"2.0","method":"add","params":[1,2],"id":1}'
    assert.equal(3, json.decode((socket:receive())).result)
    assert.is_nil((socket:receive()))
    assert.equal(1001, socket.close_code)
    assert(stopping:join(10))
  end)

  it("ends the connections of silent clients after a while", function()
    local here <close> = start(0.2)
    local remotes <close> = remotes_of(here)
    for _, remote in ipairs(remotes) do remote.add(1, 2) end
    assert(stop(here, true):join(10))
    assert.is_nil(here:log():find "cancelled")
  end)
end)

describe("a client of a service of methods", function()
  helper.leaves_nothing(before_each, after_each)

  --- Serve one call of each connection, and close it behind the answer.
  local servers <const> = {
    msgpack = function(answered)
      return net.serve("tcp://127.0.0.1:0", function(conn)
        local _ <const>, id <const> = msgpack.reader(conn, { list = true }):next()
        conn:write(msgpack.encode_list(1, id, nil, "done"))
        answered()
      end), "tcp"
    end,
    connection = function(answered)
      return connection.serve("tcp://127.0.0.1:0", function(peer)
        peer:receive_bytes()
        peer:send(buffer.from(pickle.encode "done"))
        answered()
      end), "tcp"
    end,
    websocket = function(answered)
      local app <const> = http.app()
      app:websocket("/", function(socket)
        local id <const> = json.decode((socket:receive())).id
        socket:send(json.encode { jsonrpc = "2.0", result = "done", id = id })
        answered()
      end)
      return http.serve("http://127.0.0.1:0", app), "ws"
    end,
  }

  for protocol, serve in pairs(servers) do
    it("loses no call to a server that closes behind an answer, by " .. protocol, function()
      local count = 0
      local server <close>, scheme <const> = serve(function() count = count + 1 end)
      local remote <close> = rpc.connect(("%s://127.0.0.1:%d"):format(scheme, server.address.port),
        { protocol = protocol })
      for number = 1, 5 do
        assert.equal("done", remote.call())
        helper.eventually(function() return count == number and server:active() == 0 end)
        for _ = 1, 3 do task.sleep(0) end
      end
    end)
  end
end)
