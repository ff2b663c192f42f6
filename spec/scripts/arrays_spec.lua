local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local function start(count)
  return helper.serve("scripts/arrays.lua --set arrays.listen=tcp://127.0.0.1:0 --set arrays.count=" .. count)
end

--- The client of document 000, section 11.13; its array is Python's own, as numpy may be absent.
local client <const> = [[
import array, sys
from socket import *

def recv_into(arr, source):
    view = memoryview(arr).cast('B')
    while len(view):
        nrecv = source.recv_into(view)
        if not nrecv:
            sys.exit('%d bytes are missing' % len(view))
        view = view[nrecv:]

port, count = int(sys.argv[1]), int(sys.argv[2])
c = socket(AF_INET, SOCK_STREAM)
c.settimeout(60)
c.connect(('localhost', port))
a = array.array('d', bytes(8 * count))
recv_into(a, c)
print(list(a[0:10]), all(x == i for i, x in enumerate(a)), c.recv(1))
]]

describe("the arrays script", function()
  helper.leaves_nothing(before_each, after_each)

  it("sends the numbers to the client of document 000, section 11.13", function()
    local count <const> = helper.is_tiny and 5000 or 1000000
    local _ <close>, _ <const>, port <const> = start(count)
    local output <const>, status <const> = helper.python(client, port .. " " .. count)
    assert.equal("[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0] True b''\n", output)
    assert.equal(0, status)
  end)

  it("sends them to many clients at once, the slow ones too", function()
    local count <const> = helper.is_tiny and 500 or 100000
    local _ <close>, address <const> = start(count)
    local clients <const> = {}
    for i = 1, 10 do clients[i] = assert(net.connect(address, { timeout = 20, receive_buffer = 4096 })) end
    local first
    for _, conn in ipairs(clients) do
      local bytes <const> = assert(conn:read_all())
      first = first or bytes
      assert.is_true(#bytes == 8 * count and bytes == first)
      conn:close()
    end
    for _, i in ipairs { 0, 1, count - 1 } do assert.equal(i, (string.unpack("<d", first, 8 * i + 1))) end
  end)

  it("sends all 50,000,000 of them, 400 MB, when nothing else is asked for #load", function()
    if helper.is_tiny then return end
    local _ <close>, _ <const>, port <const> = helper.serve "scripts/arrays.lua --set arrays.listen=tcp://127.0.0.1:0"
    local output <const>, status <const> = helper.python(client, port .. " 50000000")
    assert.matches("^%[0.0, 1.0, .*%] True b''\n$", output)
    assert.equal(0, status)
  end)

  it("does not load with a count that cannot be", function()
    local command <const> = helper.binary .. " check scripts/arrays.lua --set arrays.count=-1"
    local output <const>, status <const> = helper.run(command)
    assert.matches("arrays.lua:%d+: .*must be 0 or more", output)
    assert.equal(1, status)
  end)
end)
