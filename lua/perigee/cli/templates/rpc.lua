--- perigee new rpc NAME: remote procedure calls, by XML-RPC and JSON-RPC 2.0.

return {
  try = [[curl -d '{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}' http://127.0.0.1:9082]],
  service = [==[
--- {{NAME}}: functions that are called by XML-RPC and JSON-RPC 2.0, over HTTP, and by JSON-RPC over WebSocket.
---   perigee run {{NAME}}.lua --watch     and in another terminal:
---   curl -d '{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}' http://127.0.0.1:9082
---   python3 -c 'import xmlrpc.client as x; print(x.ServerProxy("http://127.0.0.1:9082").add(2, 3))'
--- In a browser, http://127.0.0.1:9082 lists the functions.

local rpc <const> = require "perigee.rpc"
local service <const> = require "perigee.service"

-- Each option can be set from outside: perigee run {{NAME}}.lua --set {{NAME}}.listen=http://*:9082
local options <const> = service.options { listen = "http://127.0.0.1:9082" }

-- What is to survive a reload is kept by a name; all else is made anew. Save this file under `run --watch`, or say
-- `perigee reload`: the count goes on. When its form changes, raise its version, and bring the old along:
--   service.state("sums", initial, { version = 2, migrate = function(old, from) return { count = old.count } end })
local sums <const> = service.state("sums", function() return { count = 0 } end)

-- Next: write functions of your own. What one returns is the answer; what it raises with rpc.fault is told to the
-- caller, and of any other error nothing but that there was one: the log has the rest.
local methods <const> = {}

methods.add = { help = "The sum of two numbers.", function(x, y)
  if not (math.type(x) and math.type(y)) then
    error(rpc.fault(rpc.codes.INVALID_PARAMETERS, "add takes two numbers: x, y"))
  end
  sums.count = sums.count + 1
  return x + y
end }

methods.count = { help = "How many sums there were.", function() return sums.count end }

-- More than http: msgpack = "tcp://127.0.0.1:9083" serves the same functions by MessagePack-RPC.
rpc.service(methods):serve { http = options.listen }
]==],
  spec = [==[
--- perigee test {{SPEC}}

local rpc <const> = require "perigee.rpc"
local testing <const> = require "perigee.testing"

local script <const> = (debug.getinfo(1, "S").source:match "^@(.*/)" or "") .. "../{{NAME}}.lua"

describe("{{NAME}}", function()
  local server

  -- A server of its own for each test, at a free port.
  before_each(function() server = testing.run(script, { listen = "http://127.0.0.1:0" }) end)
  after_each(function() server:close() end)

  for _, protocol in ipairs { "json", "xml" } do
    it("is called by " .. protocol, function()
      local remote <close> = rpc.connect(server.address, { protocol = protocol })
      assert.equal(5, remote.add(2, 3))
      assert.equal(7.5, remote.add(7, 0.5))
      assert.equal(2, remote.count())
    end)
  end

  it("says what was wrong", function()
    local remote <close> = rpc.connect(server.address)
    assert.same({ nil, "add takes two numbers: x, y", rpc.codes.INVALID_PARAMETERS },
      { rpc.try(remote, "add", 1, "two") })
    assert.same({ nil, "there is no method nothing", rpc.codes.NOT_FOUND }, { rpc.try(remote, "nothing") })
  end)
end)
]==],
}
