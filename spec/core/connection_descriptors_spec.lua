local helper <const> = require "spec.helper"
local descriptor <const> = require "perigee.descriptor"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

--- Writes to the peer, so that exactly these bytes are pending here.
local function make_pending(conn, peer, bytes)
  assert(peer:write(bytes))
  assert(peer:flush())
  local timeout <const> = conn.timeout
  conn.timeout = 0.05
  assert_failure("timeout", "timed out", conn:read(#bytes + 1))
  conn.timeout = timeout
end

--- Fills the way from a to b with descriptors, and returns how many went.
local function fill(a, x)
  local count = 0
  local timeout <const> = a.timeout
  a.timeout = 0.05
  while a:send_fd(x) do count = count + 1 end
  a.timeout = timeout
  return count
end

describe("a connection that passes descriptors", function()
  local a, b
  helper.leaves_nothing(function(count)
    before_each(function()
      count()
      a, b = net.pair()
    end)
  end, function(check)
    after_each(function()
      a:close()
      b:close()
      check()
    end)
  end)

  local function pass(x, options)
    assert.is_true(a:send_fd(x, options))
    return assert(b:receive_fd(options))
  end

  it("hands a connection over, its unsent output first, and closes the object alone", function()
    local client <close>, served = helper.tcp_pair()
    served:write "before "
    local got <close> = pass(served)
    assert.is_false(served.is_open)
    assert.equal("connection: " .. client.address, tostring(got))
    got:write "after"
    got:shutdown()
    assert.equal("before after", client:read_all())
    client:write "back"
    client:close()
    assert.equal("back", got:read_all())
  end)

  it("sends a long output first, even to a peer that is slow to take it", function()
    local client <close>, served = helper.tcp_pair { send_buffer = 4096, receive_buffer = 4096 }
    local text <const> = ("0123456789"):rep(helper.is_tiny and 1000 or 50000)
    served.high_water = 1 << 30
    served:write(text)
    local sending <const> = task.spawn(a.send_fd, a, served)
    local receiving <const> = task.spawn(b.receive_fd, b)
    assert.is_true(client:read(#text) == text)
    assert.is_true(sending:join())
    receiving:join():close()
    assert.equal("", client:read_all())
  end)

  it("keeps the end of our side that was asked for", function()
    local client <close>, served = helper.tcp_pair()
    served:write "all"
    served:shutdown()
    local got <close> = pass(served)
    assert.equal("all", client:read_all())
    client:write "still"
    assert.equal("still", got:read(5))
  end)

  it("tells a task that waits on the connection that it is closed", function()
    local x <const>, y <close> = net.pair()
    local reading <const> = task.spawn(x.read, x, 1)
    task.sleep(0)
    local got <close> = pass(x)
    assert_failure("closed", "the connection is closed", reading:join())
    y:write "z"
    assert.equal("z", got:read(1))
  end)

  it("refuses to lose unread bytes, and leaves the connection as it was", function()
    local x <const>, y <close> = net.pair()
    make_pending(x, y, "unread")
    assert_failure("protocol", "6 unread bytes would be lost: send with { unread = true }", a:send_fd(x))
    assert.equal("unread", x:read(6))
    local got <close> = pass(x)
    y:write "more"
    assert.equal("more", got:read(4))
  end)

  it("takes unread bytes along when both sides say so, however many", function()
    for _, count in ipairs { 0, 1, 4096, 65536, helper.is_tiny and 1000 or 300000 } do
      local x <const>, y <close> = net.pair()
      local text <const> = ("abcdefgh"):rep(count // 8 + 1):sub(1, count)
      local writing <const> = task.spawn(function()
        y:write(text)
        y:flush()
      end)
      if count > 0 then
        x.timeout = 0.2
        assert_failure("timeout", "timed out", x:read(count + 1))
      end
      writing:join()
      local sending <const> = task.spawn(a.send_fd, a, x, { unread = true })
      local got <close> = assert(b:receive_fd { unread = true })
      assert.is_true(sending:join())
      y:write "!"
      y:shutdown()
      assert.is_true(got:read_all() == text .. "!")
    end
  end)

  it("passes descriptors between other bytes, in order", function()
    local x <const>, y <const> = net.pair()
    a:write "1"
    assert.equal("1", b:read(1))
    local one <close> = pass(x)
    a:write "2"
    assert.equal("2", b:read(1))
    local two <close> = pass(y)
    one:write "?"
    assert.equal("?", two:read(1))
  end)

  it("sends a listener, which stays open here and accepts there", function()
    local here <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:write "here" end, { paused = true }))
    local got <const> = pass(here.sockets[1])
    assert.same({ "listener", tostring(here.address) }, { got.kind, tostring(got.address) })
    local there <close> = assert(net.serve(got, function(conn) conn:write "there" end))
    local conn <close> = assert(net.connect(tostring(here.address)))
    assert.equal("there", conn:read_all())
    assert.equal(tostring(here.address), tostring(there.address))
    assert.is_true(here.is_open)
  end)

  it("sends a datagram socket, which stays open here", function()
    local socket <close> = net.udp "udp://127.0.0.1:0"
    local got <close> = pass(socket)
    assert.equal(tostring(socket.address), tostring(got.address))
    got:send("hello", socket.address)
    assert.equal("hello", got:receive())
  end)

  it("sends a connected datagram socket, which is connected there", function()
    local server <close> = net.udp "udp://127.0.0.1:0"
    local socket <close> = net.udp(nil, { connect = tostring(server.address) })
    local got <close> = pass(socket)
    got:send "hello"
    assert.equal("hello", server:receive())
  end)

  it("sends files as Lua files, in the mode that they have", function()
    local path <const> = helper.temporary_name()
    local out <close> = assert(io.open(path, "w"))
    out:write "buffered "
    local far <close> = pass(out)
    assert.equal("file", io.type(far))
    far:write "and more"
    far:close()
    local input <close> = assert(io.open(path))
    assert.equal("buffered", input:read(8))
    local rest <close> = pass(input)
    assert.equal(" and more", rest:read "a")
    assert.is_nil((rest:write "x"))
    for mode, text in pairs { a = "+", ["a+"] = "-", ["r+"] = "B" } do
      local file <close> = assert(io.open(path, mode))
      local got <close> = pass(file)
      assert(got:write(text))
    end
    local whole <close> = io.open(path)
    local text <const> = whole:read "a"
    assert.matches("^Buffered and more[+-][+-]$", text)
    os.remove(path)
  end)

  it("sends a pipe, which is read as a connection", function()
    local pipe <close> = io.popen("echo through a pipe; echo and on", "r")
    local got <close> = pass(pipe)
    assert.equal("through a pipe", got:read_line())
    assert.equal("and on\n", got:read_all())
  end)

  it("sends everything else as a descriptor", function()
    local null <close> = io.open "/dev/null"
    local got <close> = pass(null)
    assert.same({ "other", true }, { got.kind, got.is_open })
    assert.matches("^descriptor %d+: other$", tostring(got))
    local again <close> = pass(got)
    assert.is_true(got.is_open and again.number ~= got.number)
  end)

  it("waits while the other side takes none, and sends all in order", function()
    local null <close> = io.open "/dev/null"
    local count <const> = fill(a, null)
    assert.is_true(count > 10)
    local sending <const> = task.spawn(function()
      for _ = 1, 3 * count do assert(a:send_fd(null)) end
      a:shutdown()
    end)
    for _ = 1, 4 * count do assert(b:receive_fd()):close() end
    sending:join()
    assert_failure("closed", "^receive a descriptor from unix:: closed by the peer$", b:receive_fd())
  end)

  it("gives up after its timeout, either way, and can go on", function()
    local null <close> = io.open "/dev/null"
    b.timeout = 0.01
    assert_failure("timeout", "^receive a descriptor from unix:: timed out$", b:receive_fd())
    local count <const> = fill(a, null)
    a.timeout = 0.01
    assert_failure("timeout", "^send a descriptor over unix:: timed out$", a:send_fd(null))
    for _ = 1, count do b:receive_fd():close() end
    pass(null):close()
  end)

  it("can go on after a task was cancelled in it, either way", function()
    local receiving <const> = task.spawn(b.receive_fd, b)
    task.sleep(0)
    receiving:cancel()
    assert.is_nil((receiving:join()))
    local null <close> = io.open "/dev/null"
    local count <const> = fill(a, null)
    local x <const>, y <close> = net.pair()
    local sending <const> = task.spawn(a.send_fd, a, x)
    task.sleep(0)
    sending:cancel()
    assert.is_nil((sending:join()))
    for _ = 1, count do b:receive_fd():close() end
    y:write "still ours"
    assert.equal("still ours", x:read(10))
    local got <close> = pass(x)
    y:write "theirs"
    assert.equal("theirs", got:read(6))
  end)

  it("is not read and received from at once", function()
    local receiving <const> = task.spawn(b.receive_fd, b)
    task.sleep(0)
    assert_misuse("another task is reading", b.read, b, 1)
    local null <close> = io.open "/dev/null"
    a:send_fd(null)
    receiving:join():close()
  end)

  it("tells of bytes that were read ahead of a descriptor", function()
    make_pending(b, a, "ahead")
    local null <close> = io.open "/dev/null"
    a:send_fd(null)
    assert_failure("protocol", "from unix:: 5 bytes before it have been read and not consumed", b:receive_fd())
  end)

  it("tells of a byte that brings none", function()
    a:write "A"
    assert_failure("protocol", "^receive a descriptor from unix:: a byte of value 65 came without one$", b:receive_fd())
  end)

  it("leaves descriptors that come during ordinary reads to the kernel, which closes them", function()
    local x <const>, y <close> = net.pair()
    assert(a:send_fd(x))
    assert.equal("\1", b:read(1))
    assert.equal("", y:read_all())
  end)

  it("whose peer never takes them closes them at its end", function()
    local x <const>, y <close> = net.pair()
    assert(a:send_fd(x))
    a:close()
    b:close()
    assert.equal("", y:read_all())
  end)

  it("fails when one of the ends is closed", function()
    local null <const>, x <const> = io.open "/dev/null", net.pair()
    x:close()
    assert_failure("closed", "^send a closed connection: the connection is closed$", a:send_fd(x))
    null:close()
    assert_failure("closed", "^send file %(closed%): Bad file descriptor$", a:send_fd(null))
    b:close()
    local y <const>, z <close> = net.pair()
    assert_failure("closed", "^send a descriptor over unix:: Broken pipe$", a:send_fd(y))
    y:write "still ours"
    assert.equal("still ours", z:read(10))
    y:close()
    a:close()
    assert_failure("closed", "over a closed connection: the connection is closed$", a:send_fd(z))
    assert_failure("closed", "from a closed connection: the connection is closed$", a:receive_fd())
  end)

  it("has to be a Unix socket", function()
    local client <close>, served = helper.tcp_pair()
    local where <const> = "tcp://127.0.0.1:%d+: only Unix sockets pass them$"
    assert_failure("protocol", "^send a descriptor over " .. where, client:send_fd(a))
    assert_failure("protocol", "^receive a descriptor from " .. where, served:receive_fd())
    served:close()
    assert.is_true(a.is_open)
  end)

  it("takes only what it can send", function()
    assert_misuse("cannot be sent over itself", a.send_fd, a, a)
    local wanted <const> = "connection, listener, datagram socket, descriptor or file expected, got "
    for _, x in ipairs { 5, "x", {}, true } do assert_misuse(wanted .. type(x), a.send_fd, a, x) end
    assert_misuse(wanted .. "nil", a.send_fd, a)
    assert_misuse("there is no option 'read'", a.send_fd, a, b, { read = true })
    assert_misuse("option 'unread' must be true or false", b.receive_fd, b, { unread = 1 })
    assert.is_true(a.is_open and b.is_open)
  end)

  it("knows who made a Unix connection, and nobody else", function()
    local mine <const> = a.peer_credentials
    assert.same({ system.pid(), "integer", "integer" },
      { mine.pid, math.type(mine.uid), math.type(mine.gid) })
    local client <close>, served = helper.tcp_pair()
    assert.is_nil(client.peer_credentials or served.peer_credentials)
    served:close()
    local closed <const> = net.pair()
    closed:close()
    assert.is_nil(closed.peer_credentials)
  end)

  it("passes descriptors that are not open elsewhere, and keeps them when they are dropped", function()
    local here <const> = assert(descriptor.listen "tcp://127.0.0.1:0")
    local at <const> = tostring(here.address)
    assert(a:send_fd(here))
    here:close()
    local client <close> = assert(net.connect(at)) -- on its way, it is open still
    local server <close> = assert(net.serve(assert(b:receive_fd()), function(conn) conn:write "hello" end))
    assert.equal("hello", client:read_all())
    assert.is_true(server.is_open)
  end)
end)
