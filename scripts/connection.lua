--- Connection: talks with Python's multiprocessing.connection (document 000, 11.7 and 11.8). Echo sends every value
--- back; the other address calls functions. Both want the key.
---   c = Client(('localhost', 25000), authkey=b'peekaboo'); c.send([1, 2, 3]); print(c.recv())
---   proxy = RPCProxy(Client(('localhost', 17000), authkey=b'peekaboo')); print(proxy.add(2, 3))

local connection <const> = require "perigee.connection"
local log <const> = require "perigee.log"
local pickle <const> = require "perigee.codec.pickle"
local rpc <const> = require "perigee.rpc"
local service <const> = require "perigee.service"

local options <const> = service.options {
  echo = { "tcp://127.0.0.1:25000" },
  rpc = { "tcp://127.0.0.1:17000" },
  authkey = "peekaboo",
  digest = "sha256", -- that peers since Python 3.12 are asked for; older ones answer by MD5
}

--- The next value; in the place of one that Lua has not, such as a date, the exception that tells so.
local function receive(peer)
  local value <const>, message <const> = peer:receive()
  if value ~= nil or not peer.can_go_on then return value end
  log.refusal("a value was refused", { peer = tostring(peer.conn.peer), reason = message })
  return pickle.exception("ValueError", message)
end

local function echo(peer)
  for value in receive, peer do
    local sent <const>, message <const> = peer:send(value)
    if not sent then
      return log.refusal("a value was not sent back", { peer = tostring(peer.conn.peer), reason = message })
    end
  end
end

connection.serve(options.echo, echo, {
  authkey = options.authkey, digest = options.digest, binary = "buffer", exceptions = true,
})

local functions <const> = rpc.service {
  add = function(x, y) return x + y end,
  sub = function(x, y) return x - y end,
}

functions:serve { connection = { options.rpc, authkey = options.authkey, digest = options.digest } }
