--- Clients of methods while the processes that serve them are upgraded, reloaded and stopped.

local helper <const> = require "spec.helper"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"
local workers <const> = require "spec.fixtures.workers"

local SCRIPT <const> = [[
  local rpc <const>, task <const> = require "perigee.rpc", require "perigee.task"
  rpc.service {
    add = function(x, y) return x + y end,
    wait = function(seconds)
      print "waits"
      task.sleep(seconds)
      return "waited"
    end,
  }:serve { %s }
]]

local CLIENTS <const>, PAUSE <const> = 5, 0.01

local protocols <const> = {
  ["MessagePack-RPC"] = { 'msgpack = "tcp://127.0.0.1:0"', rpc.connect },
  ["JSON-RPC over WebSocket"] = { 'http = "http://127.0.0.1:0"', function(address)
    return rpc.connect((address:gsub("^http", "ws")))
  end },
  ["multiprocessing.connection"] = { 'connection = { "tcp://127.0.0.1:0" }', function(address)
    return rpc.connect(address, { protocol = "connection" })
  end },
}

local function serve(protocol, arguments)
  return workers.serve(SCRIPT:format(protocols[protocol][1]), arguments)
end

--- Clients that call with pauses while `f` runs: how many calls were answered, and why others were not.
local function call_during(connect, address, f)
  local is_over, count, lost = false, 0, {}
  local function call()
    local remote <close> = connect(address)
    while not is_over do
      local sum <const>, message <const> = rpc.try(remote, "add", 1, 2)
      count = count + 1
      if sum ~= 3 then lost[#lost + 1] = message end
      task.sleep(PAUSE)
    end
  end
  task.group(function(group)
    for _ = 1, CLIENTS do group:spawn(call) end
    f()
    local before <const> = count
    helper.eventually(function() return count >= before + 2 * CLIENTS end)
    is_over = true
  end)
  return lost
end

--- Python's websockets: a call that is under way when the server stops, and how the socket ends.
local PYTHON <const> = [=[
import asyncio, json, sys, websockets
async def main(url):
    async with websockets.connect(url) as socket:
        await socket.send('{"jsonrpc":"2.0","method":"wait","params":[0.3],"id":1}')
        print(json.loads(await socket.recv())["result"], flush=True)
        try: await socket.recv()
        except websockets.ConnectionClosed as closed: print(closed.rcvd.code, flush=True)
asyncio.run(main(sys.argv[1]))
]=]

describe("methods, for clients that pause between calls,", function()
  helper.leaves_nothing(before_each, after_each)

  for protocol, parts in pairs(protocols) do
    it("are there without a gap over upgrades, by " .. protocol, function()
      local process <close>, address <const> = serve(protocol, "--workers 2")
      local lost <const> = call_during(parts[2], address, function()
        for _ = 1, 3 do
          local output <const>, code <const> = process:command "upgrade"
          assert.equal(0, code, output)
        end
        assert.equal(0, process:wait())
      end)
      assert.same({}, lost)
    end)

    it("are there without a gap over reloads, by " .. protocol, function()
      local process <close>, address <const> = serve(protocol, "--workers 2 --reload-drain 0.2")
      local lost <const> = call_during(parts[2], address, function()
        for generation = 2, 4 do
          local output <const>, code <const> = process:command "reload"
          assert.equal(0, code, output)
          process:wait_for("reloaded generation=" .. generation)
        end
      end)
      assert.same({}, lost)
      assert.is_nil(process:output():find "deadline")
    end)
  end

  it("answer a call that is under way at a stop before they close a WebSocket with 1001", function()
    local process <close>, address <const> = serve("JSON-RPC over WebSocket", "")
    local directory <close> = helper.directory { ["client.py"] = PYTHON }
    local client <close> = helper.start(("/usr/bin/python3 %s/client.py %s"):format(directory,
      (address:gsub("^http", "ws"))))
    process:wait_for "waits"
    process:signal "TERM"
    assert.equal(0, client:wait())
    assert.equal("waited\n1001\n", client:output())
    assert.equal(0, process:wait())
  end)
end)
