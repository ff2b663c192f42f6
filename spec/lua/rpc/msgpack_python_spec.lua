local helper <const> = require "spec.helper"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

-- Document 004's MessagePack-RPC programs as they are printed (the module that they import is
-- spec/fixtures/msgpackrpc.py, over Debian's python3-msgpack), and pynvim, a client of MessagePack-RPC that nobody here
-- wrote.

local CLIENT <const> = [[
from msgpackrpc import Client, Address

client = Client(Address("localhost", 6789))
num = 8
result = client.call('double', num)
print("Double %s is %s" % (num, result))
]]

local SERVER <const> = [[
from msgpackrpc import Server, Address

class Services():
    def double(self, num):
        return num * 2

server = Server(Services())
server.listen(Address("localhost", 6789))
server.start()
]]

local PYNVIM <const> = [[
import sys
from pynvim.msgpack_rpc import tcp_session

session = tcp_session('127.0.0.1', int(sys.argv[1]))
session.error_wrapper = lambda error: RuntimeError(error['message'])
print(session.request('double', 21), session.request('echo', {'a': [1, None, 2.5, 'text', b'\xff\x00']}))
session.request('note', 'heard')
try:
    session.request('nothing')
except Exception as error:
    print(error)
for _ in range(1000):
    assert session.request('double', 1 << 40) == 1 << 41
print('done')
session.close()
]]

local function run(directory, program, environment)
  return helper.run(("cd %s && PYTHONPATH=%s/spec/fixtures %s /usr/bin/python3 -u %s"):format(directory,
    require "lfs".currentdir(), environment, program))
end

describe("MessagePack-RPC with Python", function()
  helper.leaves_nothing(before_each, after_each)

  local function serve(noted)
    local api <const> = rpc.service {
      double = function(num) return num * 2 end,
      echo = function(value) return value end,
      note = function(text) noted[#noted + 1] = text end,
    }
    local server <const> = assert(api:serve { msgpack = "tcp://127.0.0.1:0" }).msgpack
    return server, server.address.port, tostring(server.address)
  end

  it("serves the document's client", function()
    local server <close>, port <const> = serve()
    local directory <close> = helper.directory { ["client.py"] = CLIENT }
    assert.same({ "Double 8 is 16\n", 0 }, { run(directory, "client.py", "PORT=" .. port) })
    server:close()
  end)

  it("calls the document's server", function()
    local directory <close> = helper.directory { ["server.py"] = SERVER }
    local server <close> = helper.start("env PORT=0 PYTHONPATH=" .. require "lfs".currentdir() ..
      "/spec/fixtures /usr/bin/python3 -u " .. tostring(directory) .. "/server.py")
    local remote <close> = rpc.connect("tcp://localhost:" .. server:wait_for "listening (%d+)")
    assert.equal(16, remote.double(8))
    assert.equal("xx", remote.double "x")
    local _, message <const> = rpc.try(remote, "double", { a = 1 })
    assert.truthy(message:find("unsupported operand type", 1, true))
    task.group(function(group)
      for i = 1, 50 do group:spawn(function() assert(remote.double(i) == 2 * i) end) end
    end)
  end)

  it("serves pynvim", function()
    local noted <const> = {}
    local server <close>, port <const> = serve(noted)
    local output <const>, status <const> = helper.python(PYNVIM, tostring(port))
    assert.equal(0, status, output)
    assert.truthy(output:find("42 {'a': [1, None, 2.5, 'text', b'\\xff\\x00']}", 1, true), output)
    assert.truthy(output:find("there is no method nothing", 1, true), output)
    assert.truthy(output:find("done\n$"))
    assert.same({ "heard" }, noted)
    server:close()
  end)
end)
