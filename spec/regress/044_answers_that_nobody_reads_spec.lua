local digest <const> = require "core.digest"
local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local rpc <const> = require "perigee.rpc"
local websocket <const> = require "perigee.websocket"

local CALLS <const>, SIZE <const> = 30, 2000000
local READ <const> = helper.is_tiny and 2 or CALLS -- answers: reading byte by byte takes minutes
local LARGE <const> = digest.to_base64(digest.random(SIZE // 16 * 3)):rep(4) -- which compression hardly makes smaller

-- As many calls as may run at a time were done, and all their answers kept.
describe("a server whose client reads no answers", function()
  helper.leaves_nothing(before_each, after_each)
  local done

  before_each(function() done = 0 end)

  local service <const> = rpc.service { large = function()
    done = done + 1
    return LARGE
  end }

  --- At each answer that has been read: few calls are done before it is asked for theirs. The kernel has some, too.
  local function assert_few_ahead(receive)
    for i = 1, READ do
      assert.equal(SIZE, #receive())
      assert.is_true(done - i < 15, ("%d calls are done, of which %d are answered"):format(done, i))
    end
  end

  it("does not go on to call over MessagePack-RPC", function()
    local servers <const> = assert(service:serve { msgpack = "tcp://127.0.0.1:0" })
    local conn <close> = assert(net.connect(tostring(servers.msgpack.address)))
    for i = 1, CALLS do conn:write(msgpack.encode_list(0, i, "large", json.array {})) end
    helper.eventually(function() return done > 0 end)
    local reader <const> = msgpack.reader(conn, { list = true, limit = 2 * SIZE })
    assert_few_ahead(function() return (select(4, reader:next())) end)
    servers.msgpack:close()
  end)

  it("does not go on to call over WebSocket", function()
    local servers <const> = assert(service:serve { http = "http://127.0.0.1:0" })
    local url <const> = tostring(servers.http.address):gsub("^%a+", "ws")
    local socket <close> = assert(websocket.connect(url, { limit = 2 * SIZE }))
    for i = 1, CALLS do socket:send(('{"jsonrpc":"2.0","method":"large","id":%d}'):format(i)) end
    helper.eventually(function() return done > 0 end)
    assert_few_ahead(function() return assert(socket:receive()):match '"result":"([^"]*)"' end)
    socket:close()
    servers.http:close()
  end)
end)
