--- JSON-RPC 2.0 over WebSocket: the client's side. Many tasks call on one socket.

local json <const> = require "perigee.rpc.json"
local null <const> = require "perigee.codec.json".null
local pipelined <const> = require "perigee.rpc.pipelined"
local task <const> = require "perigee.task"
local websocket <const> = require "perigee.websocket"
local writer <const> = require "perigee.rpc.writer"

local M <const> = {}

--- A fault without an id says that the server could not read what was sent: whose call that was, nobody knows.
local function answer_of(text)
  local id <const>, ok <const>, result <const> = json.decode_answer(text)
  if id ~= null then return id, ok, result end
  return nil, "the server could not read a call" .. (ok == false and ": " .. result.message or ""), "protocol"
end

local function receive(socket, seconds)
  local text <const>, message <const>, code <const> = task.deadline(seconds, socket.receive, socket)
  if text then return answer_of(text) end
  return nil, message, code
end

local function open(url, options, seconds)
  local socket <const>, message <const>, code <const> = websocket.connect(url, { timeout = seconds, tls = options.tls,
    server_name = options.server_name, headers = options.headers, limit = options.limit })
  if not socket then return nil, message, code end
  local output <const> = writer.new(function(text) return socket:send(text) end)
  return {
    is_watched = true, -- a server closes a socket that answers no pings
    receive = function(left) return receive(socket, left) end,
    send = function(text, left) return output:write(left, text) end,
    is_open = function() return socket.is_open end,
    is_quiet = function() return socket.is_quiet end,
    close = function() socket:close() end,
  }
end

--- A client; it connects with the first call. While nobody calls it answers the server's pings all the same, and
--- notices when the server has gone. Options: timeout (seconds of a call, default 30), limit (bytes of an answer,
--- default 1 MiB), headers (of the handshake), and of wss:// tls and server_name as in net.connect.
---@param url string ws:// wss://
---@param options table?
---@return perigee.rpc.Pipelined
function M.connect(url, options)
  websocket.check(url, { headers = options and options.headers, limit = options and options.limit })
  return pipelined.new(url, options or {}, { open = open, encode = json.encode_call })
end

return M
