local helper <const> = require "spec.helper"
local system <const> = require "core.system"

local function start(addresses)
  return helper.serve("scripts/echo.lua --set echo.listen=" .. (addresses or "tcp://127.0.0.1:0"))
end

--- Every program talks to `peer` with the modules that it needs, and prints what the test compares.
local PROLOGUE <const> = [[
import socket, sys, threading
from socket import *
def connect(family, address, *options):
    s = socket(family, SOCK_STREAM)
    s.settimeout(20)
    for option in options: s.setsockopt(*option)
    s.connect(address)
    return s
def read_all(s):
    parts = []
    while True:
        part = s.recv(65536)
        if not part: return b''.join(parts)
        parts.append(part)
def read(s, count):
    message = b''
    while len(message) < count:
        part = s.recv(count - len(message))
        assert part, 'the stream ended after %r' % message
        message += part
    return message
port = int(sys.argv[1])
peer = ('127.0.0.1', port)
]]

local function python(port, program)
  return helper.python(PROLOGUE .. program, tostring(port))
end

describe("the echo script", function()
  helper.leaves_nothing(before_each, after_each)

  it("answers nc", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "hi\n", 0 }, { helper.run("printf 'hi\\n' | nc -q1 127.0.0.1 " .. port) })
  end)

  it("answers nc over IPv6", function()
    local _ <close>, address <const>, port <const> = start "tcp://[::1]:0"
    assert.equal("tcp://[::1]:" .. port, address)
    assert.same({ "hi\n", 0 }, { helper.run("printf 'hi\\n' | nc -6 -N ::1 " .. port) })
  end)

  it("answers nc over a Unix socket, and removes the socket at its end", function()
    local path <const> = helper.temporary_name() .. ".sock"
    local process <close> = start("unix:" .. path)
    assert.same({ "hi\n", 0 }, { helper.run("printf 'hi\\n' | nc -U -N " .. path) })
    process:signal "TERM"
    assert.equal(0, process:wait())
    assert.is_nil(system.file_kind(path)) -- io.open opens no socket
  end)

  it("takes over the Unix socket that a killed process left", function()
    local path <const> = helper.temporary_name() .. ".sock"
    do
      local killed <close> = start("unix:" .. path)
      killed:signal "KILL"
      killed:wait()
    end
    local process <close> = start("unix:" .. path)
    assert.same({ "hi\n", 0 }, { helper.run("printf 'hi\\n' | nc -U -N " .. path) })
    process:signal "TERM"
    process:wait()
  end)

  it("answers over an abstract Unix socket", function()
    local name <const> = "perigee-spec-echo-" .. system.pid()
    local _ <close> = start("unix:@" .. name)
    local program <const> = [[
s = connect(AF_UNIX, '\0%s')
s.sendall(b'hi')
print(read(s, 2))
]]
    assert.same({ "b'hi'\n", 0 }, { python(0, program:format(name)) })
  end)

  it("answers a client that sets socket options", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "True\n", 0 }, { python(port, [[
s = connect(AF_INET, peer, (IPPROTO_TCP, TCP_NODELAY, 1), (SOL_SOCKET, SO_KEEPALIVE, 1),
            (SOL_SOCKET, SO_RCVBUF, 4096), (SOL_SOCKET, SO_SNDBUF, 4096))
message = bytes(range(256)) * 20
s.sendall(message)
print(read(s, len(message)) == message)
]]) })
  end)

  it("sends the rest to a client that has ended its side", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "b'said everything'\n", 0 }, { python(port, [[
s = connect(AF_INET, peer)
s.sendall(b'said everything')
s.shutdown(SHUT_WR)
print(read_all(s))
]]) })
  end)

  it("sends back every byte to many clients at a time", function()
    local _ <close>, _ <const>, port <const> = start()
    local program <const> = [[
import hashlib
right = []
def talk(number):
    message = hashlib.sha256(bytes([number])).digest() * %d
    s = connect(AF_INET, peer)
    sender = threading.Thread(target=lambda: (s.sendall(message), s.shutdown(SHUT_WR)))
    sender.start()
    right.append(read_all(s) == message)
    sender.join()
clients = [threading.Thread(target=talk, args=(n,)) for n in range(20)]
for c in clients: c.start()
for c in clients: c.join()
print(len(right), all(right))
]]
    assert.same({ "20 True\n", 0 }, { python(port, program:format(helper.is_tiny and 100 or 30000)) })
  end)

  it("survives clients that reset their connections", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "b'still here'\n", 0 }, { python(port, [[
import struct
for _ in range(50):
    s = connect(AF_INET, peer)
    s.sendall(b'x' * 1000)
    s.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack('ii', 1, 0))
    s.close()
s = connect(AF_INET, peer)
s.sendall(b'still here')
print(read(s, 10))
]]) })
  end)

  it("can be started again at once on the port it has served", function()
    local function serve_once()
      local process <close>, address <const>, port <const> = start()
      assert.same({ "b'a'\n", 0 }, { python(port, "s = connect(AF_INET, peer); s.sendall(b'a'); print(read(s, 1))") })
      process:signal "TERM"
      assert.equal(0, process:wait())
      return address
    end
    local address <const> = serve_once()
    local _ <close>, again <const> = start(address)
    assert.equal(address, again)
  end)

  it("echoes datagrams, empty ones and the largest too", function()
    local _ <close>, _ <const>, port <const> = start "udp://127.0.0.1:0"
    assert.same({ "0 1 65507\n", 0 }, { python(port, [[
s = socket(AF_INET, SOCK_DGRAM)
s.settimeout(20)
lengths = []
for message in b'', b'x', b'y' * 65507:
    s.sendto(message, peer)
    answer, sender = s.recvfrom(65536)
    assert answer == message and sender == peer
    lengths.append(len(answer))
print(*lengths)
]]) })
  end)
end)

describe("a client that sends and never reads", function()
  helper.leaves_nothing(before_each, after_each)

  it("is not read from either, keeps the server small and the others served, and loses nothing", function()
    local process <close>, _ <const>, port <const> = start()
    local program <const> = [[
pid, unit = %d, %d
def resident():
    return int(open('/proc/%%d/statm' %% pid).read().split()[1]) * 4096
def echo():
    s = connect(AF_INET, peer)
    s.sendall(b'hello')
    assert read(s, 5) == b'hello'
echo()
before = resident()
s = connect(AF_INET, peer, (SOL_SOCKET, SO_RCVBUF, 4096), (SOL_SOCKET, SO_SNDBUF, 4096))
s.settimeout(0.5)
sent = 0
try:
    while sent < 256 * 2**20: sent += s.send(b'x' * unit)
except TimeoutError: pass
echo()
grown = resident() - before
print('blocked' if sent < 256 * 2**20 else 'never blocked', 'small' if grown < 16 * 2**20 else 'grown by %%d' %% grown)
s.settimeout(20)
s.shutdown(SHUT_WR)
print(len(read_all(s)) == sent)
]]
    local output <const>, status <const> = python(port, program:format(process.pid, helper.is_tiny and 64 or 65536))
    assert.same({ "blocked small\nTrue\n", 0 }, { output, status })
  end)
end)
