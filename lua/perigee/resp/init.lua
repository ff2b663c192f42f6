--- A server of RESP, the protocol of Redis, with a table of commands:
---   local resp <const> = require "perigee.resp"
---   local answer <const> = resp.answers(resp.connection(), {
---     DOUBLE = { 2, function(_, number) return (tonumber(number) or 0) * 2 end },
---   })
---   resp.serve("tcp://127.0.0.1:6380", answer)       $ redis-cli -p 6380 double 21
--- A command is { words, f }: how many words it has with its name (negative: at least so many), and f(client, ...),
--- which gets the words behind the name as strings. What f returns is the answer, as codec.resp encodes it: nil is
--- null, resp.ok is OK, resp.error(text) an error; resp.none is none, of one that has answered by
--- client:write(value). It may wait, by client:wait(seconds) so that the client's end is noticed; the client's later
--- commands are then answered later. MULTI, EXEC and DISCARD are there for all commands; within a transaction
--- client:wait does not wait.

local answers <const> = require "perigee.resp.answers"
local clients <const> = require "perigee.resp.client"
local codec <const> = require "perigee.codec.resp"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local FAIR <const> = 1000         -- commands of one client, before the other tasks have a turn
local FAIR_SECONDS <const> = 0.02 -- that they may take, with what others do meanwhile
local STRANGER_LIMIT <const> = 16384 -- bytes of a command of a client that has not given the password
local STRANGER_SECONDS <const> = 60
local NONE <const> = answers.none

local M <const> = {
  answers = answers.new,
  connection = require "perigee.resp.connection".commands,
  pubsub = require "perigee.resp.pubsub".commands,
  strings = require "perigee.resp.strings".commands,
  lists = require "perigee.resp.lists".commands,
  keyspace = require "perigee.resp.keyspace".new,
  error = codec.error,
  simple = codec.simple,
  ok = codec.simple "OK",
  none = answers.none,
}

local function say_why(client, message, code)
  if code ~= "protocol" and code ~= "limit" then return end
  local why <const> = code == "limit" and "too big a command" or message:match "^read from %S+: (.*)" or message
  client:write(codec.error("ERR Protocol error: " .. why))
end

--- One command; whether others may follow.
local function reply(client, answer, name, ...)
  if not name then return say_why(client, ...) end
  local value <const> = answer(client, name, ...)
  if value ~= NONE then client:write(value) end
  return not client.is_closing
end

local function converse(conn, answer, limits, locked)
  local client <close> = clients.new(conn, limits, not locked)
  local count, began = 0, os.clock()
  while reply(client, answer, client:next()) do
    count = count + 1
    if count % FAIR == 0 or count % 10 == 0 and os.clock() - began > FAIR_SECONDS then
      task.sleep(0)
      began = os.clock()
    end
  end
end

local function check(options)
  local limit <const> = options.limit
  if limit ~= nil and (math.type(limit) ~= "integer" or limit < 1) then
    error("option 'limit' must be a number of bytes", 3)
  end
end

--- Serves clients at one or more addresses. answer(client, name, ...) is resp.answers of tables of commands; to have a
--- reload change it for connections that are there, service.live of that.
---
--- Options: limit (bytes of a command, default 1 MiB), locked (clients are strangers until a command calls
--- client:trust(true), as AUTH does: they have a minute, and 16 KiB for a command), and those of net.serve.
---@param urls string|string[]
---@param answer fun(client: perigee.resp.Client, name: string, ...: string): any
---@param options table?
---@return perigee.Server? server
---@return string? message
---@return string? code
function M.serve(urls, answer, options)
  if type(answer) ~= "function" then error("bad argument 'answer' (a function expected)", 2) end
  check(options or {})
  local rest <const> = { timeout = math.huge }
  for name, value in pairs(options or {}) do rest[name] = value end
  local limit <const>, locked <const> = rest.limit or 1 << 20, rest.locked
  rest.limit, rest.locked = nil, nil
  local limits <const> = {
    trusted = limit, stranger = math.min(limit, STRANGER_LIMIT), seconds = STRANGER_SECONDS,
  }
  return net.serve(urls, function(conn) converse(conn, answer, limits, locked) end, rest)
end

return M
