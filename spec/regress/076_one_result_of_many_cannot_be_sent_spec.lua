--- What other calls of an XML-RPC multicall had returned was lost when one result could not be sent; and by a name that
--- was no text one client of the rpc script kept all others from `keys` in JSON.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local rpc <const> = require "perigee.rpc"

describe("an XML-RPC multicall", function()
  before_each(function() log.configure { write = function() end } end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end }
  end)
  helper.leaves_nothing(before_each, after_each)

  it("has a fault for a result that cannot be sent, and the other results", function()
    local api <const> = rpc.service {
      add = function(x, y) return x + y end, nan = function() return 0 / 0 end, print = function() return { print } end,
    }
    local _ <close>, url <const> = fixture.serve(api:app())
    assert.equal("3\n<Fault -32603: 'internal error'>\n<Fault -32603: 'internal error'>\n7\n", (helper.python([[
import sys, xmlrpc.client
many = xmlrpc.client.MultiCall(xmlrpc.client.ServerProxy(sys.argv[1]))
many.add(1, 2); many.nan(); many.print(); many.add(3, 4)
results = many()
for index in range(4):
    try: print(results[index])
    except xmlrpc.client.Fault as fault: print(fault)
]], url:gsub("^tcp", "http"))))
  end)
end)

describe("a multicall", function()
  before_each(function() log.configure { write = function() end } end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end }
  end)
  helper.leaves_nothing(before_each, after_each)

  it("has a fault for a result that cannot be sent, and the other results, by every protocol", function()
    local function deep()
      local value = {}
      for _ = 1, 510 do value = { value } end
      return value
    end
    local api <const> = rpc.service { add = function(x, y) return x + y end, print = function() return { print } end,
      deep = deep }
    local servers <const> = assert(api:serve { http = "http://127.0.0.1:0", msgpack = "tcp://127.0.0.1:0",
      connection = { "tcp://127.0.0.1:0", authkey = "k" } })
    local calls <const> = {}
    for name, parameters in pairs { add = { 1, 2 }, print = json.array {}, deep = json.array {} } do
      calls[#calls + 1] = { methodName = name, params = parameters }
    end
    for protocol, server in pairs { json = "http", xml = "http", msgpack = "msgpack", connection = "connection" } do
      local remote <close> = rpc.connect(tostring(servers[server].address),
        { protocol = protocol, authkey = protocol == "connection" and "k" or nil })
      for index, result in ipairs(remote.system.multicall(calls)) do
        local name <const> = calls[index].methodName
        if name == "add" then assert.same({ 3 }, result)
        elseif name == "print" then assert.same({ faultCode = -32603, faultString = "internal error" }, result)
        else assert.truthy(result.faultCode == -32603 or type(result[1]) == "table", protocol) end
      end
    end
    for _, server in pairs(servers) do server:close() end
    http.close_idle()
  end)
end)

describe("the rpc script", function()
  helper.leaves_nothing(before_each, after_each)

  it("takes no name of a key that is no text", function()
    local server <close> = helper.start(helper.binary .. " run --drain 0 scripts/rpc.lua "
      .. "--set rpc.http=http://127.0.0.1:0 --set rpc.msgpack=tcp://127.0.0.1:0")
    local remote <close> = rpc.connect(server:wait_for "listening address=(tcp://%S+)")
    local set <const>, message <const>, code <const> = rpc.try(remote, "set", "\xff", 1)
    assert.same({ nil, "the name of a key is a string of UTF-8", -32602 }, { set, message, code })
    remote.set("é", 1)
    assert.same({ "é" }, remote.keys())
  end)
end)
