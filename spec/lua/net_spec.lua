local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local LOOPBACK <const> = "tcp://127.0.0.1:0"

--- The error is told as one of this file.
local function assert_misuse(pattern, f, ...)
  local arguments <const> = table.pack(...)
  local ok <const>, message <const> = pcall(function()
    local result <const> = f(table.unpack(arguments, 1, arguments.n))
    return result
  end)
  assert.is_false(ok)
  assert.matches("^%S*net_spec.lua:%d+: " .. pattern, message)
end

local assert_failure <const> = helper.assert_failure

local function echo(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

describe("net.serve", function()
  helper.leaves_nothing(before_each, after_each)

  it("serves one address", function()
    local server <close> = net.serve(LOOPBACK, echo)
    assert.same({ 1, server.address }, { #server.addresses, server.addresses[1] })
    assert.equal("server: " .. server.address, tostring(server))
    local conn <close> = net.connect(tostring(server.address))
    conn:write "x"
    assert.equal("x", (conn:read(1)))
  end)

  it("serves several addresses of all kinds with one handler", function()
    local path <const> = "unix:@perigee-net-spec-" .. math.random(1 << 40)
    local count = 0
    local server <close> = net.serve({ LOOPBACK, path, "udp://127.0.0.1:0" }, function(first, from)
      count = count + 1
      if from then return first end
      first:write(first:read_line())
    end)
    assert.equal(3, #server.addresses)
    for i = 1, 2 do
      local conn <close> = net.connect(tostring(server.addresses[i]))
      conn:write "hello\n"
      assert.equal("hello", (conn:read_all()))
    end
    local client <close> = net.udp(nil, { connect = tostring(server.addresses[3]), timeout = 20 })
    client:send "datagram"
    assert.equal("datagram", (client:receive()))
    assert.equal(3, count)
    assert.equal(("server: %s %s %s"):format(table.unpack(server.addresses)), tostring(server))
  end)

  it("stops all of them at a close, which may be repeated, and connections go on", function()
    local server <const> = net.serve({ LOOPBACK, LOOPBACK, "udp://127.0.0.1:0" }, echo)
    local conn <close> = net.connect(tostring(server.address))
    conn:write "1"
    assert.equal("1", (conn:read(1)))
    server:close()
    server:close()
    for i = 1, 2 do assert_failure("refused", "", net.connect(tostring(server.addresses[i]))) end
    assert.matches("%(closed%)$", tostring(server))
    conn:write "2"
    assert.equal("2", (conn:read(1)))
  end)

  it("serves all of its addresses or none", function()
    local taken <close> = net.serve(LOOPBACK, echo)
    local before <const> = task.counts().listeners
    assert_failure("exists", "^listen on tcp://127.0.0.1:%d+: Address already in use",
      net.serve({ LOOPBACK, tostring(taken.address) }, echo))
    assert_misuse("there is no option 'max_connections'", net.serve, { LOOPBACK, "udp://127.0.0.1:0" }, echo,
      { max_connections = 5 })
    assert.equal(before, task.counts().listeners)
  end)

  it("serves the addresses that a name stands for", function()
    local server <close> = assert(net.serve("tcp://localhost:0", echo))
    local conn <close> = assert(net.connect(tostring(server.address)))
    assert.is_true(conn.is_open)
  end)

  it("is closed when its <close> variable ends", function()
    local server
    do
      local closing <close> = net.serve(LOOPBACK, echo)
      server = closing
    end
    assert.is_false(server.is_open)
  end)

  it("refuses misuse, told at the place of the call", function()
    assert_misuse("bad argument 'addresses'", net.serve, nil, echo)
    assert_misuse("bad argument 'addresses'", net.serve, {}, echo)
    assert_misuse("bad argument 'handler'", net.serve, LOOPBACK)
    assert_misuse("address '127.0.0.1:80': the scheme is missing", net.serve, "127.0.0.1:80", echo)
    assert_misuse(".*the port is missing", net.serve, { LOOPBACK, "tcp://127.0.0.1" }, echo)
    assert_misuse("listen cannot use the scheme 'http'", net.serve, "http://127.0.0.1:0", echo)
    assert_misuse("there is no option 'timeuot'", net.serve, LOOPBACK, echo, { timeuot = 1 })
    assert_misuse("option 'timeout' must be seconds above 0, not %-1", net.serve, LOOPBACK, echo, { timeout = -1 })
  end)
end)

describe("net.connect", function()
  helper.leaves_nothing(before_each, after_each)

  it("takes an address as well as a URL", function()
    local server <close> = net.serve(LOOPBACK, echo)
    local conn <close> = assert(net.connect(server.address))
    assert.is_true(conn.peer == server.address)
  end)

  it("connects to a name", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", echo))
    local conn <close> = assert(net.connect("tcp://localhost:" .. server.address.port, { timeout = 20 }))
    assert.is_true(conn.peer == server.address)
    assert.equal(20.0, conn.timeout)
  end)

  it("refuses misuse, told at the place of the call", function()
    assert_misuse("bad argument 'url'", net.connect)
    assert_misuse("bad argument 'url'", net.connect, 80)
    assert_misuse("bad argument 'options'", net.connect, "tcp://127.0.0.1:1", 5)
    assert_misuse("option 'timeout' must be seconds above 0, not soon", net.connect, "tcp://127.0.0.1:1",
      { timeout = "soon" })
    assert_misuse("option 'timeout' must be seconds above 0, not 0", net.connect, "tcp://127.0.0.1:1", { timeout = 0 })
    assert_misuse("there is no option 'high_water'", net.connect, "tcp://127.0.0.1:1", { high_water = 1 })
    assert_misuse("address 'localhost:80': the scheme is missing", net.connect, "localhost:80")
    assert_misuse("connect cannot use the scheme 'udp'", net.connect, "udp://127.0.0.1:1")
  end)

  it("passes the interruption of a task on", function()
    local silent <const> = helper.unanswered_address()
    assert_failure("timeout", "the deadline has passed", task.deadline(0.01, net.connect, silent.address))
    silent.close()
  end)
end)

describe("net.udp", function()
  helper.leaves_nothing(before_each, after_each)

  it("is bound to any free port, or to the one that it is given", function()
    local socket <close> = net.udp()
    assert.matches("^udp://0.0.0.0:[1-9]%d*$", tostring(socket.address))
    local other <close> = net.udp "udp://127.0.0.1:0"
    assert.matches("^udp://127.0.0.1:[1-9]%d*$", tostring(other.address))
    assert_failure("exists", "^open udp://127.0.0.1:%d+: Address already in use", net.udp(tostring(other.address)))
  end)

  it("leaves the options table as it was", function()
    local server <close> = net.serve("udp://127.0.0.1:0", function(message) return message end)
    local options <const> = { connect = tostring(server.address), timeout = 20 }
    for _ = 1, 2 do
      local socket <close> = net.udp(nil, options)
      socket:send "x"
      assert.equal("x", (socket:receive()))
    end
    assert.same({ connect = tostring(server.address), timeout = 20 }, options)
  end)

  it("refuses misuse, told at the place of the call", function()
    assert_misuse("bad argument 'url'", net.udp, 5)
    assert_misuse("bad argument 'options'", net.udp, nil, 5)
    assert_misuse(".*only udp:// addresses", net.udp, "tcp://127.0.0.1:0")
    assert_misuse(".*only udp:// addresses", net.udp, nil, { connect = "tcp://127.0.0.1:1" })
    assert_misuse("there is no option 'backlog'", net.udp, nil, { backlog = 1 })
  end)
end)
