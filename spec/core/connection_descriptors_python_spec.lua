local helper <const> = require "spec.helper"
local digest <const> = require "core.digest"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local assert_failure <const> = helper.assert_failure

--- Starts a role of the fixture, and waits for its connection: the process, its connection, and the server between.
local function start(role, arguments)
  local name <const> = ("perigee-descriptors-%d"):format(math.random(1 << 40))
  local came <const>, done <const> = task.channel(1), task.channel(1)
  local server <const> = assert(net.serve("unix:@" .. name, function(conn)
    came:send(conn)
    done:receive()
  end))
  local command <const> = "/usr/bin/python3 spec/fixtures/pass_descriptors.py %s %s %s"
  local process <const> = helper.start(command:format(role, name, arguments or ""))
  local conn <const> = came:receive()
  return setmetatable({ process = process, conn = conn }, { __close = function()
    conn:close()
    done:send(true)
    process:__close()
    server:close()
  end })
end

--- A port that nobody listens on.
local function free_port()
  local server <close> = assert(net.serve("tcp://127.0.0.1:0", print))
  return server.address.port
end

local function echoes(conn, text)
  conn:write(text)
  assert.equal(text, conn:read(#text))
end

--- What Python's Listener does with its authkey (multiprocessing.connection, deliver_challenge and answer_challenge).
local function authenticate(conn, key)
  local function send(bytes) conn:write(string.pack(">s4", bytes)) end
  local function receive() return conn:read((string.unpack(">I4", conn:read(4)))) end
  local challenge <const> = digest.random(20)
  send("#CHALLENGE#" .. challenge)
  assert.equal(digest.hmac(key, challenge, "md5"), receive())
  send "#WELCOME#"
  send(digest.hmac(key, receive():sub(#"#CHALLENGE#" + 1), "md5"))
  assert.equal("#WELCOME#", receive())
  return receive() -- its process identifier, pickled
end

describe("descriptors between us and Python", function()
  helper.leaves_nothing(before_each, after_each)

  --- Clients of ours are passed to the worker, and served by it.
  local function serve_by(worker)
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) assert(worker.conn:send_fd(conn)) end))
    for i = 1, 3 do
      local client <close> = assert(net.connect(tostring(server.address)))
      echoes(client, "hello " .. i)
      task.sleep(0)
      echoes(client, ("x"):rep(1000))
    end
  end

  it("reach the document's worker, which serves our clients", function()
    local worker <close> = start "worker"
    serve_by(worker)
    worker.conn:close()
    assert.equal(0, worker.process:wait())
    assert.matches("CHILD: GOT FD %d+\nCHILD: RECV b'hel", worker.process:output())
  end)

  it("reach the document's other worker, which wants to be shown a key first", function()
    local worker <close> = start "other_worker"
    local pickled <const> = authenticate(worker.conn, "peekaboo")
    assert.is_truthy(pickled:find(string.pack("<I4", worker.process.pid):sub(1, 2), 1, true))
    serve_by(worker)
    worker.conn:close()
    assert.equal(0, worker.process:wait())
  end)

  it("come from the document's server, whose clients we serve", function()
    local port <const> = free_port()
    local server <close> = start("server", port)
    for i = 1, 3 do
      local client <close> = helper.eventually(function() return (net.connect("tcp://127.0.0.1:" .. port)) end)
      client:write("hello ", i, "\n")
      local got <close> = assert(server.conn:receive_fd())
      assert.equal(tostring(client.address), tostring(got.peer))
      assert.equal("hello " .. i, got:read_line())
      got:write "from here"
      assert.equal("from here", client:read(9))
    end
  end)

  it("go there and back, of every kind", function()
    local echo <close> = start "echo"
    local function passed(x)
      assert(echo.conn:send_fd(x))
      return assert(echo.conn:receive_fd())
    end
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", print))
    local socket <close> = net.udp()
    local null <close> = io.open "/dev/null"
    local file <close> = io.open "Makefile"
    local listener <close>, datagram, other = passed(server.sockets[1]), passed(socket), passed(null)
    assert.same({ "listener", tostring(socket.address), "other" },
      { listener.kind, tostring(datagram.address), other.kind })
    assert.matches("^# Perigee", passed(file):read "l")
    local x <const>, y <close> = net.pair()
    local back <close> = passed(x)
    y:write "hello"
    assert.equal("hello", back:read(5))
    datagram:close()
    other:close()
  end)

  it("tell who sends them", function()
    local peer <close> = start "echo"
    assert.equal(peer.process.pid, peer.conn.peer_credentials.pid)
  end)

  --- Messages of a peer that does it wrong: the failure of the first, which closes whatever came with it.
  local function receive_raw(messages, options)
    local peer <close> = start("raw", messages)
    local value <const>, message <const>, code <const> = peer.conn:receive_fd(options)
    peer.conn:shutdown()
    peer.process:wait_for "left open: b''"
    return value, message, code
  end

  it("are closed when the byte with them does not count them", function()
    assert_failure("protocol", "one came, but the byte with it counts 2$", receive_raw "1:02")
    assert_failure("protocol", "2 came in one message, where one is taken; all are closed$", receive_raw "2:02")
    assert_failure("protocol", "253 came in one message", receive_raw "253:fd")
    assert_failure("protocol", "a byte of value 1 came without one$", receive_raw "0:01")
  end)

  it("are closed when their sender dies before the unread bytes that should follow", function()
    local unread <const> = { unread = true }
    for _, messages in ipairs { "1:01", "1:01 0:0000", "1:01 0:00000003 0:6162" } do
      assert_failure("closed", "^receive a descriptor from unix:: closed by the peer$", receive_raw(messages, unread))
    end
    assert_failure("limit", "more than 67108864 unread bytes are announced$", receive_raw("1:01 0:04000001", unread))
  end)

  it("that are no connections come without unread bytes", function()
    local peer <close> = start("raw", "1:01 0:00000003616263")
    local got <close> = assert(peer.conn:receive_fd { unread = true })
    assert.equal("abc", got:read(3))
  end)
end)

describe("a process that has as many descriptors as it may", function()
  helper.leaves_nothing(before_each, after_each)

  it("is told that one is lost, and receives again when it has room", function()
    local name <const> = ("perigee-descriptors-%d"):format(math.random(1 << 40))
    local command <const> = "bash -c 'ulimit -n 64; exec %s run --set receive_descriptors.address=unix:@%s %s'"
    local null <close> = io.open "/dev/null"
    local server <close> = assert(net.serve("unix:@" .. name, function(conn)
      assert(conn:send_fd(null))
      assert.equal("lost\n", conn:read(5))
      for _ = 1, 3 do assert(conn:send_fd(null)) end
      conn:read_all()
    end))
    local process <close> = helper.start(command:format(helper.binary, name, "spec/fixtures/receive_descriptors.lua"))
    process:wait_for "received 3, as many descriptors as before: true"
    assert.matches("from unix:@%S+: it is lost: this process has as many descriptors as it may have limit",
      process:output())
    assert.is_true(server.is_open)
  end)
end)
