local helper <const> = require "spec.helper"

local function start(address)
  return helper.serve("scripts/time.lua --set time.listen=" .. (address or "udp://127.0.0.1:0"))
end

local CTIME <const> = "%a%a%a %a%a%a [ %d]%d %d%d:%d%d:%d%d %d%d%d%d"

describe("the time script", function()
  helper.leaves_nothing(before_each, after_each)

  it("answers the client of document 000, section 11.3", function()
    local _ <close>, _ <const>, port <const> = start()
    local output <const>, status <const> = helper.python([[
import sys
from socket import socket, AF_INET, SOCK_DGRAM
s = socket(AF_INET, SOCK_DGRAM)
s.settimeout(20)
s.sendto(b'', ('localhost', int(sys.argv[1])))
print(s.recvfrom(8192))
]], tostring(port))
    assert.matches("^%(b'" .. CTIME .. "', %('127.0.0.1', " .. port .. "%)%)\n$", output)
    assert.equal(0, status)
  end)

  it("tells the time that it is, in the form of ctime", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "True True\n", 0 }, { helper.python([[
import sys, time
from socket import *
s = socket(AF_INET, SOCK_DGRAM)
s.settimeout(20)
earliest = int(time.time() - 0.1)   # time(2) may lag behind by a tick of the kernel
s.sendto(b'what time is it?', ('127.0.0.1', int(sys.argv[1])))
answer = s.recv(8192).decode()
told = time.mktime(time.strptime(answer))
print(earliest <= told <= time.time(), time.ctime(told) == answer)
]], tostring(port)) })
  end)

  it("answers each of many clients", function()
    local _ <close>, _ <const>, port <const> = start()
    assert.same({ "100\n", 0 }, { helper.python([[
import sys
from socket import *
clients = [socket(AF_INET, SOCK_DGRAM) for _ in range(100)]
for s in clients:
    s.settimeout(20)
    s.sendto(b'', ('127.0.0.1', int(sys.argv[1])))
print(sum(len(s.recv(8192)) == 24 for s in clients))
]], tostring(port)) })
  end)

  it("answers over IPv6", function()
    local _ <close>, _ <const>, port <const> = start "udp://[::1]:0"
    local output <const> = helper.run(("printf x | nc -6 -u -w1 ::1 %d"):format(port))
    assert.matches("^" .. CTIME .. "$", output)
  end)
end)
