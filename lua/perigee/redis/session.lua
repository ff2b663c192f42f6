--- One connection to a Redis, from connect to the point where it takes commands: TLS, RESP3 or RESP2, user and
--- password, the client's name, the database.

local core <const> = require "core.task"
local net <const> = require "perigee.net"
local resp <const> = require "perigee.codec.resp"

local M <const> = {}

local ERROR <const> = getmetatable(resp.error "")

--- Is this reply an error that the server reports?
local function is_error(reply)
  return type(reply) == "table" and getmetatable(reply) == ERROR
end

--- Sends commands in one piece and reads a reply to each: replies, or nil, message, code.
local function ask(session, commands)
  local sent <const>, why <const>, short <const> = session.conn:write(table.concat(commands))
  if not sent then return nil, why, short end
  local replies <const> = {}
  while #replies < #commands do
    local reply <const>, note <const>, code <const> = session.reader:next()
    if reply == nil and note then return nil, note, code end
    if note ~= "push" then replies[#replies + 1] = reply == nil and resp.null or reply end
  end
  return replies
end

-- What the server says when it will say something else soon, and what that is called.
local PASSING <const> = { LOADING = "refused", BUSY = "refused", MASTERDOWN = "refused", TRYAGAIN = "refused",
  CLUSTERDOWN = "refused", UNKILLABLE = "refused" }
local DENIED <const> = { WRONGPASS = true, NOAUTH = true, NOPERM = true, DENIED = true }

--- The code of an error reply, and whether it is worth another attempt to connect.
---@return string code
---@return boolean is_passing
function M.code_of(failure)
  local text <const> = failure.message
  local is_denied <const> = DENIED[failure.kind] or text:find "^ERR .*AUTH" or text:find "^ERR invalid password"
  if is_denied then return "denied", false end
  if PASSING[failure.kind] then return PASSING[failure.kind], true end
  if text:find "^ERR max number of clients" or failure.kind == "OOM" then return "limit", true end
  return "failed", false
end

-- Codes of failures that come again when nobody does anything about them.
local LASTING <const> = { denied = true, tls = true, protocol = true, failed = true }

--- nil, message, code, is_lasting of an error reply.
local function refused(what, failure)
  local code <const>, is_passing <const> = M.code_of(failure)
  return nil, ("%s: %s"):format(what, failure.message), code, not is_passing
end

local function is_unknown(reply)
  return reply.kind == "NOPROTO" or reply.message:find "^ERR unknown command" ~= nil
end

--- HELLO 3 with all that it can say. false: the server speaks RESP2 only.
local function say_hello(session, settings)
  local words <const> = { "HELLO", 3 }
  if settings.password then table.move({ "AUTH", settings.user or "default", settings.password }, 1, 3, 3, words) end
  if settings.name then table.move({ "SETNAME", settings.name }, 1, 2, #words + 1, words) end
  local replies <const>, message <const>, code <const> = ask(session, { resp.command(table.unpack(words)) })
  if not replies then return nil, message, code end
  local reply <const> = replies[1]
  if is_error(reply) and is_unknown(reply) then return false end
  if is_error(reply) then return refused("HELLO", reply) end
  if type(reply) ~= "table" then return nil, "HELLO: the server's reply is no map", "protocol" end
  session.protocol, session.version = 3, type(reply.version) == "string" and reply.version or nil
  return true
end

--- Steps are lists of a name and a command; what the server says to each is checked, but for those that are optional.
local function take_steps(session, steps)
  local commands <const> = {}
  for i, step in ipairs(steps) do commands[i] = step[2] end
  local replies <const>, message <const>, code <const> = ask(session, commands)
  if not replies then return nil, message, code end
  for i, step in ipairs(steps) do
    local reply <const> = replies[i]
    local is_fatal <const> = is_error(reply) and (not step.optional or select(2, M.code_of(reply))
      or reply.kind == "NOAUTH")
    if is_fatal then return refused(step[1], reply) end
  end
  return true
end

--- What RESP2 says in several commands.
local function old_steps(settings)
  local steps <const> = {}
  if settings.password then
    local command <const> = settings.user and resp.command("AUTH", settings.user, settings.password)
      or resp.command("AUTH", settings.password)
    steps[1] = { "AUTH", command }
  end
  if settings.name then
    steps[#steps + 1] = { "CLIENT SETNAME", resp.command("CLIENT", "SETNAME", settings.name), optional = true }
  end
  return steps
end

--- PING shows whether commands are taken: a server that loads its data greets, but takes none. Whoever may not PING may
--- do other things.
local function introduce(session, settings)
  local greeted, message, code, is_lasting = false, nil, nil, nil
  if settings.protocol == 3 then greeted, message, code, is_lasting = say_hello(session, settings) end
  if greeted == nil then return nil, message, code, is_lasting end
  local steps <const> = greeted and {} or old_steps(settings)
  if settings.database ~= 0 then
    steps[#steps + 1] = { "SELECT " .. settings.database, resp.command("SELECT", settings.database) }
  end
  steps[#steps + 1] = { "PING", resp.command "PING", optional = true }
  return take_steps(session, steps)
end

local function open(settings)
  local conn <const>, message <const>, code <const> = net.connect(settings.address,
    { timeout = settings.timeout, tls = settings.tls, server_name = settings.server_name })
  if not conn then return nil, message, code, LASTING[code] end
  local session <const> = { conn = conn, protocol = 2, is_kept = false }
  local _ <close> = setmetatable({}, { __close = function() if not session.is_kept then conn:abort() end end })
  session.reader = resp.reader(conn, { limit = settings.limit })
  conn.high_water = 0xFFFFFFFF -- what is written at once is bounded by who writes
  local ready <const>, why <const>, short <const>, is_lasting <const> = introduce(session, settings)
  if not ready then
    return nil, ("greet %s: %s"):format(settings.shown, why), short, is_lasting or LASTING[short]
  end
  session.is_kept = true
  return session
end

--- Connects and greets, within settings.timeout.
---@param settings perigee.redis.Settings
---@return { conn: perigee.Connection, reader: any, protocol: 2|3, version: string? }? session
---@return string? message
---@return string? code
---@return boolean? is_lasting nothing but another password, certificate ... will help
function M.open(settings)
  local session <const>, message <const>, code <const>, is_lasting <const> =
    core.deadline(settings.timeout, open, settings)
  if session then return session end
  if code ~= "timeout" then return nil, message, code, is_lasting or false end
  return nil, ("connect to %s: no answer within %g s"):format(settings.shown, settings.timeout), code, false
end

M.is_error = is_error

--- Does the server say that it takes no writes? From scripts older versions say it within their message.
---@param reply any
---@return boolean
function M.is_read_only(reply)
  return is_error(reply) and (reply.kind == "READONLY" or reply.message:find(" -READONLY ", 1, true) ~= nil)
end

return M
