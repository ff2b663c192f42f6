--- The authkey of Python's multiprocessing.connection: each side answers the other's challenge with its HMAC. Up to
--- Python 3.11 the challenge is 20 random bytes and the answer their HMAC by MD5; since 3.12 the challenge begins with
--- the name of a digest in braces, and the answer too. Older peers take the whole for random bytes.

local digest <const> = require "core.digest"

local CHALLENGE <const>, WELCOME <const>, FAILURE <const> = "#CHALLENGE#", "#WELCOME#", "#FAILURE#"
local LEGACY_CHALLENGE <const>, LEGACY_ANSWER <const> = 20, 16 -- bytes
local RANDOM <const> = 40                                      -- bytes of a challenge since 3.12

local M <const> = {}

--- What Python takes, and OpenSSL's names for it.
---@type table<string, string>
M.digests = { md5 = "md5", sha256 = "sha256", sha384 = "sha384", sha3_256 = "sha3-256", sha3_384 = "sha3-384" }

--- Challenges of clients of ours that are not answered yet. A server that sends us one has got it from us, on another
--- connection, and wants the answer.
local pending <const> = {}

local function fail(messages, code, text)
  return nil, ("authenticate %s: %s"):format(tostring(messages.conn.peer), text), code
end

--- The digest that a challenge or an answer names, and what follows; false for the old form.
local function parse(message)
  if #message == LEGACY_CHALLENGE or #message == LEGACY_ANSWER then return false, message end
  local name <const>, rest <const> = message:match "^{([%w_]+)}(.*)$"
  if name and M.digests[name] then return name, rest end
end

local function new_challenge(name)
  if name == "md5" then return digest.random(LEGACY_CHALLENGE) end
  return ("{%s}"):format(name) .. digest.random(RANDOM)
end

--- What must be the HMAC of the whole challenge, with its name: so nobody can have it answered by a weaker digest.
local function is_right(key, challenge, answer)
  local name <const>, signature <const> = parse(answer)
  if name == nil then return false end
  return digest.equal(signature, digest.hmac(key, challenge, M.digests[name or "md5"]))
end

local function judge(conn, limiter, key, challenge, answer)
  if limiter and not limiter:allows(conn) then return "limit", "it has failed too often" end
  if is_right(key, challenge, answer) then return nil end
  if limiter then limiter:note_failure(conn) end
  return "denied", "the peer has another authkey"
end

--- Asks the peer. It is told when its answer is wrong.
local function ask(messages, given, role)
  local challenge <const> = new_challenge(given.digest)
  pending[challenge] = role
  local _ <close> = setmetatable({}, { __close = function() pending[challenge] = nil end })
  local sent <const>, message <const>, code <const> = messages:send(CHALLENGE, challenge)
  if not sent then return nil, message, code end
  local answer <const>, why <const>, short <const> = messages:receive()
  if not answer then return nil, why, short end
  local wrong <const>, reason <const> = judge(messages.conn, given.limiter, given.authkey, challenge, answer)
  if not wrong then return messages:send(WELCOME) end
  messages:send(FAILURE)
  return fail(messages, wrong, reason)
end

local function answer_to(key, challenge)
  local name <const> = parse(challenge)
  if name == nil then return nil end
  if not name then return digest.hmac(key, challenge, "md5") end
  return ("{%s}"):format(name) .. digest.hmac(key, challenge, M.digests[name])
end

--- Answers the peer.
local function answer(messages, given, role)
  local message <const>, why <const>, code <const> = messages:receive()
  if not message then return nil, why, code end
  if not M.is_challenge(message) then return fail(messages, "protocol", "it sends no challenge") end
  local challenge <const> = message:sub(#CHALLENGE + 1)
  if #challenge < LEGACY_CHALLENGE then return fail(messages, "protocol", "its challenge is too short") end
  if pending[challenge] == role then return fail(messages, "denied", "it sends a challenge of ours") end
  local reply <const> = answer_to(given.authkey, challenge)
  if not reply then return fail(messages, "protocol", "its challenge names a digest that is not known") end
  local sent <const>, problem <const>, short <const> = messages:send(reply)
  if not sent then return nil, problem, short end
  local verdict <const>, reason <const>, kind <const> = messages:receive()
  if not verdict then return nil, reason, kind end
  if verdict ~= WELCOME then return fail(messages, "denied", "it does not take our authkey") end
  return true
end

--- Is this what a peer sends first that wants a key?
---@param message string
---@return boolean
function M.is_challenge(message)
  return message:sub(1, #CHALLENGE) == CHALLENGE
end

--- The server's side, which asks first. Messages are those of perigee.connection.framing.
---@param messages perigee.frames
---@param given { authkey: string, digest: string, limiter: perigee.auth.Limiter? }
---@return true? ok
---@return string? message
---@return string? code
function M.serve(messages, given)
  local ok <const>, message <const>, code <const> = ask(messages, given, "server")
  if not ok then return nil, message, code end
  return answer(messages, given, "server")
end

--- The client's side.
---@param messages perigee.frames
---@param given { authkey: string, digest: string }
---@return true? ok
---@return string? message
---@return string? code
function M.connect(messages, given)
  local ok <const>, message <const>, code <const> = answer(messages, given, "client")
  if not ok then return nil, message, code end
  return ask(messages, given, "client")
end

return M
