local helper <const> = require "spec.helper"
local auth <const> = require "perigee.auth"
local net <const> = require "perigee.net"

-- The programs of document 000, 11.9, are in spec/fixtures/documents as they are printed there: the functions with the
-- server's and with the client's part. Their hmac.new names no digest, which was MD5 until Python 3.8 wanted one:
-- spec/fixtures/old_hmac.py gives them that back, and spec/fixtures/ports.py runs them with other ports.

-- They take for granted that 32 bytes come at once, as they do, but for the build with short writes.
local it_unless_tiny <const> = helper.is_tiny and function() end or it

local RUN <const> = "/usr/bin/python3 -u spec/fixtures/old_hmac.py spec/fixtures/ports.py %s 18000=%s"

local function document(name)
  return "spec/fixtures/documents/" .. name .. ".py"
end

--- The document's client sends "Hello World" and ends: what it gets is shown by a line more.
local function run_client(port, key)
  local source <close> = assert(io.open(document "000_11_9_client"))
  local text <const> = source:read "a":gsub("b'peekaboo'", key and ("b'%s'"):format(key) or "%0")
  local files <close> = helper.directory { ["client.py"] = text .. "\nprint(s.recv(100))\n" }
  return helper.run(RUN:format(tostring(files) .. "/client.py", port))
end

local function serve(more)
  return helper.serve("scripts/auth_echo.lua --set auth_echo.listen=tcp://127.0.0.1:0 " .. (more or ""))
end

describe("the auth_echo script", function()
  helper.leaves_nothing(before_each, after_each)

  it_unless_tiny("serves the client of document 000, 11.9, which takes MD5", function()
    local _ <close>, _ <const>, port <const> = serve "--set auth_echo.digest=md5"
    assert.same({ "b'Hello World'\n", 0 }, { run_client(port) })
  end)

  it("takes SHA-256 unless told otherwise", function()
    local _ <close>, _ <const>, port <const> = serve()
    assert.same({ "b'Hello World'\n", 0 }, { helper.python([[
import hmac, socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
f = s.makefile('rb')
s.sendall(hmac.new(b'peekaboo', f.read(32), 'sha256').digest() + b'Hello World')
print(f.read(11))
]], tostring(port)) })
  end)

  it_unless_tiny("closes the connection of a client with another key, and logs it", function()
    local process <close>, _ <const>, port <const> = serve "--set auth_echo.digest=md5"
    local output <const> = run_client(port, "wrong")
    assert.is_true(output == "b''\n" or output:find "ConnectionResetError" ~= nil, output)
    process:wait_for "a client was turned away peer=%S+ reason=[^\n]*the key is wrong"
  end)
end)

describe("our client of auth_echo", function()
  helper.leaves_nothing(before_each, after_each)

  it_unless_tiny("talks with the server of document 000, 11.9", function()
    local server <close> = helper.start(RUN:format(document "000_11_9_server", 0))
    local conn <close> = assert(net.connect("tcp://127.0.0.1:" .. server:wait_for "port (%d+)"))
    assert(auth.answer(conn, "peekaboo", { digest = "md5" }))
    conn:write "hello"
    assert.equal("hello", conn:read(5))
  end)

  it_unless_tiny("is closed by it when its key is wrong", function()
    local server <close> = helper.start(RUN:format(document "000_11_9_server", 0))
    local conn <close> = assert(net.connect("tcp://127.0.0.1:" .. server:wait_for "port (%d+)"))
    assert(auth.answer(conn, "wrong", { digest = "md5" }))
    assert.same({ nil, "closed" }, { (conn:read(1)), (select(3, conn:read(1))) })
  end)
end)
