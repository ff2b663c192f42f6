---@meta core.datagram
--- Datagram sockets: made by net.udp, and by net.serve for udp:// addresses.

local M <const> = {}

---@class perigee.Datagram
---@field address perigee.Address? where it is bound
---@field timeout number seconds that receive and send may wait; default for ever
---@field active integer handlers that have not ended
---@field is_open boolean
local Datagram <const> = {}

--- Runs handler(message, from, socket) in a task for every datagram; a string that it returns is the reply.
---@param handler fun(message: string, from: perigee.Address, socket: perigee.Datagram): string?
function Datagram:serve(handler) end

--- Datagrams that come from now on are for this handler; those that have one already are answered by it.
---@param handler fun(message: string, from: perigee.Address, socket: perigee.Datagram): string?
---@param options { max_tasks: integer? }?
---@param scope perigee.Scope that the handlers' tasks belong to
function Datagram:replace(handler, options, scope) end

--- Waits for a datagram.
---@return string? message
---@return perigee.Address|string|nil from
---@return string? code
function Datagram:receive() end

--- Sends a datagram, before the loop sleeps next. An error that the network told for an earlier one is told here.
---@param message string|perigee.Buffer at most 65507 bytes over IPv4
---@param to perigee.Address|string|nil absent on a connected socket
---@return true?
---@return string? message
---@return string? code
function Datagram:send(message, to) end

--- Receives nothing any more; it is closed when its handlers have ended, and their replies are sent.
function Datagram:drain() end

--- Waits until fewer handlers are active.
---@param below integer? default 1
---@param seconds number? to wait at most
---@return true?
---@return string? message
---@return string? code "timeout"
function Datagram:await(below, seconds) end

--- Closes. Closing twice does nothing.
function Datagram:close() end

--- Opens a socket.
---@param bound perigee.Address|perigee.Descriptor|nil a descriptor is taken over
---@param connected perigee.Address?
---@param options table? see net.udp
---@return perigee.Datagram?
---@return string? message
---@return string? code
function M.open(bound, connected, options) end

--- Raises for options that open would raise for.
---@param options table?
function M.check(options) end

return M, { ["perigee.datagram"] = Datagram }
