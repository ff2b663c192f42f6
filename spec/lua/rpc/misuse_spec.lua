local rpc <const> = require "perigee.rpc"
local zeromq <const> = require "perigee.zeromq"

local HERE <const> = "^spec/lua/rpc/misuse_spec%.lua:%d+: "

--- Raises at a line of this file, and says this.
local function assert_misuse(why, f)
  local ok <const>, message <const> = pcall(f)
  assert.is_false(ok)
  assert.matches(HERE, message)
  assert.equal(why, (message:gsub(HERE, "")))
end

describe("rpc, used in a wrong way,", function()
  local remote <const> = rpc.connect "tcp://127.0.0.1:1"

  it("says what is wrong with a call, and where it is made", function()
    assert_misuse("methods are called with a dot: remote.add(...)", function() remote:add(2, 3) end)
    assert_misuse("a proxy is called by a method's name: remote.add(2, 3)", function() remote(2) end)
    assert_misuse("bad argument 'name' (a method's name expected)", function() rpc.try(remote) end)
    assert_misuse("bad argument 'name' (a method's name expected)", function() rpc.notify(remote.add, 2) end)
    assert_misuse("bad argument 'remote' (what rpc.connect returns expected)", function() rpc.try("add", 2) end)
  end)

  it("says which argument cannot be encoded, whatever the protocol", function()
    for protocol, place in pairs { msgpack = "[2].f[1]", json = "params[2].f[1]", websocket = "params[2].f[1]",
      xml = "parameters[2].f[1]", connection = "[2][2].f[1]" } do
      local url <const> = (protocol == "json" or protocol == "xml") and "http://127.0.0.1:1"
        or protocol == "websocket" and "ws://127.0.0.1:1" or "tcp://127.0.0.1:1"
      local other <const> = rpc.connect(url, { protocol = protocol })
      assert_misuse("call add: cannot encode a function at " .. place, function() other.add(1, { f = { print } }) end)
      assert_misuse("call add: cannot encode a function at " .. place,
        function() rpc.try(other, "add", 1, { f = { print } }) end)
    end
  end)

  it("takes no option that there is not", function()
    assert_misuse("there is no option 'timout'", function() rpc.connect("http://127.0.0.1:1", { timout = 3 }) end)
    assert_misuse("there is no option 'authkey'", function() rpc.connect("tcp://127.0.0.1:1", { authkey = "k" }) end)
    assert_misuse("option 'timeout' must be seconds above 0, not 0",
      function() rpc.connect("tcp://127.0.0.1:1", { timeout = 0 }) end)
    local service <const> = rpc.service {}
    assert_misuse("there is no option 'auth_key'",
      function() service:serve { connection = { "tcp://127.0.0.1:0", auth_key = "k" } } end)
    assert_misuse("target 'connection' must be { URL, authkey = ... }",
      function() service:serve { connection = "tcp://127.0.0.1:0" } end)
    assert_misuse("bad argument 'targets' (addresses by http, msgpack or connection expected)",
      function() service:serve {} end)
    assert_misuse("option 'calls' must be an integer of 1 or more",
      function() service:serve { msgpack = "tcp://127.0.0.1:0", options = { calls = "x" } } end)
  end)

  it("leaves no server open when another one is wrong", function()
    local service <const> = rpc.service {}
    assert_misuse("target 'connection' must be { URL, authkey = ... }",
      function() service:serve { msgpack = "unix:@perigee-misuse", connection = 5 } end)
    local servers <const> = assert(service:serve { msgpack = "unix:@perigee-misuse" })
    servers.msgpack:close()
  end)

  it("says what is wrong with a method", function()
    assert_misuse("method 'math.add' is described by help and parameters, not parmeters",
      function() rpc.service { math = { add = { print, parmeters = { "x" } } } } end)
    assert_misuse("names of methods must be strings", function() rpc.service { print } end)
  end)
end)

describe("zeromq, used in a wrong way,", function()
  it("says what is wrong", function()
    assert_misuse("there is no option 'limits'", function() zeromq.pub { limits = 5 } end)
    assert_misuse("there is no option 'limits'", function() zeromq.rep(print, { limits = 5 }) end)
    assert_misuse("option 'topics' must be a positive integer, not 0", function() zeromq.xpub { topics = 0 } end)
    assert_misuse("option 'waiting' must be a positive integer, not x",
      function() zeromq.sub("", { waiting = "x" }) end)
    local socket <const> = zeromq.req()
    assert_misuse("address 'localhost:1': the scheme is missing: start with tcp://, tls://, udp://, http://, https:// "
      .. "or unix:", function() socket:connect "localhost:1" end)
    socket:close()
    assert_misuse("the socket is closed", function() socket:connect "tcp://127.0.0.1:1" end)
    assert_misuse("the socket is closed", function() socket:bind "tcp://127.0.0.1:0" end)
  end)
end)
