local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

-- Each waited for its turn to write as long as it took; and those of multiprocessing.connection raised.
describe("calls to a server that reads nothing", function()
  helper.leaves_nothing(before_each, after_each)

  for _, protocol in ipairs { "msgpack", "connection", "websocket" } do
    it("end in time over " .. protocol, function()
      local gate <const> = task.channel()
      local function wait(peer)
        gate:receive()
        peer:close()
      end
      local server <close> = protocol == "websocket" and assert(http.serve("http://127.0.0.1:0",
        http.app():websocket("/", wait))) or assert(net.serve("tcp://127.0.0.1:0", wait))
      local url <const> = tostring(server.address):gsub("^%a+", protocol == "websocket" and "ws" or "tcp")
      local remote <const> = rpc.connect(url, { protocol = protocol, timeout = 0.5 })
      local codes <const>, argument <const> = {}, ("x"):rep(100000)
      task.group(function(group)
        for _ = 1, 500 do
          group:spawn(function()
            local _ <const>, _ <const>, code <const> = rpc.try(remote, "add", argument)
            codes[code] = (codes[code] or 0) + 1
          end)
        end
      end)
      assert.same({ timeout = 500 }, codes)
      rpc.close(remote)
      gate:close()
    end)
  end

  it("of multiprocessing.connection can be many at a time", function()
    local service <const> = rpc.service { echo = function(text) return text end }
    local servers <const> = assert(service:serve { connection = { "tcp://127.0.0.1:0" } })
    local remote <close> = rpc.connect(tostring(servers.connection.address), { protocol = "connection" })
    local argument <const> = ("x"):rep(10000)
    task.group(function(group)
      for i = 1, 200 do group:spawn(function() assert(remote.echo(argument .. i) == argument .. i) end) end
    end)
    servers.connection:close()
  end)
end)
