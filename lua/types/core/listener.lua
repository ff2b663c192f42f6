---@meta core.listener
--- Listeners: what net.serve is made of for tcp:// and unix: addresses.

local M <const> = {}

---@class perigee.Listener
---@field address perigee.Address
---@field active integer connections whose handlers have not ended
---@field is_open boolean
local Listener <const> = {}

--- Serves a connection as if it had been accepted here, with what is pending and queued. The object is closed after.
---@param conn perigee.Connection
---@return true?
---@return string? message
---@return string? code "closed" "limit" "tls"; "protocol": bytes were read or written before a TLS handshake
function Listener:adopt(conn) end

--- Stops accepting; connections go on, but for idle clients of HTTP. Closing twice does nothing.
function Listener:close() end

--- Stops accepting, and parts with the clients so that none is harmed: connections go on, and a client of HTTP is told
--- by the answer to its next request that it is the last one. What is still idle at close() ends then.
---@param seconds number? of silence after which an idle client of HTTP is closed, default 5
---@param keep_path boolean? the file of a Unix socket stays
function Listener:drain(seconds, keep_path) end

--- Accepts nothing by itself until it is paused no more; new clients wait in the kernel.
---@param paused boolean? default true
function Listener:pause(paused) end

--- Clients that come from now on, and the next requests of HTTP clients that are there, are served by this handler. What
--- has a handler already goes on. The listener is open, and the protocol is the one that it was opened with.
---@param handler function
---@param options table? those of listen
---@param scope perigee.Scope that the handlers' tasks belong to
---@param address perigee.Address? says whether TLS is spoken
function Listener:replace(handler, options, scope, address) end

--- Another descriptor of the same socket.
---@return perigee.Descriptor?
---@return string? message
---@return string? code
function Listener:duplicate() end

--- Nobody can connect to its socket any more, whichever processes have it too. It is to be closed after.
function Listener:withdraw() end

--- Waits until fewer connections are active.
---@param below integer? default 1
---@param seconds number? to wait at most
---@return true?
---@return string? message
---@return string? code "timeout"
function Listener:await(below, seconds) end

--- Listens, and runs the handler in a task for each connection.
---@param address perigee.Address|perigee.Descriptor a descriptor is taken over
---@param handler fun(conn: perigee.Connection)
---@param options table? see net.serve
---@return perigee.Listener?
---@return string? message
---@return string? code
function M.listen(address, handler, options) end

--- Could the address be listened on now?
---@param address perigee.Address
---@param options table?
---@param free boolean? false: it need not be, only the options are looked at
---@return true?
---@return string? message
---@return string? code
function M.probe(address, options, free) end

--- Is told of clients whose TLS handshake failed; of more than ten in a second the next one that is told of says how
--- many were not.
---@param f fun(address: perigee.Address, peer: perigee.Address, message: string, silenced: integer)
function M.on_handshake_failed(f) end

--- What serves those who come now to where this connection of a server has come in, or its WebSocket; nil: nobody can
--- come in there any more.
---@param conn perigee.Connection|perigee.WebSocket
---@return function? handler
function M.handler_of(conn) end

--- Is told of clients that were turned away for lack of descriptors, at most once a second.
---@param f fun(address: perigee.Address, count: integer, reason: string)
function M.on_refused(f) end

return M, { ["perigee.listener"] = Listener }
