local helper <const> = require "spec.helper"
local auth <const> = require "perigee.auth"
local buffer <const> = require "perigee.buffer"
local connection <const> = require "perigee.connection"
local digest <const> = require "core.digest"
local Framing <const> = require "perigee.connection.framing"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local pickle <const> = require "perigee.codec.pickle"
local task <const> = require "perigee.task"

local KEY <const> = { authkey = "peekaboo" }

local function echo(peer)
  for value in peer:messages() do assert(peer:send(value)) end
end

--- An echo server: it, and its URL.
local function serve(options, handler)
  local server <const> = assert(connection.serve("tcp://127.0.0.1:0", handler or echo, options))
  return server, tostring(server.address)
end

--- Both ends of a connection, and what closes them.
local function closing(a, b)
  return a, b, setmetatable({}, { __close = function()
    a:close()
    b:close()
  end })
end

--- What is logged until it is closed.
local function logged()
  local lines <const> = setmetatable({}, { __close = function()
    log.configure { write = function(line) io.stderr:write(line) end }
  end })
  log.configure { write = function(line) lines[#lines + 1] = line end }
  return lines
end

local function wait_for_log(lines, pattern)
  return helper.eventually(function() return table.concat(lines):find(pattern) end)
end

--- A message on the wire.
local function framed(text)
  return (">s4"):pack(text)
end

local function read_message(conn)
  return conn:read((">I4"):unpack(conn:read(4)))
end

describe("a connection", function()
  helper.leaves_nothing(before_each, after_each)

  for name, options in pairs { ["with a key"] = KEY, ["without a key"] = {},
    ["with a key, by MD5"] = { authkey = "k", digest = "md5" },
    ["with a key, by SHA3"] = { authkey = "k", digest = "sha3_384" } } do
    it("carries values " .. name, function()
      local server <close>, url <const> = serve(options)
      local peer <close> = assert(connection.connect(url, options))
      for _, value in ipairs { "text", 1, 1.5, false, { 1, { a = "b" } }, "\xFF\0" } do
        assert(peer:send(value))
        assert.same(value, (peer:receive()))
      end
      assert(peer:send(nil))
      assert.equal(pickle.null, peer:receive())
      assert.is_true(server.is_open)
    end)
  end

  it("carries values over Unix sockets and TLS", function()
    local certificates <const> = require "spec.fixtures.certificates"
    local path <const> = "unix:" .. helper.temporary_name()
    local over_tls <const> = { authkey = "k", server = { tls = certificates.of "localhost" } }
    for url, options in pairs { [path] = KEY, ["tls://127.0.0.1:0"] = over_tls } do
      local server <close> = assert(connection.serve(url, echo, options))
      local peer <close> = assert(connection.connect(tostring(server.address),
        { authkey = options.authkey, tls = options.server and certificates.trusting() }))
      peer:send "hello"
      assert.equal("hello", peer:receive())
    end
  end)

  it("carries bytes as they are, long ones and none", function()
    local server <close>, url <const> = serve({}, function(peer)
      for bytes in peer.receive_bytes, peer do peer:send_bytes(bytes) end
    end)
    local peer <close> = assert(connection.connect(url))
    for _, bytes in ipairs { "", "\0\xFF", ("x"):rep(helper.is_tiny and 10000 or 1000000) } do
      assert(peer:send_bytes(bytes))
      assert.is_true(peer:receive_bytes() == bytes)
    end
    assert(peer:send_bytes(buffer.from "of a buffer"))
    assert.equal("of a buffer", peer:receive_bytes())
    assert.is_true(server.is_open)
  end)

  it("gives bytes as buffers where it is asked to, and exceptions", function()
    local server <close>, url <const> = serve { binary = "buffer", exceptions = true }
    local peer <close> = assert(connection.connect(url, { exceptions = true }))
    peer:send { buffer.from "text", pickle.exception("KeyError", "k") }
    local value <const> = assert(peer:receive())
    assert.same({ "text", "KeyError: k" }, { value[1], tostring(value[2]) })
    assert.is_true(server.is_open)
  end)

  it("speaks the protocol of pickle that the peer does", function()
    local server <close>, url <const> = serve {}
    local protocols <const> = {}
    for protocol = 0, 5 do
      local peer <close> = assert(connection.connect(url, { protocol = protocol }))
      peer:send "text"
      protocols[protocol] = pickle.protocol(assert(peer:receive_bytes()))
    end
    assert.same({ [0] = 2, 2, 2, 3, 4, 4 }, protocols)
    assert.is_true(server.is_open)
  end)

  it("ends its messages when the peer closes, and tells why", function()
    local ended <const> = task.channel(1)
    local server <close>, url <const> = serve({}, function(peer)
      echo(peer)
      ended:send(peer.error_code)
    end)
    assert(connection.connect(url)):close()
    assert.equal("closed", ended:receive())
    assert.is_true(server.is_open)
  end)

  it("raises for wrong arguments", function()
    for options, message in pairs {
      [{ authkey = "" }] = "option 'authkey' must be a string that is not empty",
      [{ authkey = "k", digest = "sha1" }] =
        "option 'digest' must be sha256, sha384, sha3_256, sha3_384 or md5, not sha1",
      [{ limit = 0 }] = "option 'limit' must be an integer above 0, not 0",
      [{ binary = 1 }] = 'option \'binary\' must be "string" or "buffer", not 1',
      [{ protocol = 9 }] = "option 'protocol' must be an integer from 0 to 5, not 9",
      [{ key = "k" }] = "there is no option 'key'",
    } do
      assert.has_error(function() connection.serve("tcp://127.0.0.1:0", echo, options) end, message)
      assert.has_error(function() connection.connect("tcp://127.0.0.1:1", options) end, message)
    end
    assert.has_error(function() connection.serve "tcp://127.0.0.1:0" end,
      "bad argument 'handler' (a function expected)")
  end)
end)

describe("the frames of a connection", function()
  helper.leaves_nothing(before_each, after_each)

  local function receive(bytes, limit)
    local a <const>, b <const>, _ <close> = closing(net.pair())
    a:write(bytes)
    a:shutdown()
    local frames <const> = setmetatable({ conn = b, limit = limit or 100 }, Framing)
    return frames:receive()
  end

  it("have four bytes of length, or twelve", function()
    assert.equal("hello", receive "\0\0\0\5hello")
    assert.equal("hello", receive "\xFF\xFF\xFF\xFF\0\0\0\0\0\0\0\5hello")
    local written
    local conn <const> = { write = function(_, header) written = header end, peer = "x" }
    local frames <const> = setmetatable({ conn = conn, limit = math.maxinteger }, Framing)
    for size, header in pairs { [0x7FFFFFFF] = "\x7F\xFF\xFF\xFF",
      [0x80000000] = "\xFF\xFF\xFF\xFF\0\0\0\0\x80\0\0\0" } do
      frames:put(size)
      assert.equal(header, written)
    end
  end)

  it("are refused when they are too long, before anything of them is kept", function()
    for header, size in pairs { ["\0\0\0\x65"] = "101", ["\x7F\xFF\xFF\xFF"] = "2147483647",
      ["\xFF\xFF\xFF\xFF\0\0\0\1\0\0\0\0"] = "4294967296", ["\xFF\xFF\xFF\xFF" .. ("\xFF"):rep(8)] = "2^63 or more" } do
      local bytes <const>, message <const>, code <const> = receive(header)
      assert.same({ nil, "limit" }, { bytes, code })
      assert.matches("a message of " .. size:gsub("%^", "%%^") .. " bytes is over the limit of 100$", message)
    end
    local _ <const>, message <const>, code <const> = receive "\x80\0\0\0"
    assert.equal("protocol", code)
    assert.matches("a length of %-2147483648$", message)
  end)

  it("tell at every place that the stream has ended inside a message", function()
    for _, whole in ipairs { "\0\0\0\5hello", "\xFF\xFF\xFF\xFF\0\0\0\0\0\0\0\5hello" } do
      for length = 1, #whole - 1 do
        local bytes <const>, message <const>, code <const> = receive(whole:sub(1, length))
        assert.same({ nil, "closed" }, { bytes, code })
        assert.matches("the stream ended inside a message", message)
      end
    end
  end)

  it("go on after a timeout where they were", function()
    local a <const>, b <const>, _ <close> = closing(net.pair())
    local frames <const> = setmetatable({ conn = b, limit = 100 }, Framing)
    b.timeout = 0.01
    for _, byte in ipairs { "\xFF", "\xFF\xFF\xFF", "\0\0\0", "\0\0\0\0\2", "h" } do
      a:write(byte)
      assert.equal("timeout", (select(3, frames:receive())))
    end
    a:write "i"
    assert.equal("hi", frames:receive())
  end)

  it("do not make memory of a length alone", function()
    local server <close>, url <const> = serve {}
    local conns <const> = {}
    collectgarbage()
    local before <const> = collectgarbage "count"
    for i = 1, 20 do
      conns[i] = assert(net.connect(url))
      conns[i]:write("\3\xFF\xFF\xFF", "a few bytes")
      conns[i]:flush()
    end
    helper.eventually(function() return server:active() == 20 end)
    task.sleep(0)
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 4096)
    for _, conn in ipairs(conns) do conn:close() end
  end)

  it("are not sent when they are too long", function()
    local server <close>, url <const> = serve { limit = 1000 }
    local peer <close> = assert(connection.connect(url, { limit = 1000 }))
    local sent <const>, message <const>, code <const> = peer:send(("x"):rep(1000))
    assert.same({ nil, "limit" }, { sent, code })
    assert.matches("a message of %d+ bytes is over the limit of 1000$", message)
    peer:send "after"
    assert.equal("after", peer:receive())
    assert.is_true(server.is_open)
  end)
end)

describe("a value that is refused", function()
  helper.leaves_nothing(before_each, after_each)

  it("is named, and the next one comes", function()
    local results <const> = task.channel(9)
    local server <close>, url <const> = serve({}, function(peer)
      while true do
        local value <const>, message <const>, code <const> = peer:receive()
        if code == "closed" then return end
        results:send { value or false, message and message:gsub("^receive from .-: ", ""), code }
      end
    end)
    local peer <close> = assert(connection.connect(url))
    for _, bytes in ipairs { "cos\nsystem\n(S'id'\ntR.", "no pickle", "]q\0h\0a.", "\x8b\x20\0\0\0", "K\7." } do
      peer:send_bytes(bytes)
    end
    assert.same({
      { false, "pickle names os.system at byte 1: only data is taken", "denied" },
      { false, "invalid pickle at byte 1: 0x6e is no opcode", "protocol" },
      { false, "invalid pickle: a value that contains itself", "protocol" },
      { false, "invalid pickle at byte 5: it is cut off", "protocol" },
      { 7 },
    }, { results:receive(), results:receive(), results:receive(), results:receive(), results:receive() })
    assert.is_true(server.is_open)
  end)

  it("ends an iteration, and is logged with its sender", function()
    local lines <close> = logged()
    local server <close>, url <const> = serve {}
    local peer <close> = assert(connection.connect(url))
    peer:send_bytes "cos\nsystem\n."
    assert.equal("closed", (select(3, peer:receive())))
    wait_for_log(lines, "a message was refused peer=tcp://127.0.0.1:%d+ reason=[^\n]*pickle names os.system at byte 1")
    assert.is_true(server.is_open)
  end)
end)

describe("an authkey", function()
  helper.leaves_nothing(before_each, after_each)

  it("that is wrong is told to both sides", function()
    local lines <close> = logged()
    local server <close>, url <const> = serve(KEY, function() error "never" end)
    local peer <const>, message <const>, code <const> = connection.connect(url, { authkey = "other" })
    assert.same({ nil, "denied" }, { peer, code })
    assert.matches("^connect tcp://127.0.0.1:%d+: authenticate .*: it does not take our authkey$", message)
    wait_for_log(lines, "a peer was turned away peer=tcp://127.0.0.1:%d+ reason=[^\n]*the peer has another authkey")
    assert.is_true(server.is_open)
  end)

  it("of the server is asked for, too", function()
    local failed <const> = task.channel(1)
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) -- takes any answer, but has no key
      conn:write(framed("#CHALLENGE#{sha256}" .. ("x"):rep(40)))
      read_message(conn)
      conn:write(framed "#WELCOME#")
      local challenge <const> = read_message(conn)
      conn:write(framed("{sha256}" .. digest.hmac("guess", challenge:sub(12))))
      failed:send(read_message(conn))
    end))
    local peer <const>, message <const>, code <const> = connection.connect(tostring(server.address), KEY)
    assert.same({ nil, "denied" }, { peer, code })
    assert.matches("the peer has another authkey$", message)
    assert.equal("#FAILURE#", failed:receive())
  end)

  it("is not given away to a server that sends our own challenge back", function()
    local challenges <const>, answers <const> = task.channel(1), task.channel(1)
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conn:write(framed("#CHALLENGE#{sha256}" .. ("x"):rep(40)))
      read_message(conn)
      conn:write(framed "#WELCOME#")
      challenges:send(read_message(conn))
      conn:write(framed(answers:receive()))
    end))
    local victim <const> = task.spawn(connection.connect, tostring(server.address), KEY)
    local challenge <const> = challenges:receive()
    local mirror <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:write(framed(challenge)) end))
    local peer <const>, message <const>, code <const> = connection.connect(tostring(mirror.address), KEY)
    assert.same({ nil, "denied" }, { peer, code })
    assert.matches("it sends a challenge of ours$", message)
    answers:send "nothing"
    assert.equal("denied", (select(3, victim:join())))
  end)

  --- What a server says to a client that answers its challenge with this.
  local function verdict(url, answer_of)
    local conn <close> = assert(net.connect(url))
    local challenge <const> = read_message(conn):sub(12)
    conn:write(framed(answer_of(challenge)))
    return read_message(conn), challenge
  end

  it("is taken in the forms of all Pythons, and in no other", function()
    local lines <close> = logged()
    local server <close>, url <const> = serve({ authkey = "peekaboo", limiter = false })
    local hmac <const> = digest.hmac
    local function said(answer_of) return (verdict(url, answer_of)) end
    assert.equal("#WELCOME#", said(function(c) return hmac("peekaboo", c, "md5") end))
    for name, algorithm in pairs { md5 = "md5", sha256 = "sha256", sha384 = "sha384", sha3_256 = "sha3-256",
      sha3_384 = "sha3-384" } do
      assert.equal("#WELCOME#", said(function(c) return ("{%s}"):format(name) .. hmac("peekaboo", c, algorithm) end))
    end
    for _, wrong in ipairs {
      function(c) return hmac("peekaboo", c, "sha256") end,
      function(c) return "{sha1}" .. hmac("peekaboo", c, "sha1") end,
      function(c) return "{sha256}" .. hmac("peekaboo", c, "sha256"):sub(1, 31) end,
      function(c) return "{sha256}" .. hmac("peekaboo", c:sub(9), "sha256") end,
      function(c) return "{md5}" .. hmac("peekaboo", c, "sha256") end,
      function() return "" end,
      function() return "{sha256}" end,
    } do assert.equal("#FAILURE#", said(wrong)) end
    helper.eventually(function() return #lines == 7 end)
    assert.is_true(server.is_open)
  end)

  it("cannot be shown by what was overheard", function()
    local lines <close> = logged()
    local server <close>, url <const> = serve({ authkey = "peekaboo", limiter = false })
    local overheard
    local first <const>, challenge <const> = verdict(url, function(c)
      overheard = "{sha256}" .. digest.hmac("peekaboo", c)
      return overheard
    end)
    local second <const>, other <const> = verdict(url, function() return overheard end)
    assert.same({ "#WELCOME#", "#FAILURE#" }, { first, second })
    assert.not_equal(challenge, other)
    wait_for_log(lines, "another authkey")
    assert.is_true(server.is_open)
  end)

  it("is no longer looked at when a peer has failed too often", function()
    local lines <close> = logged()
    local server <close>, url <const> = serve { authkey = "peekaboo", limiter = auth.limiter { failures = 3 } }
    for _ = 1, 3 do assert.equal("denied", (select(3, connection.connect(url, { authkey = "wrong" })))) end
    assert.equal("denied", (select(3, connection.connect(url, KEY))))
    wait_for_log(lines, "a peer was turned away [^\n]*it has failed too often")
    assert.is_true(server.is_open)
  end)

  it("is asked for with a time limit", function()
    local lines <close> = logged()
    local server <close>, url <const> = serve({ authkey = "k", handshake_timeout = 0.05 })
    local silent <close> = assert(net.connect(url))
    assert.is_string(silent:read_all())
    wait_for_log(lines, "a peer was turned away [^\n]*deadline")
    local mute <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:read(1) end))
    assert.equal("timeout",
      (select(3, connection.connect(tostring(mute.address), { authkey = "k", timeout = 0.05 }))))
    assert.is_true(server.is_open)
  end)

  it("is asked for by short messages alone", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:write "\0\0\1\1" conn:read(1) end))
    local _ <const>, message <const>, code <const> = connection.connect(tostring(server.address), KEY)
    assert.equal("limit", code)
    assert.matches("a message of 257 bytes is over the limit of 256$", message)
  end)

  it("is missed clearly by who has none", function()
    local server <close> = assert(connection.serve("tcp://127.0.0.1:0", function() end, KEY))
    local peer <close> = assert(connection.connect(tostring(server.address)))
    local _ <const>, message <const>, code <const> = peer:receive()
    assert.equal("denied", code)
    assert.matches("it asks for an authkey$", message)
  end)

  it("fails clearly where a server does something else, or ends at any place", function()
    for challenge, pattern in pairs { ["hello"] = "it sends no challenge$", ["#CHALLENGE#short"] = "is too short$",
      ["#CHALLENGE#{sha1}" .. ("x"):rep(40)] = "names a digest that is not known$" } do
      local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:write(framed(challenge)) end))
      local _ <const>, message <const>, code <const> = connection.connect(tostring(server.address), KEY)
      assert.equal("protocol", code)
      assert.matches(pattern, message)
    end
    local whole <const> = framed("#CHALLENGE#" .. ("x"):rep(20))
    for length = 0, #whole, 5 do
      local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:write(whole:sub(1, length)) end))
      local peer <const>, message <const>, code <const> = connection.connect(tostring(server.address), KEY)
      assert.is_nil(peer)
      assert.is_true(code == "closed" or code == "reset", message)
    end
  end)
end)
