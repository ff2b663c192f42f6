--- What other calls of an XML-RPC multicall had returned was lost when one result could not be sent; and by a name that
--- was no text one client of the rpc script kept all others from `keys` in JSON.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
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
