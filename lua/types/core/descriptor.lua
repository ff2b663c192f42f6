---@meta core.descriptor
--- Descriptors: sockets and files that nothing here reads or writes. For scripts: perigee.descriptor.

local M <const> = {}

--- An open descriptor. It is closed when it is collected, unless it was taken over.
---@class perigee.Descriptor
---@field kind "listener"|"connection"|"datagram"|"file"|"pipe"|"other"|nil nil: it is closed
---@field address perigee.Address? where a socket is bound
---@field scheme string? of the address
---@field number integer? what the system calls it
---@field is_open boolean
local Descriptor <const> = {}

--- Takes a stream socket or a pipe over: the descriptor is closed after.
---@return perigee.Connection?
---@return string? message
---@return string? code "closed"; "protocol": it is of another kind
function Descriptor:connection() end

--- Takes a UDP socket over: the descriptor is closed after.
---@return perigee.Datagram?
---@return string? message
---@return string? code "closed"; "protocol": it is of another kind
function Descriptor:datagram() end

--- Closes it here. One that descriptor.listen has made removes the file of its Unix socket, unless it has keep_path.
--- Closing twice does nothing.
function Descriptor:close() end

--- Binds and listens, and accepts nothing.
---@param address perigee.Address
---@param options table? see perigee.descriptor
---@return perigee.Descriptor?
---@return string? message
---@return string? code
function M.listen(address, options) end

--- Binds a UDP socket.
---@param address perigee.Address
---@param options table? see perigee.descriptor
---@return perigee.Descriptor?
---@return string? message
---@return string? code
function M.bind(address, options) end

--- Takes a descriptor that was inherited.
---@param number integer
---@return perigee.Descriptor?
---@return string? message
---@return string? code
function M.inherited(number) end

--- Takes the socket of a plain connection, of which nothing is pending or queued: the connection is closed after, its
--- socket is not. The socket can so be sent to another process and kept here until that has it.
---@param conn perigee.Connection
---@return perigee.Descriptor?
---@return string? message
---@return string? code "closed"; "tls"; "protocol": bytes would be lost
function M.of(conn) end

return M, { ["perigee.descriptor"] = Descriptor }
