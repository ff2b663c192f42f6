local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"
local rpc <const> = require "perigee.rpc"

-- Notifications in between ended the connection.
describe("a client whose server calls it", function()
  helper.leaves_nothing(before_each, after_each)

  it("leaves that out over MessagePack-RPC", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      for kind, id in msgpack.reader(conn, { list = true }):messages() do
        assert(kind == 0)
        conn:write(msgpack.encode_list(2, "redraw", { 1 }), msgpack.encode_list(0, id, "who", {}),
          msgpack.encode_list(1, id, nil, "answer"))
      end
    end))
    local remote <close> = rpc.connect(tostring(server.address))
    for _ = 1, 3 do assert.equal("answer", remote.ask()) end
  end)

  it("leaves that out over WebSocket", function()
    local app <const> = http.app()
    app:websocket("/", function(socket)
      for text in socket:messages() do
        socket:send '{"jsonrpc":"2.0","method":"redraw","params":[1]}'
        socket:send '{"jsonrpc":"2.0","method":"who","id":1}'
        socket:send(('{"jsonrpc":"2.0","result":"answer","id":%s}'):format(text:match '"id":(%d+)'))
      end
    end)
    local server <close> = assert(http.serve("http://127.0.0.1:0", app))
    local remote <close> = rpc.connect((tostring(server.address):gsub("^%a+", "ws")))
    for _ = 1, 3 do assert.equal("answer", remote.ask()) end
  end)
end)
