local helper <const> = require "spec.helper"

local function start(options)
  return helper.serve("scripts/fib.lua --set fib.listen=udp://127.0.0.1:0 " .. (options or ""))
end

local PROLOGUE <const> = [[
import sys
from socket import *
peer = ('localhost', int(sys.argv[1]))
def client():
    s = socket(AF_INET, SOCK_DGRAM)
    s.settimeout(60)
    return s
sock = client()
def ask(message):
    sock.sendto(message, peer)
    return sock.recvfrom(8192)[0]
]]

local function python(port, program)
  return helper.python(PROLOGUE .. program, tostring(port))
end

describe("the fib script", function()
  helper.leaves_nothing(before_each, after_each)

  it("answers the client of document 000, section 11.12", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "b'1'\nb'1'\nb'2'\nb'3'\nb'5'\nb'8'\nb'13'\nb'21'\nb'34'\nb'55'\n", 0 }, { python(port, [[
for x in range(10):
    sock.sendto(str(x).encode('ascii'), peer)
    resp = sock.recvfrom(8192)
    print(resp[0])
]]) })
  end)

  it("takes a number as Python's int does, and 1 is the answer to all below 2", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "b'6765' b'6765' b'6765' b'1' b'1'\n", 0 }, { python(port, [[
print(ask(b'19'), ask(b' 19\n'), ask(b'+19'), ask(b'-19'), ask(b'-99999999999999999999999'))
]]) })
  end)

  it("refuses what is no number, and numbers that would take too long", function()
    local _ <close>, _ <const>, port <const> = start()
    local output <const>, status <const> = python(port, [[
for message in b'', b'x', b'1.5', b'0x10', b'1 2', b'\xff\0', b'9' * 60000, b'41', b'99999999999999999999999':
    print(ask(message).decode())
print(ask(b'10').decode())
]])
    local expected <const> = ("error: a whole number expected, such as 30\n"):rep(6) ..
      ("error: numbers up to 40 are taken\n"):rep(3) .. "89\n"
    assert.same({ expected, 0 }, { output, status })
  end)

  it("goes on answering while it computes", function()
    local process <close>, _ <const>, port <const> = start()
    assert.same({ "error: a whole number expected, such as 30\nerror: numbers up to 40 are taken\n", 0 }, {
      python(port, [[
slow = client()
slow.sendto(b'39', peer)
print(ask(b'x').decode())
print(ask(b'99').decode())
]]) })
    process:signal "TERM"
    assert.equal(0, process:wait())
  end)

  it("answers many clients at a time, each with its own number", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "True\n", 0 }, { python(port, [[
def fib(n):
    a = b = 1
    for _ in range(n): a, b = b, a + b
    return a
clients = [client() for _ in range(50)]
for n, s in enumerate(clients): s.sendto(b'%d' % (n % 25), peer)
print(all(int(s.recv(8192)) == fib(n % 25) for n, s in enumerate(clients)))
]]) })
  end)

  it("turns clients away when too many numbers are computed", function()
    local _ <close>, _ <const>, port <const> = start "--set fib.outstanding=2"
    assert.same({ "error: busy, please ask again later\nerror: a whole number expected, such as 30\n", 0 }, {
      python(port, [[
slow = client()
for n in 39, 40: slow.sendto(b'%d' % n, peer)
print(ask(b'5').decode())
print(ask(b'x').decode())
]]) })
  end)

  it("gives up on what takes too long", function()
    local _ <close>, _ <const>, port <const> = start "--set fib.seconds=1"
    assert.same({ "error: the deadline has passed\n89\n", 0 }, { python(port, [[
print(ask(b'40').decode())
print(ask(b'10').decode())
]]) })
  end)
end)
