---@meta core.websocket
--- WebSockets (RFC 6455), once their handshake is done.

local M <const> = {}

---@class perigee.WebSocket
local WebSocket <const> = {}

--- The next message. Waits; silence is broken by pings. Pings and close are answered here, so a handler has to receive.
---@return string? message
---@return boolean|string|nil is_binary or why not
---@return string? code "closed" "protocol" "limit" "timeout"
function WebSocket:receive() end

--- Iterates over the messages; it ends with the socket, socket.close_code tells how.
---@return fun(socket: perigee.WebSocket): string?, boolean?
---@return perigee.WebSocket
function WebSocket:messages() end

--- Sends a text, which has to be UTF-8; waits while too much is queued.
---@param text string
---@return true?
---@return string? message
---@return string? code
function WebSocket:send(text) end

--- Sends any bytes.
---@param bytes string
---@return true?
---@return string? message
---@return string? code
function WebSocket:send_binary(bytes) end

--- The peer answers with the same bytes, at most 125, which receive takes.
---@param bytes string
---@return true?
---@return string? message
---@return string? code
function WebSocket:ping(bytes) end

--- What has come can still be received; then receive says "closed", instead of waiting for more, and the close code
--- will be 1001. In handlers with the option `finish` this comes when the server stops. Whoever receives is woken.
---@param retiring boolean? false: takes it back; default true
function WebSocket:retire(retiring) end

--- Closes; what was sent still goes out. Closing twice does nothing.
---@param code integer? default 1000 (RFC 6455 7.4)
---@param reason string? at most 123 bytes
function WebSocket:close(code, reason) end

--- Takes a connection over whose server has answered 101.
---@param connection perigee.Connection
---@param options { limit: integer?, ping: number? }?
---@param extensions string? what the server said to our offer
---@return perigee.WebSocket?
---@return string? message
---@return string? code
function M.client(connection, options, extensions) end

--- Raises for options that cannot be: limit, ping, compress, finish.
---@param options table
function M.check(options) end

---@return string offer the value of Sec-WebSocket-Extensions
function M.offer() end

return M, { ["perigee.websocket"] = WebSocket }
