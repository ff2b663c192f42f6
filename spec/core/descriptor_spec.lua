local helper <const> = require "spec.helper"
local descriptor <const> = require "perigee.descriptor"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

local function echo(conn)
  for line in conn:lines() do conn:write("echo ", line, "\n") end
end

local function ask(conn, line)
  conn:write(line, "\n")
  return conn:read_line()
end

local function exists(path)
  return require "lfs".symlinkattributes(path, "mode") ~= nil
end

describe("a descriptor", function()
  helper.leaves_nothing(before_each, after_each)

  it("listens, and accepts nothing", function()
    local d <close> = assert(descriptor.listen "tcp://127.0.0.1:0")
    assert.same({ "listener", "tcp", true, "integer" }, { d.kind, d.scheme, d.is_open, math.type(d.number) })
    assert.matches("^tcp://127.0.0.1:%d+$", tostring(d.address))
    assert.equal(("descriptor %d: %s"):format(d.number, d.address), tostring(d))
    local conn <close> = assert(net.connect(tostring(d.address)))
    conn.timeout = 0.01
    assert_failure("timeout", "timed out", conn:read(1))
  end)

  it("keeps the scheme that it was made with", function()
    local d <close> = assert(descriptor.listen "http://127.0.0.1:0")
    assert.matches("^http://127.0.0.1:%d+$", tostring(d.address))
  end)

  it("is closed once, however often, and says so", function()
    local d <const> = assert(descriptor.bind "udp://127.0.0.1:0")
    assert.same({ "datagram", "udp" }, { d.kind, d.scheme })
    for _ = 1, 3 do d:close() end
    assert.same({ false }, { d.is_open, d.kind, d.address, d.number, d.scheme })
    assert.equal("descriptor (closed)", tostring(d))
    assert_failure("closed", "it was closed or taken over", d:datagram())
    assert_failure("closed", "it was closed or taken over", net.serve(d, print))
  end)

  it("is closed when it is garbage", function()
    assert(descriptor.listen "tcp://127.0.0.1:0")
    collectgarbage()
  end)

  it("says what is wrong with an address", function()
    local d <close> = assert(descriptor.listen "tcp://127.0.0.1:0")
    local url <const> = tostring(d.address)
    assert_failure("exists", "^listen on " .. url .. ": Address already in use$", descriptor.listen(url))
    local u <close> = assert(descriptor.bind(assert(net.lookup "udp://127.0.0.1:0")[1]))
    assert_failure("exists", "^bind udp://127.0.0.1:%d+: Address already in use$", descriptor.bind(tostring(u.address)))
    assert_misuse("udp:// is bound, not listened on", descriptor.listen, "udp://127.0.0.1:0")
    assert_misuse("only udp:// addresses are bound", descriptor.bind, "tcp://127.0.0.1:0")
    assert_misuse("bad argument 'url'", descriptor.listen, 5)
    assert_misuse("there is no option 'paused'", descriptor.listen, "tcp://127.0.0.1:0", { paused = true })
  end)

  it("removes the file of its Unix socket, unless it is to be kept", function()
    local path <const> = helper.temporary_name()
    assert(descriptor.listen("unix:" .. path)):close()
    assert.is_false(exists(path))
    assert(descriptor.listen("unix:" .. path, { keep_path = true })):close()
    assert.is_true(exists(path))
    assert(descriptor.listen("unix:" .. path)):close() -- nobody listens, so it is replaced
    assert.is_false(exists(path))
  end)

  it("becomes a connection or a datagram socket, when it is one", function()
    local listener <close> = assert(descriptor.listen "tcp://127.0.0.1:0")
    local bound <const> = assert(descriptor.bind "udp://127.0.0.1:0")
    assert_failure("protocol", "^make a connection of descriptor %d+: tcp://127.0.0.1:%d+: a connection is needed, " ..
      "and its kind is 'listener'$", listener:connection())
    assert_failure("protocol", "a datagram is needed, and its kind is 'listener'", listener:datagram())
    assert_misuse("HTTP cannot be served on the scheme 'udp'", http.serve, bound, print)
    local socket <close> = assert(bound:datagram())
    assert.is_false(bound.is_open)
    socket:send("hello", socket.address)
    assert.equal("hello", socket:receive())
  end)

  it("is not inherited by programs, once it has been inherited", function()
    assert_failure("closed", "^inherit descriptor 1000: Bad file descriptor$", descriptor.inherited(1000))
    assert_misuse("a descriptor is a number from 0", descriptor.inherited, -1)
    local client <const> = [[
import os, socket, subprocess, sys
listening = socket.socket()
listening.bind(('127.0.0.1', 0))
listening.listen()
a, b = socket.socketpair()
pipe, pipe_end = os.pipe()
os.write(pipe_end, b'piped')
for number, what in (13, listening.fileno()), (14, a.fileno()), (15, pipe):
    os.dup2(what, number)
run = subprocess.Popen([sys.argv[1], 'run', 'spec/fixtures/inherit.lua'], pass_fds=(13, 14, 15),
                       stderr=subprocess.DEVNULL)
for s in listening, a: s.close()
os.close(pipe)
for number in 13, 14, 15: os.close(number)
print(b.recv(5, socket.MSG_WAITALL))
out = socket.create_connection(listening_address := ('127.0.0.1', int(b.recv(5, socket.MSG_WAITALL))))
out.sendall(b'hello\n')
print(out.makefile().readline(), end='')
b.close()
print(run.wait())
]]
    local output <const>, status <const> = helper.python(client, helper.binary)
    assert.equal("b'piped'\necho hello, and 0 of 3 are inherited\n0\n", output)
    assert.equal(0, status)
  end)
end)

