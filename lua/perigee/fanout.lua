--- Fan-out: one message to many. It is encoded once for each kind of member (a WebSocket frame, an event, a line) and
--- shared by all of them.

local core <const> = require "core.fanout"

local M <const> = {}

---@class perigee.Fanout
---@field count integer members
---@field dropped integer messages that slow members have missed
---@field closed integer members that were cut off

--- Makes a fan-out. Options: policy for a member that takes its messages too slowly: "close" (the default) cuts it off,
--- "drop" leaves messages out for it, "wait" makes write wait for it, 30 seconds at most; limit: bytes that may wait
--- for a member (default 256 KiB).
---
--- room:add(member, form): a server's WebSocket, or a connection with form "bytes" or "line" (a line end is added).
--- Members leave when they are closed, or by room:remove(member). http.events(room) and http.multipart(room) add their
--- clients.
--- room:write(text) -> how many got it; room:write(bytes, "binary"); room:write(text, { event =, id = }) for events.
--- room:close() lets everybody go.
---@param options { policy: "close"|"drop"|"wait"|nil, limit: integer? }?
---@return perigee.Fanout
function M.new(options)
  return core.new(options)
end

return M
