--- Messages with Python's multiprocessing.connection, as server and as client: each carries a value, as a pickle of
--- which only data is taken (perigee.codec.pickle), or bytes. Both sides may show by a key that they know each other.
---   connection.serve("tcp://127.0.0.1:25000", function(peer)
---     for value in peer:messages() do peer:send(value) end
---   end, { authkey = "peekaboo" })
---   local peer <close> = assert(connection.connect("tcp://127.0.0.1:25000", { authkey = "peekaboo" }))
---   peer:send { 1, 2, 3 }
---   local value = peer:receive()

local checked <const> = require "perigee.options"
local Framing <const> = require "perigee.connection.framing"
local handshake <const> = require "perigee.connection.handshake"
local limiters <const> = require "perigee.auth.limiter"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local pickle <const> = require "perigee.codec.pickle"
local returned <const> = require "perigee.misuse"
local task <const> = require "core.task"

local M <const> = {}

local LIMIT <const> = 64 * 1024 * 1024 -- bytes of a message
local HANDSHAKE_LIMIT <const> = 256
local HANDSHAKE_SECONDS <const> = 10
local CONNECT_SECONDS <const> = 30

--- What a peer sends tells what it can read: that of Python 2 is protocol 2.
local encodings <const> = {}
for protocol = 0, 5 do encodings[protocol] = { protocol = math.min(math.max(protocol, 2), 4) } end

---@class perigee.connection.Peer
---@field conn perigee.Connection underneath: conn.peer, conn.timeout
---@field error string? why the last receive failed
---@field error_code string?
---@field can_go_on boolean? after a receive that has failed: the message was whole, and the next one can be received
---@field package frames perigee.frames
---@field package encoding table options of pickle.encode
---@field package follows boolean the protocol of what it sends is that of what has come
---@field package decoding table and of pickle.decode
local Peer <const> = { __name = "perigee.connection" }
Peer.__index = Peer

local function note(self, message, code, can_go_on)
  self.error, self.error_code, self.can_go_on = message, code, can_go_on
  return nil, message, code
end

--- Sends a value. Raises when it cannot be encoded.
---@param value any
---@return true? sent
---@return string? message
---@return string? code "limit": it is longer than a message may be, and nothing was sent; "closed", "timeout" ...
function Peer:send(value)
  return self.frames:send(pickle.encode(value, self.encoding))
end

--- Sends bytes as they are, for the peer's recv_bytes.
---@param bytes string|perigee.Buffer
---@return true? sent
---@return string? message
---@return string? code
function Peer:send_bytes(bytes)
  return self.frames:send(bytes)
end

--- The next value. After "denied", and after "protocol" and "limit" of a value in a whole message, the one after it can
--- be received: then peer.can_go_on is true.
---@return any value null (of perigee.codec.pickle) for None; nil when there is none
---@return string? message
---@return string? code "closed"; "denied": it names code; "protocol", "limit", "timeout" ...
function Peer:receive()
  local bytes <const>, message <const>, code <const> = self:receive_bytes()
  if not bytes then return nil, message, code end
  if self.follows then self.encoding = encodings[pickle.protocol(bytes)] end
  local value <const>, why, short = pickle.decode(bytes, self.decoding)
  if value ~= nil then return value end
  if not why then return pickle.null end
  if handshake.is_challenge(bytes) then why, short = "it asks for an authkey", "denied" end
  return note(self, ("receive from %s: %s"):format(tostring(self.conn.peer), why), short, true)
end

--- The next message as it is.
---@return string? bytes
---@return string? message
---@return string? code
function Peer:receive_bytes()
  local bytes <const>, message <const>, code <const> = self.frames:receive()
  if bytes then return bytes end
  return note(self, message, code, false)
end

--- An iterator of receive. It ends with the stream, and with the first value that is refused; peer.error tells why.
---@return fun(peer: perigee.connection.Peer): any
---@return perigee.connection.Peer
function Peer:messages()
  return self.receive, self
end

--- Closes. What was sent still goes out.
function Peer:close()
  self.conn:close()
end

Peer.__close = Peer.close

function Peer:__tostring()
  return ("connection with %s"):format(tostring(self.conn.peer))
end

local server_names <const> = { authkey = true, digest = true, limit = true, binary = true, exceptions = true,
  protocol = true, idle_timeout = true, handshake_timeout = true, limiter = true, server = true }
local client_names <const> = { authkey = true, digest = true, limit = true, binary = true, exceptions = true,
  protocol = true, timeout = true, tls = true, server_name = true }

local function check_positive(options, name, otherwise, is_integer)
  local value <const> = options[name]
  if value == nil then return otherwise end
  if type(value) == "number" and value > 0 and (not is_integer or math.tointeger(value)) then return value end
  error(("option '%s' must be %s above 0, not %s"):format(name, is_integer and "an integer" or "seconds",
    tostring(value)), 0)
end