describe("a server of a descriptor", function()
  helper.leaves_nothing(before_each, after_each)

  it("takes it over, and serves whoever has come before", function()
    local d <const> = assert(descriptor.listen "tcp://127.0.0.1:0")
    local early <close> = assert(net.connect(tostring(d.address)))
    early:write "early\n"
    local server <close> = assert(net.serve(d, echo))
    assert.is_false(d.is_open)
    assert.equal("echo early", early:read_line())
    local late <close> = assert(net.connect(tostring(server.address)))
    assert.equal("echo late", ask(late, "late"))
  end)

  it("serves HTTP, datagrams and Unix sockets just so", function()
    local app <const> = http.app()
    app:get("/", function() return "hello" end)
    local web <close> = assert(http.serve(assert(descriptor.listen "tcp://127.0.0.1:0"), app))
    assert.matches("^http://", tostring(web.address))
    local conn <close> = assert(net.connect((tostring(web.address):gsub("^http", "tcp"))))
    conn:write "GET / HTTP/1.0\r\n\r\n"
    assert.matches("^HTTP/1.1 200 OK\r\n.*\r\nhello$", conn:read_all())
    local bound <const> = assert(descriptor.bind "udp://127.0.0.1:0")
    local upper <close> = assert(net.serve(bound, function(text) return text:upper() end, { max_tasks = 2 }))
    local socket <close> = net.udp(nil, { connect = tostring(upper.address) })
    socket:send "hello"
    assert.equal("HELLO", socket:receive())
    local path <const> = "unix:" .. helper.temporary_name()
    local unix <close> = assert(net.serve(assert(descriptor.listen(path)), echo))
    local near <close> = assert(net.connect(tostring(unix.address)))
    assert.equal("echo unix", ask(near, "unix"))
  end)

  it("serves several of them, and URLs beside", function()
    local server <close> = assert(net.serve({ assert(descriptor.listen "tcp://127.0.0.1:0"), "tcp://127.0.0.1:0",
      assert(descriptor.bind "udp://127.0.0.1:0") }, print))
    assert.same({ "tcp", "tcp", "udp" },
      { server.addresses[1].scheme, server.addresses[2].scheme, server.addresses[3].scheme })
  end)

  it("removes the file of a Unix socket, unless it is to be kept", function()
    local path <const> = helper.temporary_name()
    for _, keeps in ipairs { true, false } do
      local server <const> = assert(net.serve(assert(descriptor.listen("unix:" .. path)), echo, { keep_path = keeps }))
      server:close()
      assert.equal(keeps, exists(path))
    end
  end)
end)

