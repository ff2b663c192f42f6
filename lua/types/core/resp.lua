---@meta core.resp
--- RESP (https://redis.io/docs/reference/protocol-spec), versions 2 and 3. Scripts require it as perigee.codec.resp.
---
--- Decoded, bulk and simple strings, verbatim strings and big numbers are strings; arrays, sets and pushes are
--- sequences, marked as arrays of JSON when they are empty; a map is a table by its keys; doubles are floats.
--- Attributes are skipped. An error is a value: an object of class perigee.resp.Error. Encoded, a string or
--- perigee.Buffer is a bulk string, a table with the keys 1..n an array (an empty one if it is marked by json.array),
--- any other a map; what version 2 lacks it gets as Redis sends it: booleans as 1 and 0, floats as strings, maps as
--- arrays of keys and values in turn. Fields are read raw: no metamethod is followed.

local M <const> = {}

---@class perigee.resp.Error
---@field message string "WRONGTYPE Operation against a key holding the wrong kind of value"
---@field kind string its first word: "WRONGTYPE"

---@class perigee.resp.Simple
---@field message string

--- Null within a table, and what is encoded as null. nil is encoded so too.
---@type lightuserdata
M.null = nil

--- Encoded as the null array that BLPOP answers in version 2: `*-1`.
---@type table
M.null_array = nil

--- Raises for what cannot be encoded, and names where it is: "cannot encode a function at items[3].price".
---@param value any
---@param options { version: 2|3|nil }? version: that the peer speaks, default 3
---@return string
function M.encode(value, options) end

--- Queues a message without waiting, for servers. What a connection that is closed or broken is given is dropped.
---@param conn perigee.Connection
---@param value any as encode takes it
---@param version 2|3|nil default 3
---@return boolean is_full more than conn.high_water is queued: conn:write() waits until it is less
function M.write(conn, value, version) end

--- A command for a server: an array of bulk strings.
---@param name string
---@param ... string|number|perigee.Buffer numbers as tostring writes them
---@return string
function M.command(name, ...) end

--- Decodes a text that is one message.
---@param text string
---@param options { depth: integer?, binary: "buffer"? }? depth: levels of nesting that are allowed, 1 to 4096, default
--- 512; binary = "buffer": bulk strings as perigee.Buffer
---@return any value nil for null
---@return "push"|string|nil message "push" when it is a push of RESP3; or "invalid RESP at byte 17: a double expected"
---@return "protocol"? code
function M.decode(text, options) end

--- Reads messages from a connection. reader:next() gives a reply (nil for null: then there is no message), and "push"
--- as a second value when it is one; or, with `commands`, the words of a command as so many values (inline ones too,
--- empty ones are skipped). It fails with nil, message, code: "protocol" with Redis's words ("... expected '$', got
--- 'x'"), "limit", and those of conn:read.
---@param conn perigee.Connection
---@param options { commands: boolean?, limit: integer?, depth: integer?, binary: "buffer"? }? limit: bytes of a
--- message, default 1 MiB; a length that is claimed beyond it fails at once
---@return perigee.Reader
function M.reader(conn, options) end

--- An error reply. Line ends in it become spaces when it is encoded.
---@param text string "ERR syntax error"
---@return perigee.resp.Error
function M.error(text) end

--- A simple string: "+OK".
---@param text string without line ends, or encoding it raises
---@return perigee.resp.Simple
function M.simple(text) end

--- Marks a sequence as a push (an array in version 2). The mark is a metatable: it raises when there is another one.
---@generic T: table
---@param t T
---@return T t
function M.push(t) end

--- Marks a sequence as a set (an array in version 2), likewise.
---@generic T: table
---@param t T
---@return T t
function M.set(t) end

return M, {}
