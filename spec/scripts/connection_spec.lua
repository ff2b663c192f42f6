local helper <const> = require "spec.helper"
local connection <const> = require "perigee.connection"
local pickle <const> = require "perigee.codec.pickle"
local rpc <const> = require "perigee.rpc"

-- The programs of document 000 (11.7, 11.8) are in spec/fixtures/documents as they are printed there: the server's and
-- the client's part apart, each with its imports. spec/fixtures/ports.py runs them with other ports.

local PYTHON <const> = "/usr/bin/python3 -u "

local function run_document(name, ports, before)
  return ("%s%s spec/fixtures/ports.py spec/fixtures/documents/%s.py %s"):format(PYTHON, before or "", name, ports)
end

--- Serves the script at free ports: the process, and the ports of its two addresses.
local function serve(more)
  local options <const> = "--set connection.echo=tcp://127.0.0.1:0 --set connection.rpc=tcp://127.0.0.1:0 "
  local process <const> =
    helper.start(("%s run --drain 0 scripts/connection.lua %s%s"):format(helper.binary, options, more or ""))
  local echo <const>, functions <const> =
    process:wait_for "listening address=tcp://127.0.0.1:(%d+).-listening address=tcp://127.0.0.1:(%d+)"
  return process, echo, functions
end

local function python(program, ...)
  return helper.python("import sys, pickle\nfrom multiprocessing.connection import Client\n" .. program,
    table.concat({ ... }, " "))
end