describe("a server that adopts connections", function()
  helper.leaves_nothing(before_each, after_each)

  --- A server whose handler gives its clients, after their first line, to `other`.
  local function giving_to(other, report)
    return assert(net.serve("tcp://127.0.0.1:0", function(conn)
      local line <const> = conn:read_line()
      if report then report(line, conn, other:adopt(conn)) else assert(other:adopt(conn)) end
    end))
  end

  it("serves them as if they had been accepted, with what is pending", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", echo))
    local was_open
    local front <close> = giving_to(server, function(line, conn, ok)
      assert(line == "first" and ok)
      was_open = conn.is_open
    end)
    local client <close> = assert(net.connect(tostring(front.address)))
    client:write "first\nsecond\nthird\n"
    assert.equal("echo second", client:read_line())
    assert.equal("echo third", client:read_line())
    assert.is_false(was_open)
    assert.same({ 0, 1 }, { front.sockets[1].active, server.sockets[1].active })
    assert.equal("echo fourth", ask(client, "fourth"))
    client:close()
    helper.eventually(function() return server.sockets[1].active == 0 end)
  end)

  it("sends what was queued before", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:write "and theirs" end))
    local front <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conn.high_water = 1 << 30
      conn:write(("x"):rep(helper.is_tiny and 1000 or 3000000))
      assert(server:adopt(conn))
    end))
    local client <close> = assert(net.connect(tostring(front.address)))
    assert.matches("^x+and theirs$", client:read_all())
  end)

  it("hands pending requests to the application of HTTP, each in its turn", function()
    local app <const> = http.app()
    app:get("/{name}", function(request) return request.params.name .. " of " .. request.peer.host end)
    local server <close> = assert(http.serve("http://127.0.0.1:0", app))
    local front <close> = giving_to(server)
    local client <close> = assert(net.connect(tostring(front.address)))
    client:write "PROXY\nGET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert.matches("one of 127.0.0.1HTTP/1.1 200 OK.*two of 127.0.0.1$", client:read_all())
    local slow <close> = assert(net.connect(tostring(front.address)))
    slow:write "PROXY\nGET /three HT"
    slow:flush()
    task.sleep(0)
    slow:write "TP/1.0\r\n\r\n"
    assert.matches("three of 127.0.0.1$", slow:read_all())
  end)

  it("may be paused, so that it serves nobody else", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", echo, { paused = true, max_connections = 1 }))
    local front <close> = giving_to(server)
    local ignored <close> = assert(net.connect(tostring(server.address)))
    ignored.timeout = 0.01
    for i = 1, 2 do
      local client <close> = assert(net.connect(tostring(front.address)))
      client:write "go\n"
      assert.equal("echo " .. i, ask(client, i))
      ignored:write "anybody?\n"
      assert_failure("timeout", "timed out", ignored:read_line())
      client:close()
      helper.eventually(function() return server.sockets[1].active == 0 end)
    end
  end)

  it("refuses more than it may have, and what cannot be served", function()
    local server <const> = assert(net.serve("tcp://127.0.0.1:0", echo, { max_connections = 1 }))
    local client <close> = assert(net.connect(tostring(server.address)))
    assert.equal("echo first", ask(client, "first"))
    local a <const>, b <close> = net.pair()
    assert_failure("limit", "^adopt connection: unix:: the listener has as many connections as it may have$",
      server:adopt(a))
    local reading <const> = task.spawn(a.read, a, 1)
    task.sleep(0)
    client:close()
    helper.eventually(function() return server.sockets[1].active == 0 end)
    assert_misuse("a task waits on the connection", server.adopt, server, a)
    b:write "!"
    assert.equal("!", reading:join())
    assert_misuse("perigee.connection expected, got string", server.adopt, server, "x")
    local datagrams <close> = assert(net.serve("udp://127.0.0.1:0", print))
    assert_misuse("a server of datagrams adopts no connections", datagrams.adopt, datagrams, a)
    server:close()
    assert_failure("closed", "^adopt connection: unix:: the listener is closed$", server:adopt(a))
    a:close()
    assert_failure("closed", "^adopt connection: nil %(closed%): ", server:adopt(a))
  end)

  it("closes an adopted connection when its handler ends or raises", function()
    local failures <close> = helper.failures()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function() error "broken" end))
    local a <const>, b <close> = net.pair()
    assert(server:adopt(a))
    assert.equal("", b:read_all())
    assert.matches("broken", failures[1])
  end)
end)
