local helper <const> = require "spec.helper"
local address <const> = require "core.address"
local listener <const> = require "core.listener"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local LOOPBACK <const> = "tcp://127.0.0.1:0"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

local function echo(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

local function listen(handler, options)
  return assert(listener.listen(address.lookup(LOOPBACK)[1], handler, options))
end

local function connect(server, options)
  return assert(net.connect(tostring(server.address), options))
end

describe("a listener", function()
  helper.leaves_nothing(before_each, after_each)

  it("runs its handler for each connection, and closes that at its end", function()
    local ended
    local server <close> = listen(function(conn)
      conn:write "hello"
      ended = conn
    end)
    for _ = 1, 3 do
      local conn <close> = connect(server)
      assert.equal("hello", (conn:read_all()))
      assert.is_false(ended.is_open)
    end
  end)

  it("tells where it listens and how many connections it has", function()
    local server <const> = listen(echo)
    assert.matches("^tcp://127.0.0.1:[1-9]%d*$", tostring(server.address))
    assert.equal("listener: " .. server.address, tostring(server))
    assert.same({ true, 0 }, { server.is_open, server.active })
    local conn <const> = connect(server)
    helper.eventually(function() return server.active == 1 end)
    conn:close()
    helper.eventually(function() return server.active == 0 end)
    server:close()
    server:close()
    assert.is_false(server.is_open)
    assert.equal("listener: " .. server.address .. " (closed)", tostring(server))
  end)

  it("reports a handler's error, and closes that connection alone", function()
    local failures <close> = helper.failures()
    local server <close> = listen(function(conn)
      conn:write(conn:read_line(), "!")
      if conn:read_line() == "bad" then error "broken" end
      echo(conn)
    end)
    local good <close>, bad = connect(server), connect(server)
    good:write "good\ngood\n"
    bad:write "one\nbad\n"
    assert.equal("one!", (bad:read_all()))
    good:write "on"
    assert.equal("good!on", (good:read(7)))
    assert.equal(1, #failures)
    assert.matches("listener_spec.lua:%d+: broken", failures[1])
    bad:close()
  end)

  it("accepts bursts", function()
    local server <close> = listen(echo)
    task.group(function(group)
      for i = 1, 200 do
        group:spawn(function()
          local conn <close> = connect(server)
          conn:write(i)
          conn:shutdown()
          assert.equal(tostring(i), (conn:read_all()))
        end)
      end
    end)
    helper.eventually(function() return server.active == 0 end)
  end)

  it("serves no more connections at once than max_connections; others wait", function()
    local active, peak = 0, 0
    local server <close> = listen(function(conn)
      active = active + 1
      peak = math.max(peak, active)
      conn:read_all()
      active = active - 1
    end, { max_connections = 2 })
    local conns <const> = {}
    for i = 1, 5 do conns[i] = connect(server) end
    for i = 1, 5 do
      helper.eventually(function() return server.active == math.min(2, 6 - i) end)
      conns[i]:close()
    end
    helper.eventually(function() return server.active == 0 end)
    assert.equal(2, peak)
  end)

  it("lets its connections live on when it is closed", function()
    local server = listen(echo)
    local at <const> = tostring(server.address)
    local conn <close> = connect(server)
    helper.eventually(function() return server.active == 1 end)
    server:close()
    server = nil -- luacheck: ignore
    collectgarbage()
    assert_failure("refused", "Connection refused", net.connect(at))
    conn:write "still"
    assert.equal("still", (conn:read(5)))
  end)

  it("may be closed by its handler", function()
    local server
    server = listen(function(conn)
      server:close()
      collectgarbage()
      conn:write "last"
    end)
    local conn <close> = connect(server)
    assert.equal("last", (conn:read_all()))
  end)

  it("passes its options on to its connections", function()
    local seen
    local server <close> = listen(function(conn) seen = { conn.timeout, conn.high_water } end,
      { timeout = 7, high_water = 1234, nodelay = false, keepalive = 5, backlog = 10, receive_buffer = 10000 })
    connect(server):close()
    helper.eventually(function() return seen end)
    assert.same({ 7.0, 1234 }, seen)
  end)

  it("lets the kernel probe silent peers, unless it is told not to", function()
    --- The kind of timer that the server's end of the connection has, from proc(5): "02" is keepalive.
    local function timer_of(conn)
      local ends <const> = (":%04X [^:]+:%04X"):format(conn.peer.port, conn.address.port)
      for line in io.lines "/proc/self/net/tcp" do
        if line:find(ends) then return line:match "^%s*%d+: %S+ %S+ %S+ %S+ (%x%x):" end
      end
    end
    for keepalive, expected in pairs { [60] = "02", [false] = "00" } do
      local server <close> = listen(echo, { keepalive = keepalive })
      local conn <close> = connect(server, { keepalive = false })
      conn:write "x"
      conn:read(1)
      helper.eventually(function() return timer_of(conn) == expected end)
    end
  end)

  it("cannot have an address twice", function()
    local server <close> = listen(echo)
    assert_failure("exists", "^listen on tcp://127.0.0.1:%d+: Address already in use",
      listener.listen(server.address, echo))
    assert_failure("exists", "^listen on ", listener.probe(server.address))
    assert_failure("unreachable", "^listen on tcp://192.0.2.1:0: ",
      listener.listen(address.lookup "tcp://192.0.2.1:0"[1], echo))
  end)

  it("shares an address when each is told to", function()
    local server <close> = listen(echo, { reuseport = true })
    local second <close> = assert(listener.listen(server.address, echo, { reuseport = true }))
    assert.is_true(server.address == second.address)
  end)

  it("can have its address again at once", function()
    local server <const> = listen(function(conn) conn:write "x" end)
    local conn <close> = connect(server)
    conn:read_all()
    server:close()
    local again <close> = assert(listener.listen(server.address, echo))
    assert.is_true(again.is_open)
  end)

  it("probes without listening", function()
    local server <const> = listen(echo)
    server:close()
    assert.is_true(listener.probe(server.address))
    assert_failure("refused", "", net.connect(tostring(server.address)))
  end)

  it("refuses misuse", function()
    local at <const> = address.lookup(LOOPBACK)[1]
    assert_misuse("it must be an address", listener.listen, LOOPBACK, echo)
    assert_misuse("function expected", listener.listen, at)
    assert_misuse("cannot use the scheme 'udp'", listener.listen, address.lookup "udp://127.0.0.1:0"[1], echo)
    assert_misuse("no option 'max_tasks'", listener.listen, at, echo, { max_tasks = 1 })
    local wrong <const> = {
      timeout = 0, max_connections = 0, high_water = -1, backlog = 1.5, nodelay = 1, keepalive = 0,
    }
    for option, value in pairs(wrong) do
      assert_misuse("option '" .. option .. "' must be", listener.listen, at, echo, { [option] = value })
    end
    assert_misuse("table expected", listener.listen, at, echo, 5)
    assert_misuse("it must be an address", listener.probe, "x")
    assert_misuse("no option 'max_tasks'", listener.probe, at, { max_tasks = 1 })
  end)
end)

describe("a listener on a Unix socket", function()
  helper.leaves_nothing(before_each, after_each)

  local function is_there(path)
    return require "lfs".attributes(path, "mode") ~= nil
  end

  it("makes a file, and removes it when it is closed", function()
    local path <const> = helper.temporary_name()
    local server <const> = assert(net.serve("unix:" .. path, echo))
    assert.is_true(is_there(path))
    local conn <close> = net.connect("unix:" .. path)
    conn:write "x"
    assert.equal("x", (conn:read(1)))
    server:close()
    assert.is_false(is_there(path))
  end)

  it("replaces a file that nobody listens on", function()
    local path <const> = helper.temporary_name()
    helper.run(("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"%s\")'"):format(path))
    assert.is_true(is_there(path))
    local server <close> = assert(net.serve("unix:" .. path, echo))
    local conn <close> = net.connect("unix:" .. path)
    assert.is_table(getmetatable(conn))
    assert.equal("unix:" .. path, tostring(server.address))
  end)

  it("does not take the place of a listener or a file", function()
    local path <const> = helper.temporary_name()
    assert(io.open(path, "w")):close()
    assert_failure("exists", "^listen on unix:" .. path:gsub("%p", "%%%0"), net.serve("unix:" .. path, echo))
    assert.is_true(is_there(path))
    os.remove(path)
    local server <close> = assert(net.serve("unix:" .. path, echo))
    assert_failure("exists", "^listen on unix:", net.serve("unix:" .. path, echo))
    assert.is_true(server.is_open and is_there(path))
  end)

  it("may have an abstract name", function()
    local name <const> = "unix:@perigee-listener-spec-" .. math.random(1 << 40)
    local server <close> = assert(net.serve(name, echo))
    assert.equal(name, tostring(server.address))
    assert_failure("exists", "^listen on unix:@", net.serve(name, echo))
  end)
end)
