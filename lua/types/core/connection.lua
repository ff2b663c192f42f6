---@meta core.connection
--- Connections: streams of bytes. Made by net.serve, net.connect and net.pair. Every operation that fails returns
--- nil, message, code; a task that waits in one can be cancelled, and task.deadline reaches it.

local M <const> = {}

--- A connected stream. Counts are bytes.
---@class perigee.Connection
---@field peer perigee.Address? the other side
---@field address perigee.Address? this side
---@field timeout number seconds an operation may wait; default 300; nil or math.huge: for ever
---@field high_water integer bytes queued above which write waits; default 256 KiB
---@field queued integer bytes written that the kernel has not taken
---@field is_open boolean
---@field error string? why the last operation failed
local Connection <const> = {}

--- Exactly `count` bytes. When fewer come (code "closed", "timeout"), those stay and can be read.
---@param count integer
---@return string? bytes
---@return string? message
---@return string? code "closed" "timeout" "reset"
function Connection:read(count) end

--- What is there, at least one byte.
---@param max integer? default 64 KiB
---@return string? bytes
---@return string? message
---@return string? code
function Connection:read_some(max) end

--- The bytes before a delimiter, which is dropped.
---@param delimiter string
---@param max integer? default 1 MiB; more without a delimiter fails with "limit"
---@return string? bytes
---@return string? message
---@return string? code
function Connection:read_until(delimiter, max) end

--- A line without its LF or CRLF; the last line may lack it.
---@param max integer? default 64 KiB; a longer line fails with "limit"
---@return string? line
---@return string? message
---@return string? code
function Connection:read_line(max) end

--- Everything up to the end of the stream.
---@param max integer? default 64 MiB; more fails with "limit"
---@return string? bytes
---@return string? message
---@return string? code
function Connection:read_all(max) end

--- Bytes straight into a buffer's memory, from its start.
---@param buffer perigee.Buffer
---@param minimum integer? bytes; default: the whole buffer
---@return integer? count
---@return string? message
---@return string? code
---@return integer? received bytes that came all the same
function Connection:read_into(buffer, minimum) end

--- An iterator of read_some. It ends with the stream; conn.error tells how.
---@param max integer?
---@return fun(): string?
function Connection:chunks(max) end

--- An iterator of read_line. It ends with the stream; conn.error tells how.
---@param max integer?
---@return fun(): string?
function Connection:lines(max) end

--- Writes strings, numbers and buffers, in order. Waits while more than high_water is queued. A buffer's memory is the
--- caller's again when it returns.
---@param ... string|number|perigee.Buffer
---@return true? written
---@return string? message
---@return string? code
function Connection:write(...) end

--- Waits until the kernel has taken all that was written.
---@return true? flushed
---@return string? message
---@return string? code
function Connection:flush() end

--- Sends a range of a regular file without a copy, sendfile(2), and waits until the kernel has taken it.
---@param file string|file* a path or an open file
---@param offset integer? from 0
---@param length integer? default: to the end
---@return true? sent
---@return string? message
---@return string? code
function Connection:send_file(file, offset, length) end

--- Moves everything to another connection until this stream ends.
---@param other perigee.Connection
---@return integer? moved bytes
---@return string? message
---@return string? code
function Connection:pipe(other) end

--- Ends our side when all that was written is sent; the peer's side stays open.
---@return true?
---@return string? message
---@return string? code
function Connection:shutdown() end

--- Closes. What was written is still sent, in the background. Closing twice does nothing.
function Connection:close() end

--- Closes, drops what was written, and resets a TCP peer.
function Connection:abort() end

--- Connects to the first of the addresses that answers.
---@param addresses perigee.Address[]
---@param seconds number? default 30
---@param options table?
---@return perigee.Connection?
---@return string? message
---@return string? code
function M.connect(addresses, seconds, options) end

--- Two connections of this process that are connected with each other.
---@return perigee.Connection a
---@return perigee.Connection b
function M.pair() end

return M, { ["perigee.connection"] = Connection }
