---@meta core.connection
--- Connections: streams of bytes. Made by net.serve, net.connect and net.pair. Every operation that fails returns
--- nil, message, code; a task that waits in one can be cancelled, and task.deadline reaches it.

local M <const> = {}

--- What is said in a certificate (RFC 5280).
---@class perigee.Certificate
---@field subject string "CN=alice,O=Example" (RFC 4514)
---@field issuer string
---@field common_name string?
---@field serial string hex
---@field fingerprint string SHA-256, hex
---@field not_before integer seconds since 1970
---@field not_after integer
---@field names string[] DNS names, IP addresses, mail addresses and URIs

--- A TLS session.
---@class perigee.Session
---@field version "TLSv1.2"|"TLSv1.3"
---@field cipher string
---@field server_name string? that the client asked for
---@field protocol string? agreed on by ALPN
---@field resumed boolean
---@field verified boolean the peer has shown a certificate, and it is good
---@field kernel boolean the kernel encrypts what is sent
---@field peer perigee.Certificate? what the peer has shown

--- A connected stream. Counts are bytes.
---@class perigee.Connection
---@field peer perigee.Address? the other side
---@field address perigee.Address? this side
---@field timeout number seconds an operation may wait; default 300; nil or math.huge: for ever
---@field high_water integer bytes queued above which write waits; default 256 KiB
---@field queued integer bytes written that the kernel has not taken
---@field is_open boolean
---@field is_quiet boolean it is open, and there is nothing to read, neither bytes nor the end, as far as the loop has
--- told; costs nothing
---@field is_retiring boolean reads do not wait: see retire
---@field peer_credentials { pid: integer, uid: integer, gid: integer }? of the process at the other end of a Unix socket
---@field error string? why the last operation failed
---@field tls perigee.Session? nil when it is plain
local Connection <const> = {}

--- A TLS handshake on an open connection, as server or client like the context. What was written before goes in the
--- clear; a connection whose handshake fails is closed.
---@param context perigee.tls.Context
---@param options { server_name: string?, timeout: number?, peer: string? }? server_name: whose certificate it must be,
--- needed by a client that verifies; timeout: seconds, default 10; peer: what the session is kept by, to be resumed
---@return perigee.Connection? conn
---@return string? message
---@return string? code "tls" "timeout" "protocol": bytes came before the handshake
function Connection:start_tls(context, options) end

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

--- Sends an open file or socket to the process at the other end of this Unix socket, in order with what is written:
--- one byte of value 1 carries it, as in Python's multiprocessing.reduction. A connection is handed over: what was
--- written to it goes out first, then it belongs to the other process, and the object is closed. A listener, datagram
--- socket, descriptor or file stays open here, too; they are non-blocking there, as they are here.
---
--- With { unread = true } what has been read from a connection but not consumed goes along, for a peer that calls
--- receive_fd with the same option; else pending bytes make it fail, and the connection stays as it is.
---@param x perigee.Connection|perigee.Listener|perigee.Datagram|perigee.Descriptor|file*
---@param options { unread: boolean? }?
---@return true? sent
---@return string? message
---@return string? code "closed"; "tls": its keys stay in this process; "protocol"; "timeout"; "limit"
function Connection:send_fd(x, options) end

--- Waits for an open file or socket from the process at the other end. Nothing else may read meanwhile: bytes that are
--- read have lost the descriptors that came with them. A message that is none is consumed; what came with it is closed.
---@param options { unread: boolean?, raw: boolean? }? unread: true when the sender sends so; raw: a descriptor, whatever
--- it is
---@return perigee.Connection|perigee.Datagram|perigee.Descriptor|file*|nil object a connection of a stream socket or pipe,
--- a datagram socket, a Lua file of a regular file, a descriptor of all others
---@return string? message
---@return string? code "protocol"; "limit": this process has as many descriptors as it may; "closed"; "timeout"
function Connection:receive_fd(options) end

--- Ends our side when all that was written is sent; the peer's side stays open.
---@return true?
---@return string? message
---@return string? code
function Connection:shutdown() end

--- What has come can still be read, and more is waited for only where a part of what is wanted is there: else a read
--- fails with "closed". A read that waits is woken, and looks once more.
---@param retiring boolean? false: takes it back; default true
function Connection:retire(retiring) end

--- Has the connection of a server retire when the process stops, or another takes its place: for handlers that answer
--- requests, so that they end between two of them.
function Connection:retire_at_stop() end

--- Closes. What was written is still sent, in the background. Closing twice does nothing.
function Connection:close() end

--- Closes, drops what was written, and resets a TCP peer.
function Connection:abort() end

--- Reads whole messages of a format from a connection: made by reader(conn, options) of perigee.codec.msgpack and
--- perigee.codec.resp.
---@class perigee.Reader
local Reader <const> = {}

--- The next message, which has to be complete within conn.timeout. Messages that came together are taken out of the
--- connection's input one by one, without a read for each. After a failure but "timeout" the reader is of no more use.
---@return any ... what the format makes of a message
---@return string? message
---@return string? code "protocol": the bytes are no message, or it was cut off; "limit": it is too large; "closed"
function Reader:next() end

--- An iterator of next. It ends with the first nil; conn.error tells why.
---@return fun(reader: perigee.Reader): any
---@return perigee.Reader
function Reader:messages() end

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

return M, { ["perigee.connection"] = Connection, ["perigee.Reader"] = Reader }
