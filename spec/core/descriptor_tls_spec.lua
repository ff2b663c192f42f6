local helper <const> = require "spec.helper"
local core <const> = require "core.tls"
local descriptor <const> = require "perigee.descriptor"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local certificate <const>, key <const> = core.self_signed({ "localhost", "127.0.0.1" }, 1)

local assert_failure <const> = helper.assert_failure

local function echo(conn)
  for line in conn:lines() do conn:write("echo ", line, "\n") end
end

local function ask(conn, line)
  conn:write(line, "\n")
  return conn:read_line()
end

describe("descriptors and TLS:", function()
  helper.leaves_nothing(before_each, after_each)

  local files, tls, trusting
  setup(function()
    files = helper.directory { ["cert.pem"] = certificate, ["key.pem"] = key }
    tls = { certificate = tostring(files) .. "/cert.pem", key = tostring(files) .. "/key.pem" }
    trusting = { tls = { ca = tostring(files) .. "/cert.pem" } }
  end)
  teardown(function() getmetatable(files).__close() end)

  local function connect(server, scheme)
    return assert(net.connect("tls://127.0.0.1:" .. server.address.port, scheme or trusting))
  end

  it("a connection that carries TLS is not sent, and stays as it was", function()
    local a <close>, b = net.pair()
    local done <const> = task.channel(1)
    local server <close> = assert(net.serve("tls://127.0.0.1:0", function(conn)
      done:send(table.pack(a:send_fd(conn, { unread = true })))
      echo(conn)
    end, { tls = tls }))
    local client <close> = connect(server)
    assert_failure("tls", "^send connection: tls://127.0.0.1:%d+: it carries TLS, whose keys stay in this process$",
      table.unpack(done:receive(), 1, 3))
    assert.equal("echo still", ask(client, "still"))
    assert_failure("tls", "it carries TLS", a:send_fd(client))
    b:close()
  end)

  it("a connection that carries TLS passes none", function()
    local path <const> = "unix:@perigee-descriptor-tls-" .. math.random(1 << 40)
    local server <close> = assert(net.serve(path, function(conn) conn:read_all() end, { tls = tls }))
    local client <close> = assert(net.connect(path, { tls = trusting.tls, server_name = "localhost" }))
    local null <close> = io.open "/dev/null"
    assert_failure("tls", "^send a descriptor over a connection that carries TLS: only plain", client:send_fd(null))
    assert_failure("tls", "^receive a descriptor from a connection that carries TLS", client:receive_fd())
    assert.is_true(server.is_open)
  end)

  it("a listening descriptor is served with it", function()
    for _, url in ipairs { "tcp://127.0.0.1:0", "tls://127.0.0.1:0" } do
      local d <const> = assert(descriptor.listen(url))
      local server <close> = assert(net.serve(d, echo, { tls = tls }))
      local client <close> = connect(server)
      assert.equal("echo hello", ask(client, "hello"))
    end
  end)

  it("an adopted connection begins with its handshake", function()
    local server <close> = assert(net.serve("tls://127.0.0.1:0", echo, { tls = tls, paused = true }))
    local front <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) assert(server:adopt(conn)) end))
    local client <close> = connect(front)
    assert.equal("echo hello", ask(client, "hello"))
    assert.equal(1, server.sockets[1].active)
  end)

  it("a connection is not adopted once bytes have been read, or when it carries it already", function()
    local server <close> = assert(net.serve("tls://127.0.0.1:0", echo, { tls = tls }))
    local told <const> = task.channel(2)
    local front <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conn.timeout = 0.05
      conn:read(1000)
      told:send(table.pack(server:adopt(conn)))
    end))
    local plain <close> = assert(net.connect(tostring(front.address)))
    plain:write "GET /"
    assert_failure("protocol", "^adopt connection: tcp://127.0.0.1:%d+: there are bytes before its TLS handshake$",
      table.unpack(told:receive(), 1, 3))
    local client <close> = connect(server)
    assert_failure("tls", "^adopt connection: tls://127.0.0.1:%d+: it carries TLS already$", server:adopt(client))
  end)
end)
