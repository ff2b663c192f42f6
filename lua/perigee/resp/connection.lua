--- The commands of RESP that are about the connection itself: PING ECHO HELLO AUTH SELECT CLIENT QUIT RESET, and what
--- clients ask of a server before they begin: CONFIG GET, INFO.

local about <const> = require "perigee.resp.about"
local answers <const> = require "perigee.resp.answers"
local codec <const> = require "perigee.codec.resp"
local digest <const> = require "core.digest"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local numbers <const> = require "perigee.resp.numbers"
local task <const> = require "perigee.task"

local M <const> = {}

local USER <const> = "default"

local OK <const>, PONG <const>, RESET <const> = codec.simple "OK", codec.simple "PONG", codec.simple "RESET"
local SYNTAX <const> = codec.error "ERR syntax error"
local WRONG_PASSWORD <const> = codec.error "WRONGPASS invalid username-password pair or user is disabled."
local NO_PASSWORD <const> = codec.error("ERR AUTH <password> called without any password configured for the default " ..
  "user. Are you sure your configuration is correct?")
local BAD_NAME <const> = codec.error "ERR Client names cannot contain spaces, newlines or special characters."
local BAD_VERSION <const> = codec.error "ERR Protocol version is not an integer or out of range"
local NO_VERSION <const> = codec.error "NOPROTO unsupported protocol version"
local HELLO_FIRST <const> = codec.error("NOAUTH HELLO must be called with the client already authenticated, " ..
  "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP " ..
  "protocol version at the same time")
local NO_DATABASE <const> = codec.error "ERR DB index is out of range"

local function wrong_count(name)
  return codec.error(("ERR wrong number of arguments for '%s' command"):format(name))
end

-- PING and ECHO.

local function ping(client, text, more)
  if more then return wrong_count "ping" end
  if client:listens_only() then return { "pong", text or "" } end
  return text or PONG
end

local function echo(_, text) return text end

-- Names and passwords.

local function is_name(text)
  return not text:find "[^!-~]"
end

--- The error, if the pair does not open the door.
local function check_pair(password, user, given)
  if not password then return user ~= USER and WRONG_PASSWORD or nil end
  local is_right <const> = digest.equal(digest.digest(given), digest.digest(password))
  if user ~= USER or not is_right then return WRONG_PASSWORD end
end

local function auth_with(password)
  return function(client, first, second, more)
    if more then return SYNTAX end
    if not second and not password then return NO_PASSWORD end
    local problem <const> = check_pair(password, second and first or USER, second or first)
    if problem then return problem end
    if not client.is_trusted then client:trust(true) end
    return OK
  end
end

-- HELLO.

local function hello_error(option)
  return codec.error(("ERR Syntax error in HELLO option '%s'"):format(option:sub(1, 128)))
end

--- AUTH user password and SETNAME name, in whatever order; or the error.
local function hello_options(words)
  local given <const>, at = {}, 1
  while at <= #words do
    local option <const> = words[at]:upper()
    if option == "AUTH" and at + 2 <= #words then
      given.user, given.password = words[at + 1], words[at + 2]
      at = at + 3
    elseif option == "SETNAME" and at + 1 <= #words then
      given.name = words[at + 1]
      at = at + 2
    else
      return nil, hello_error(words[at])
    end
  end
  return given
end

local function hello_version(client, text)
  if not text then return client.version end
  local version <const> = numbers.integer(text)
  if not version then return nil, BAD_VERSION end
  if version ~= 2 and version ~= 3 then return nil, NO_VERSION end
  return version
end

local function greeting(client)
  return {
    server = "redis", version = about.COMPATIBLE, proto = client.version, id = client.id, mode = "standalone",
    role = "master", modules = json.array {},
  }
end

local function hello_with(password)
  return function(client, text, ...)
    local version <const>, bad <const> = hello_version(client, text)
    if not version then return bad end
    local given <const>, problem <const> = hello_options { ... }
    if not given then return problem end
    if given.name and not is_name(given.name) then return BAD_NAME end
    local wrong <const> = given.user and check_pair(password, given.user, given.password)
    if wrong then return wrong end
    if not client.is_trusted and not given.user then return HELLO_FIRST end
    if not client.is_trusted then client:trust(true) end
    client.name = given.name or client.name
    client:speak(version)
    return greeting(client)
  end
