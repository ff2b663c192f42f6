--- Shows by a secret key that is never sent who is at the other end (HMAC, RFC 2104): the server sends bytes that
--- nobody has seen before, and the client answers with their HMAC. What follows is neither encrypted nor signed: for
--- that, there is tls://.
---   net.serve("tcp://127.0.0.1:18000", function(conn)
---     if not auth.challenge(conn, "peekaboo") then return end
---     ...
---   local conn = assert(net.connect "tcp://127.0.0.1:18000")
---   assert(auth.answer(conn, "peekaboo"))

local checked <const> = require "perigee.options"
local digest <const> = require "core.digest"
local limiters <const> = require "perigee.auth.limiter"
local task <const> = require "core.task"

local CHALLENGE <const> = 32 -- bytes
local SECONDS <const> = 10   -- for all of it

local M <const> = { limiter = limiters.new }

local known <const> = { digest = true, mutual = true, timeout = true, limiter = true }

local function check(conn, key, options)
  if not (type(conn) == "userdata" or type(conn) == "table") or not conn.read then
    error("bad argument 'conn' (a connection expected)", 3)
  end
  if type(key) ~= "string" or key == "" then error("bad argument 'key' (a string that is not empty expected)", 3) end
  local given <const> = options == nil and {} or options
  checked.check_names(given, known, 3)
  local name <const> = given.digest == nil and "sha256" or given.digest
  if type(name) ~= "string" or not pcall(digest.hmac, key, "", name) then
    error(("option 'digest': there is no digest '%s'"):format(tostring(name)), 3)
  end
  local seconds <const> = given.timeout == nil and SECONDS or given.timeout
  if type(seconds) ~= "number" or seconds <= 0 then error("option 'timeout' must be seconds above 0", 3) end
  local function sign(...) return digest.hmac(key, table.concat { ... }, name) end
  return { sign = sign, size = #sign "", mutual = given.mutual, seconds = seconds, limiter = given.limiter }
end

local function fail(conn, code, text)
  return nil, ("authenticate %s: %s"):format(tostring(conn.peer), text), code
end

local function ended(conn, message, code)
  if code == "closed" then return fail(conn, code, "the connection was closed") end
  return nil, message, code
end

local function within(conn, seconds, f, given)
  local ok <const>, message <const>, code <const> = task.deadline(seconds, f, conn, given)
  if code == "timeout" then return fail(conn, code, ("no answer in %g seconds"):format(seconds)) end
  return ok, message, code
end

--- Who is turned away now fails as well when its answer is under way: no more is compared.
local function judge(conn, limiter, is_right)
  if limiter and not limiter:allows(conn) then return fail(conn, "limit", "it has failed too often") end
  if is_right() then return true end
  if limiter then limiter:note_failure(conn) end
  return fail(conn, "denied", "the key is wrong")
end

-- The server's side.

local function challenge_plain(conn, given, challenge)
  local answer <const>, message <const>, code <const> = conn:read(given.size)
  if not answer then return ended(conn, message, code) end
  return judge(conn, given.limiter, function() return digest.equal(answer, given.sign(challenge)) end)
end

--- Each side signs both challenges, and which side it is: an answer fits nowhere else.
local function challenge_mutual(conn, given, challenge)
  local answer <const>, message <const>, code <const> = conn:read(CHALLENGE + given.size)
  if not answer then return ended(conn, message, code) end
  local theirs <const>, signature <const> = answer:sub(1, CHALLENGE), answer:sub(CHALLENGE + 1)
  local ok <const>, why <const>, short <const> = judge(conn, given.limiter, function()
    return digest.equal(signature, given.sign("client", challenge, theirs))
  end)
  if not ok then return nil, why, short end
  return conn:write(given.sign("server", theirs, challenge))
end

local function send_challenge(conn, given)
  local challenge <const> = digest.random(CHALLENGE)
  local sent <const>, message <const>, code <const> = conn:write(challenge)
  if not sent then return nil, message, code end
  return (given.mutual and challenge_mutual or challenge_plain)(conn, given, challenge)
end

local default

--- The server's side: asks the peer to show that it has the key. On failure the connection is to be closed.
---
--- Options: digest (of OpenSSL's, default "sha256"; the peer must have the same), mutual (true: the peer asks as well,
--- see answer), timeout (seconds for all of it, default 10), limiter (of auth.limiter; default one for the process;
--- false: none): a peer that has failed too often is turned away, and what it answers is not looked at.
---@param conn perigee.Connection
---@param key string
---@param options { digest: string?, mutual: boolean?, timeout: number?, limiter: perigee.auth.Limiter|false|nil }?
---@return true? authenticated
---@return string? message
---@return string? code "denied": the key is wrong; "limit": it was too often; "timeout", "closed"
function M.challenge(conn, key, options)
  local given <const> = check(conn, key, options)
  default = default or limiters.new()
  if given.limiter == nil then given.limiter = default end
  if given.limiter and not given.limiter:allows(conn) then
    return fail(conn, "limit", "it has failed too often")
  end
  return within(conn, given.seconds, send_challenge, given)
end

-- The client's side.

local function answer_mutual(conn, given, challenge)
  local mine <const> = digest.random(CHALLENGE)
  local sent <const>, message <const>, code <const> = conn:write(mine, given.sign("client", challenge, mine))
  if not sent then return nil, message, code end
  local answer <const>, why <const>, short <const> = conn:read(given.size)
  if not answer and short == "closed" then return fail(conn, "denied", "the server refuses the key") end
  if not answer then return nil, why, short end
  if digest.equal(answer, given.sign("server", mine, challenge)) then return true end
  return fail(conn, "denied", "the server does not have the key")
end

local function answer(conn, given)
  local challenge <const>, message <const>, code <const> = conn:read(CHALLENGE)
  if not challenge then return ended(conn, message, code) end
  if given.mutual then return answer_mutual(conn, given, challenge) end
  return conn:write(given.sign(challenge))
end

--- The client's side: answers the peer's challenge. Whether the peer is content shows in what follows: it closes the
--- connection when not.
---
--- With the option mutual, which the peer needs too, it asks in its turn: after the server's challenge S, 32 bytes, it
--- sends 32 bytes C and HMAC("client" S C), and the server answers HMAC("server" C S). It fails when the server does
--- not have the key. Options: digest, mutual and timeout, as of challenge.
---@param conn perigee.Connection
---@param key string
---@param options { digest: string?, mutual: boolean?, timeout: number? }?
---@return true? answered
---@return string? message
---@return string? code "denied": with mutual, the key is wrong; "timeout", "closed"
function M.answer(conn, key, options)
  local given <const> = check(conn, key, options)
  return within(conn, given.seconds, answer, given)
end

return M
