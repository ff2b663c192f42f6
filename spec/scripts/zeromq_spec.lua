local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local zeromq <const> = require "perigee.zeromq"

-- Document 004's ZeroMQ programs as they are printed, at either end; spec/fixtures/zeromq.py gives them their port.

local REPLYING <const> = [[
import zmq

host = '127.0.0.1'
port = 6789
context = zmq.Context()
server = context.socket(zmq.REP) # REP
server.bind("tcp://%s:%s" % (host, port))
while True:
    request_bytes = server.recv()
    request_str = request_bytes.decode('utf-8')
    print("That voice in my head says: %s" % request_str)
    reply_str = "Stop saying %s" % request_str
    reply_bytes = bytes(reply_str, 'utf-8')
    server.send(reply_bytes)
]]

local REQUESTING <const> = [[
import zmq

host = '127.0.0.1'
port = 6789
context = zmq.Context()
client = context.socket(zmq.REQ) # REQ
client.connect("tcp://%s:%s" % (host, port))
for num in range(1, 6):
    request_str = "message #%s" % num
    request_bytes = request_str.encode('utf-8')
    client.send(request_bytes)
    reply_bytes = client.recv()
    reply_str = reply_bytes.decode('utf-8')
    print("Sent %s, received %s" % (request_str, reply_str))
]]

local PUBLISHING <const> = [[
import zmq
import random
import time

host = '*'
port = 6789
ctx = zmq.Context()
pub = ctx.socket(zmq.PUB)
pub.bind('tcp://%s:%s' % (host, port))
cats = ['siamese', 'persian', 'maine coon', 'norwegian forest']
hats = ['stovepipe', 'bowler', 'tam-o-shanter', 'fedora']
time.sleep(1)
for msg in range(10):
    cat = random.choice(cats)
    cat_bytes = cat.encode('utf-8')
    hat = random.choice(hats)
    hat_bytes = hat.encode('utf-8')
    print('Publish: %s wears a %s' % (cat, hat))
    pub.send_multipart([cat_bytes, hat_bytes])
]]

local SUBSCRIBING <const> = [[
import zmq

host = '127.0.0.1'
port = 6789
ctx = zmq.Context()
sub = ctx.socket(zmq.SUB)
sub.connect('tcp://%s:%s' % (host, port))
topics = ['maine coon', 'persian']
for topic in topics:
    sub.setsocket(zmq.SUBSCRIBE, topic.encode('utf-8'))
while True:
    cat_bytes, hat_bytes = sub.recv_multipart()
    cat = cat_bytes.decode('utf-8')
    hat = hat_bytes.decode('utf-8')
    print('Subscribe: %s wears a %s' % (cat, hat))
]]

local function command_of(directory, port)
  return ("env PORT=%d /usr/bin/python3 -u spec/fixtures/zeromq.py %s/program.py"):format(port, directory)
end

local function free_port()
  local server <close> = assert(net.serve("tcp://127.0.0.1:0", function() end))
  return server.address.port
end

local function serve()
  local process <const>, _, port <const> = helper.serve("scripts/zeromq.lua --set zeromq.listen=tcp://127.0.0.1:0 " ..
    "--set zeromq.publish=tcp://127.0.0.1:0 --set zeromq.interval=0.005")
  local published <const> = process:wait_for "listening address=.*listening address=tcp://127.0.0.1:(%d+)"
  return process, port, math.tointeger(tonumber(published))
end

describe("the zeromq script", function()
  it("answers the document's client", function()
    local process <close>, port <const> = serve()
    local directory <close> = helper.directory { ["program.py"] = REQUESTING }
    local output <const>, status <const> = helper.run(command_of(directory, port))
    assert.equal(0, status, output)
    for number = 1, 5 do
      local line <const> = ("Sent message #%d, received Stop saying message #%d\n"):format(number, number)
      assert.truthy(output:find(line, 1, true))
    end
    process:signal "TERM"
    process:wait()
  end)

  it("publishes to the document's subscriber what that wants, and nothing else", function()
    local process <close>, _, port <const> = serve()
    local directory <close> = helper.directory { ["program.py"] = SUBSCRIBING }
    local subscriber <close> = helper.start(command_of(directory, port))
    helper.eventually(function()
      return subscriber:output():find "persian wears" and subscriber:output():find "maine coon wears"
    end)
    assert.is_nil(subscriber:output():find("siamese", 1, true))
    assert.is_false(process:has_ended())
  end)
end)

describe("perigee.zeromq", function()
  helper.leaves_nothing(before_each, after_each)

  it("asks the document's server", function()
    local directory <close> = helper.directory { ["program.py"] = REPLYING }
    local port <const> = free_port()
    local req <close> = zeromq.req()
    req:connect("tcp://127.0.0.1:" .. port) -- before it is there
    local server <close> = helper.start(command_of(directory, port))
    for number = 1, 5 do assert.equal("Stop saying " .. number, req:request(tostring(number))) end
    server:wait_for "That voice in my head says: 5"
  end)

  it("receives what the document's publisher sends", function()
    local directory <close> = helper.directory { ["program.py"] = PUBLISHING }
    local port <const> = free_port()
    local sub <close> = zeromq.sub ""
    sub:connect("tcp://127.0.0.1:" .. port)
    local publisher <close> = helper.start(command_of(directory, port))
    local cat <const>, hat <const> = sub:receive(20)
    publisher:wait_for(("Publish: %s wears a %s"):format(cat:gsub("%-", "%%-"), hat:gsub("%-", "%%-")))
    publisher:wait()
  end)
end)
