--- JSON-RPC 2.0 over WebSocket: the server's side.

local json <const> = require "perigee.rpc.json"
local task <const> = require "perigee.task"
local writer <const> = require "perigee.rpc.writer"

local CALLS <const> = 100 -- default limit of calls of one socket that run at a time

local M <const> = {}

local function run(service, output, text, batch, place)
  local _ <close> = place
  output:wait()
  local answer <const> = json.answer(service, text, batch)
  if answer then output:write(nil, answer) end
end

--- What serves a socket: the texts that come, each a call or a batch, run side by side, and their answers go out as
--- they are ready. Options: calls (that run at a time, default 100; more wait unread), batch (calls of a batch, default
--- 1000). A client that does not take its answers is not read.
--- Calls that have begun run to their end also when the client has gone.
---@param service perigee.rpc.Service
---@param options { calls: integer?, batch: integer? }
---@return fun(socket: perigee.WebSocket)
function M.handler(service, options)
  local calls <const>, batch <const> = options.calls or CALLS, options.batch
  return function(socket)
    local output <const> = writer.new(function(text) return socket:send(text) end)
    local places <const> = task.semaphore(calls)
    task.group(function(group)
      for text in socket:messages() do
        group:spawn(run, service, output, text, batch, places:acquire())
      end
    end)
  end
end

return M