end

-- What a browser sends first when a page has it post to this port.

local function refuse_foreign(client)
  log.refusal("a client that speaks HTTP is closed", { peer = client.conn.peer })
  client.is_closing = true
  return answers.none
end

local FOREIGN <const> = { -1, refuse_foreign, open = true, subscribed = true, immediate = true, hidden = true }

-- SELECT, QUIT and RESET.

local function select_of(databases)
  return function(client, text)
    local index <const> = numbers.integer(text)
    if not index then return numbers.NOT_INTEGER end
    if index < 0 or index >= databases then return NO_DATABASE end
    client.database = index
    return OK
  end
end

local function quit(client)
  client.is_closing = true
  return OK
end

local function reset_with(password)
  return function(client)
    client:forget()
    client:speak(2)
    client.name, client.database = "", 0
    if password and client.is_trusted then client:trust(false) end
    return RESET
  end
end

-- CLIENT.

local function count_of(set)
  local count = 0
  for _ in pairs(set or {}) do count = count + 1 end
  return count
end

local function place_of(address)
  return (tostring(address):gsub("^%a+://", ""))
end

--- All that Redis says, as clients look for each part; what is not counted here is 0.
local DESCRIPTION <const> = "id=%d addr=%s laddr=%s fd=0 name=%s age=%d idle=0 flags=N db=%d sub=%d psub=%d ssub=0 " ..
  "multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=%d oll=0 omem=0 tot-mem=0 events=r " ..
  "cmd=client|info user=default redir=-1 resp=%d lib-name=%s lib-ver=%s\n"

local function describe(client)
  local conn <const> = client.conn
  return DESCRIPTION:format(client.id, place_of(conn.peer), place_of(conn.address), client.name,
    (task.now() - client.since) // 1 | 0, client.database, count_of(client.channels), count_of(client.globs),
    conn.queued, client.version, client.library or "", client.library_version or "")
end

local function set_name(client, name)
  if not is_name(name) then return BAD_NAME end
  client.name = name
  return OK
end

local function set_info(client, attribute, value)
  local field <const> = ({ ["lib-name"] = "library", ["lib-ver"] = "library_version" })[attribute:lower()]
  if not field then return codec.error(("ERR Unrecognized option '%s'"):format(attribute:sub(1, 128))) end
  if not is_name(value) or #value > 128 then
    return codec.error(("ERR %s cannot contain spaces, newlines or special characters."):format(attribute:lower()))
  end
  client[field] = value
  return OK
end

local client_commands <const> = {
  ID = { 2, function(client) return client.id end, summary = "The number of this connection." },
  GETNAME = { 2, function(client) return client.name ~= "" and client.name or nil end, summary = "Its name." },
  SETNAME = { 3, set_name, summary = "Gives it a name." },
  SETINFO = { 4, set_info, summary = "Says which library the client is." },
  INFO = { 2, describe, summary = "What is known of this connection." },
}

--- The commands. Options: password (of the user "default"; serve clients with `locked` then), databases (default 16),
--- settings (values by name, for CONFIG GET), sections (of INFO: { { title =, fields = function() return { { name,
--- value }, ... } end }, ... }).
---@param options table?
---@return table<string, perigee.resp.Command>
function M.commands(options)
  options = options or {}
  local password <const>, databases <const> = options.password, options.databases or 16
  local commands <const> = {
    POST = FOREIGN, ["HOST:"] = FOREIGN,
    PING = { -1, ping, subscribed = true, summary = "Answers PONG." },
    ECHO = { 2, echo, summary = "Answers with the text." },
    HELLO = { -1, hello_with(password), open = true, summary = "Agrees on the version of RESP." },
    AUTH = { -2, auth_with(password), open = true, summary = "Gives the password." },
    SELECT = { 2, select_of(databases), summary = "Chooses a database." },
    QUIT = { -1, quit, open = true, subscribed = true, immediate = true, summary = "Closes the connection." },
    RESET = { 1, reset_with(password), open = true, subscribed = true, immediate = true,
      summary = "Makes the connection as new." },
    CLIENT = { -2, subcommands = client_commands, group = "connection", summary = "What is about the connection." },
  }
  commands.CONFIG, commands.INFO = about.config(databases, options.settings), about.info(options.sections)
  return commands
end

return M