local function check_key(options)
  local key <const> = options.authkey
  if key ~= nil and (type(key) ~= "string" or key == "") then
    error("option 'authkey' must be a string that is not empty", 0)
  end
  local name <const> = options.digest == nil and "sha256" or options.digest
  if not handshake.digests[name] then
    error(("option 'digest' must be sha256, sha384, sha3_256, sha3_384 or md5, not %s"):format(tostring(name)), 0)
  end
  return key, name
end

--- What is common to both sides. The codec checks its own options.
local function check(options, names)
  checked.check_names(options, names)
  local authkey <const>, digest <const> = check_key(options)
  local given <const> = {
    authkey = authkey, digest = digest, limit = math.tointeger(check_positive(options, "limit", LIMIT, true)),
    encoding = { protocol = options.protocol }, follows = options.protocol == nil,
    decoding = { binary = options.binary, exceptions = options.exceptions },
  }
  pickle.encode(nil, given.encoding)
  pickle.decode("N.", given.decoding)
  return given
end

--- A connection, and its handshake when there is a key.
local function open(conn, given, shake_hands, seconds)
  local frames <const> = setmetatable({ conn = conn, limit = HANDSHAKE_LIMIT }, Framing)
  if given.authkey then
    local ok <const>, message <const>, code <const> = task.deadline(seconds, shake_hands, frames, given)
    if not ok then return nil, message, code end
  end
  frames.limit = given.limit
  return setmetatable({ conn = conn, frames = frames, encoding = given.encoding, follows = given.follows,
    decoding = given.decoding }, Peer)
end

local quiet <const> = { closed = true, timeout = true, reset = true }

--- What a peer did wrong is told here: the handler's loop has just ended.
local function report(peer)
  if peer.error and not quiet[peer.error_code] then
    log.refusal("a message was refused", { peer = tostring(peer.conn.peer), reason = peer.error })
  end
end

local function serve(urls, handler, options)
  if type(handler) ~= "function" then error("bad argument 'handler' (a function expected)", 0) end
  local given <const> = check(options, server_names)
  local seconds <const> = check_positive(options, "handshake_timeout", HANDSHAKE_SECONDS)
  local idle <const> = check_positive(options, "idle_timeout", math.huge)
  if options.limiter ~= false then given.limiter = options.limiter or limiters.new() end
  return net.serve(urls, function(conn)
    local peer <const>, message <const>, code <const> = open(conn, given, handshake.serve, seconds)
    if not peer then
      if code ~= "closed" and code ~= "reset" then
        log.refusal("a peer was turned away", { peer = tostring(conn.peer), reason = message })
      end
      return
    end
    conn.timeout = idle
    handler(peer)
    report(peer)
  end, options.server)
end

--- Serves one or more addresses: handler(peer) runs in a task for each connection whose peer has the key, and the
--- connection is closed when it ends. A Unix socket is unix:/path. Peers of all versions of Python are understood.
---
--- Options: authkey (default: none is asked for), digest (that is asked for: "sha256", the default, "sha384",
--- "sha3_256", "sha3_384", or "md5", which looks as in Python up to 3.11; older peers answer by MD5 in any case),
--- limiter (of perigee.auth: peers that fail too often are turned away; false: none), handshake_timeout (seconds,
--- default 10), idle_timeout (seconds that receive waits, default for ever), limit (bytes of a message, default 64
--- MiB), binary ("buffer": bytes come as perigee.buffer; default "string"), exceptions (true: those of Python are
--- taken), protocol (of the pickles that are sent, 0 to 5; default 4, or less when the peer's own are of less), server
--- (options of net.serve).
---@param urls string|perigee.Descriptor|(string|perigee.Descriptor)[]
---@param handler fun(peer: perigee.connection.Peer)
---@param options table?
---@return perigee.Server? server
---@return string? message
---@return string? code "exists", "denied", "unreachable"
function M.serve(urls, handler, options)
  return returned(pcall(serve, urls, handler, options or {}))
end

local function connect(url, options)
  local given <const> = check(options, client_names)
  local timeout <const> = check_positive(options, "timeout", nil)
  local began <const> = task.now()
  local conn <const>, message <const>, code <const> = net.connect(url, { timeout = timeout, tls = options.tls,
    server_name = options.server_name })
  if not conn then return nil, message, code end
  local left <const> = math.max(0, began + (timeout or CONNECT_SECONDS) - task.now())
  local peer <const>, why <const>, short <const> = open(conn, given, handshake.connect, left)
  if not peer then
    conn:close()
    return nil, ("connect %s: %s"):format(url, why), short
  end
  return peer
end

--- Connects to a multiprocessing.connection.Listener, or to one of ours.
---
--- Options: authkey, digest, limit, binary, exceptions and protocol, as of serve; timeout (seconds for the whole
--- connect, default 30; then also for each receive), tls and server_name of net.connect.
---@param url string
---@param options table?
---@return perigee.connection.Peer? peer
---@return string? message
---@return string? code "denied": the keys differ; "timeout", "refused" ...
function M.connect(url, options)
  return returned(pcall(connect, url, options or {}))
end

return M
