---@meta core.fanout
--- One message to many: see perigee.fanout.

local M <const> = {}

---@class perigee.Fanout
local Fanout <const> = {}

--- Adds a member; one that is there stays as it is.
---@param member perigee.WebSocket|perigee.Connection
---@param form "bytes"|"line"|nil for a connection, default "bytes"; "line" adds a line end
---@return boolean false: it is closed
function Fanout:add(member, form) end

---@param member perigee.WebSocket|perigee.Connection
function Fanout:remove(member) end

--- Queues the message for every member.
---@param data string
---@param kind "text"|"binary"|{ event: string?, id: string? }|nil default "text"
---@return integer sent how many got it
function Fanout:write(data, kind) end

--- Everybody leaves; the clients of http.events and http.multipart are closed.
function Fanout:close() end

---@param options table?
---@return perigee.Fanout
function M.new(options) end

return M, { ["perigee.fanout"] = Fanout }