describe("the connection script", function()
  helper.leaves_nothing(before_each, after_each)

  it("serves the echo client of document 000, 11.7", function()
    local _ <close>, echo <const> = serve()
    assert.same({ "hello\n[1, 2, 3, 4, 5]\n", 0 }, { helper.run(run_document("000_11_7_client", "25000=" .. echo)) })
  end)

  it("makes no error of a client that goes while it is sent its value", function()
    if helper.is_tiny then return end
    local server <close>, echo <const> = serve()
    assert.same({ "", 0 }, { python([[
import os, socket, struct
client = Client(('127.0.0.1', int(sys.argv[1])), authkey=b'peekaboo')
client.send('x' * 20000000)
there = socket.socket(fileno=os.dup(client.fileno()))
there.recv(4)
there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
]], echo) })
    server:wait_for "warn *connection  a value was not sent back peer=tcp://[%d.:]+ reason="
    assert.is_nil(server:output():find("error", 1, true), server:output())
  end)

  it("serves it as Python speaks since 3.12, and asks for SHA-256", function()
    local _ <close>, echo <const> = serve()
    local output <const>, status <const> =
      helper.run(run_document("000_11_7_client", "25000=" .. echo, "spec/fixtures/new_authkey.py"))
    assert.same({ "asked for sha256\nanswered by sha256\nhello\n[1, 2, 3, 4, 5]\n", 0 }, { output, status })
  end)

  it("can ask as Python up to 3.11 does", function()
    local _ <close>, echo <const> = serve "--set connection.digest=md5"
    local output <const>, status <const> =
      helper.run(run_document("000_11_7_client", "25000=" .. echo, "spec/fixtures/new_authkey.py"))
    assert.same({ "asked for nameless md5\nanswered by sha256\nhello\n[1, 2, 3, 4, 5]\n", 0 }, { output, status })
  end)

  it("serves the proxy of document 000, 11.8", function()
    local _ <close>, _ <const>, functions <const> = serve()
    assert.same({ "5\n-1\n", 0 }, { helper.run(run_document("000_11_8_client", "17000=" .. functions)) })
  end)

  it("serves a proxy that speaks JSON", function()
    local _ <close>, _ <const>, functions <const> = serve()
    local output <const>, status <const> = python([[
import json
c = Client(('localhost', int(sys.argv[1])), authkey=b'peekaboo')
def call(name, *args, **kwargs):
    c.send(json.dumps((name, args, kwargs)))
    result = json.loads(c.recv())
    return sorted(result['error'].items()) if isinstance(result, dict) else result
print(call('add', 2, 3), call('sub', 2, 3), call('sub', y=2, x=3), call('sub', 2, y=0.5), call('mul', 1))
]], functions)
    assert.same({ "5 -1 1 1.5 [('code', -32601), ('message', 'there is no method mul')]\n", 0 },
      { output, status })
  end)

  it("gives back every value as Python sent it, in each protocol", function()
    local _ <close>, echo <const> = serve()
    local output <const>, status <const> = python([==[
from math import inf, nan
c = Client(('localhost', int(sys.argv[1])), authkey=b'peekaboo')
shared = ['twice']
values = [
    None, True, False, 0, 255, -1, 65536, 2**31, -2**31, 2**63 - 1, -2**63, 0.0, -0.0, 0.1, 1e308, inf, -inf,
    '', 'text', 'é€😀\0\n\r\x1a\\u0041', '\ud800', 'long' * 100, b'', b'bytes', bytes(range(256)) * 2, bytearray(b'x'),
    [], [1, 2, 3], list(range(3000)), (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {'a': 1}, {1: 'x', -5: 'y'},
    {None: 1, True: 2, 2.5: 3, b'k': 4, (1, 'a', (2,)): 5, frozenset([1]): 6}, set(), {1, 'a', (2, 3)}, frozenset('ab'),
    [shared, shared, {'again': shared}], [[[[]]], {'x': [(), {'y': None}]}], [{'name': 'n%d' % i} for i in range(500)],
]
wrong = []
for protocol in range(6):
    for value in values:
        c.send_bytes(pickle.dumps(value, protocol))
        answer = c.recv()
        if answer != value or repr(answer) != repr(value) and not isinstance(value, (set, frozenset, dict, bytearray)):
            wrong.append((protocol, value, answer))
    c.send_bytes(pickle.dumps(nan, protocol))
    if repr(c.recv()) != 'nan': wrong.append((protocol, nan))
    c.send_bytes(pickle.dumps([shared, shared], protocol))
    answer = c.recv()
    if answer[0] is not answer[1]: wrong.append((protocol, 'no longer shared'))
    c.send_bytes(pickle.dumps(KeyError('key', 2), protocol))
    if repr(c.recv()) != "KeyError('key', 2)": wrong.append((protocol, 'an exception'))
print(wrong)
]==], echo)
    assert.same({ "[]\n", 0 }, { output, status })
  end)

  it("tells a client that its key is wrong, and logs it", function()
    local process <close>, echo <const> = serve()
    local output <const>, status <const> = python([[
try: Client(('localhost', int(sys.argv[1])), authkey=b'wrong')
except Exception as e: print(repr(e))
]], echo)
    assert.same({ "AuthenticationError('digest sent was rejected')\n", 0 }, { output, status })
    process:wait_for "a peer was turned away peer=%S+ reason=[^\n]*another authkey"
  end)

  it("calls nothing that a pickle names: the client and the log are told", function()
    local process <close>, echo <const> = serve()
    local output <const>, status <const> = python([[
import os
class Bad:
    def __reduce__(self): return os.system, ('echo pwned > ' + sys.argv[2],)
c = Client(('localhost', int(sys.argv[1])), authkey=b'peekaboo')
import datetime
for value in [Bad()], 2 ** 64, datetime.date(2020, 1, 1), [7]:
    c.send(value)
    print(repr(c.recv())[:11], os.path.exists(sys.argv[2]))
]], echo, helper.temporary_name())
    assert.same({ ("ValueError( False\n"):rep(3) .. "[7] False\n", 0 }, { output, status })
    process:wait_for "a value was refused peer=%S+ reason=[^\n]*pickle names posix.system at byte %d+: only data"
  end)

  it("answers a pickled call that names code with an exception, and goes on", function()
    local process <close>, _ <const>, functions <const> = serve()
    local output <const>, status <const> = python([[
import os
class Bad:
    def __reduce__(self): return os.system, ('false',)
c = Client(('localhost', int(sys.argv[1])), authkey=b'peekaboo')
def call(*request):
    c.send(pickle.dumps(request))
    return pickle.loads(c.recv())
for request in ('add', (Bad(), 1), {}), ('mul', (), {}), ('add', (1, 2, 3), {}), ('add', (1,), {'z': 1}), (1,), ():
    print(repr(call(*request)))
print(call('add', ('a', 1), {}), call('add', (1, 2), {}))
]], functions)
    assert.same({ [[
ValueError('pickle names posix.system at byte 35: only data is taken')
KeyError('there is no method mul')
TypeError('add takes 2 parameters, not 3')
TypeError('add has no parameter z')
TypeError('a request is the name of a function, its arguments and its keyword arguments')
TypeError('a request is the name of a function, its arguments and its keyword arguments')
internal error 3
]], 0 }, { output, status })
    process:wait_for "a method has failed method=add"
  end)
end)

describe("our clients of perigee.connection", function()
  helper.leaves_nothing(before_each, after_each)

  for name, before in pairs { ["the echo server of document 000, 11.7"] = "",
    ["that server as Python speaks since 3.12"] = "spec/fixtures/new_authkey.py" } do
    it("talk with " .. name, function()
      local server <close> = helper.start(run_document("000_11_7_server", "25000=0", before))
      local url <const> = "tcp://127.0.0.1:" .. server:wait_for "port (%d+)"
      local peer <close> = assert(connection.connect(url, { authkey = "peekaboo", timeout = 20 }))
      for _, value in ipairs { "hello", { 1, 2, 3 }, 1.5, { a = { b = pickle.null } } } do
        assert(peer:send(value))
        assert.same(value, (assert(peer:receive())))
      end
      assert(peer:send(nil))
      assert.equal(pickle.null, peer:receive())
      peer:close()
      server:wait_for "Connection closed"
    end)
  end

  it("are told by that server that their key is wrong, and it too", function()
    local server <close> = helper.start(run_document("000_11_7_server", "25000=0"))
    local url <const> = "tcp://127.0.0.1:" .. server:wait_for "port (%d+)"
    local peer <const>, message <const>, code <const> = connection.connect(url, { authkey = "wrong", timeout = 20 })
    assert.is_nil(peer)
    assert.matches("it does not take our authkey$", message)
    assert.equal("denied", code)
    server:wait_for "AuthenticationError"
  end)

  it("call the functions of the server of document 000, 11.8", function()
    local server <close> = helper.start(run_document("000_11_8_server", "17000=0"))
    local url <const> = "tcp://127.0.0.1:" .. server:wait_for "port (%d+)"
    local remote <close> = rpc.connect(url, { protocol = "connection", authkey = "peekaboo" })
    assert.same({ 5, -1 }, { remote.add(2, 3), remote.sub(2, 3) })
    local ok <const>, raised <const> = pcall(remote.mul, 1)
    assert.same({ false, rpc.codes.NOT_FOUND, "mul" }, { ok, raised.code, raised.message })
    local _ <const>, wrong <const> = pcall(remote.add, 1)
    assert.same({ rpc.codes.INVALID_PARAMETERS, "add() missing 1 required positional argument: 'y'" },
      { wrong.code, wrong.message })
    local result <const>, message <const>, code <const> = rpc.try(remote, "add", 1, "a")
    assert.same({ nil, "unsupported operand type(s) for +: 'int' and 'str'", rpc.codes.APPLICATION },
      { result, message, code })
  end)
end)
