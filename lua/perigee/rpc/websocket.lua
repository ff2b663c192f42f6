--- JSON-RPC 2.0 over WebSocket: the server's side, and what several tasks need to send on one socket.

local json <const> = require "perigee.rpc.json"
local task <const> = require "perigee.task"
local core <const> = require "core.task"

local CALLS <const> = 100 -- default limit of calls of one socket that run at a time

local M <const> = {}

--- Sends for many tasks: when one waits for a slow peer, the others wait for it.
---@class perigee.rpc.Sender
---@field socket perigee.WebSocket
---@field busy boolean
---@field turn perigee.Waitlist
local Sender <const> = { __name = "perigee.rpc.Sender" }
Sender.__index = Sender

function Sender:__close()
  self.busy = false
  self.turn:wake()
end

--- Sends a text.
---@param text string
---@return true?
---@return string? message
---@return string? code
function Sender:send(text)
  while self.busy do self.turn:wait() end
  local _ <close> = self
  self.busy = true
  return self.socket:send(text)
end

---@param socket perigee.WebSocket
---@return perigee.rpc.Sender
function M.sender(socket)
  return setmetatable({ socket = socket, busy = false, turn = core.waitlist() }, Sender)
end

local function run(service, sender, text, batch, place)
  local _ <close> = place
  local answer <const> = json.answer(service, text, batch)
  if answer then sender:send(answer) end
end

--- What serves a socket: the texts that come, each a call or a batch, run side by side, and their answers go out as
--- they are ready. Options: calls (that run at a time, default 100; more wait unread), batch (calls of a batch, default
--- 1000).
--- Calls that have begun run to their end also when the client has gone.
---@param service perigee.rpc.Service
---@param options { calls: integer?, batch: integer? }
---@return fun(socket: perigee.WebSocket)
function M.handler(service, options)
  local calls <const>, batch <const> = options.calls or CALLS, options.batch
  return function(socket)
    local sender <const>, places <const> = M.sender(socket), task.semaphore(calls)
    task.group(function(group)
      for text in socket:messages() do
        group:spawn(run, service, sender, text, batch, places:acquire())
      end
    end)
  end
end

return M
