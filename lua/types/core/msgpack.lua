---@meta core.msgpack
--- MessagePack. Scripts require it as perigee.codec.msgpack.
---
--- A table with the keys 1..n is an array, any other a map; its keys are strings, numbers and booleans. An empty table
--- is a map, but for one that is marked as an array: by json.array, or because it was decoded from an empty array. A
--- table that json.object has marked is a map whatever its keys. Fields are read raw: no metamethod is followed.
---
--- Integers are exact. A float is a float, also where it is integral: it is encoded with 64 bits. A string that is
--- UTF-8 is text, any other string and every perigee.Buffer is binary.

---@class core.msgpack
local M <const> = {}

--- nil within a table, as json.null is. Unlike nil it can be in a table; it is true in a condition.
---@type lightuserdata
M.null = nil

--- An application's own type. == compares type and data.
---@class perigee.Ext
---@field type integer -128 to 127; below 0 is for MessagePack itself
---@field data string

---@class msgpack.DecodeOptions
---@field depth integer? levels of nesting that are allowed, 1 to 4096, default 512
---@field binary "string"|"buffer"|nil what binary is decoded to, default "string"; as the key of a map it is a string
---@field uint64 "exact"|"float"|nil integers from 2^63 on: "exact" (default) refuses them, as Lua has none; "float"
--- makes floats of them
---@field list boolean|"call"|nil true: the message has to be an array of at most 10000 elements, which come as values
--- of their own; nil among them is nil. "call", for MessagePack-RPC: the same, and the arguments in [0, id, method,
--- arguments] and in [2, method, arguments] are values of their own, too: 0, id, method, ...
--- and 2, nil, method, ...; what begins with 0 or 2 and is none of these is refused

---@class msgpack.ReaderOptions: msgpack.DecodeOptions
---@field limit integer? bytes of one message, default 1 MiB
---@field skip boolean? with list: a message that is whole but cannot be decoded, as it has an integer or a key that Lua
--- has not, is no end: it comes as null, message, code and the first three elements of the array that it is, up to the
--- first one that is neither integer nor string; the next one can be read. Default false

--- Raises for what cannot be encoded, and names where it is: "cannot encode a function at items[3].price". These are
--- functions, threads, userdata but for buffers, keys that are no string, number or boolean, cycles, and tables deeper
--- than 512.
---@param value string|number|boolean|table|lightuserdata|perigee.Buffer|nil nil only here, not in a table
---@return string
function M.encode(value) end

--- encode of an array of the arguments, in which nil is nil: encode_list(1, id, nil, result). Raises as encode does.
---@param ... any
---@return string
function M.encode_list(...) end

--- encode of an array of the further arguments, and behind them of the array arguments[1] ... arguments[n]: n is the
--- field of that name, as table.pack sets it, or else the length. nil is nil in both: encode_call(arguments, 0, id,
--- method). Raises as encode does, or when n is no count.
---@param arguments table
---@param ... any
---@return string
function M.encode_call(arguments, ...) end

--- encode_list of what follows the connection, straight into what it is to send. Never waits.
---@param conn perigee.Connection
---@param ... any
---@return boolean? has_room false: it is sent as well, but more than conn.high_water is queued
---@return string? message
---@return string? code "protocol": it cannot be encoded; "closed", "reset" ...
function M.write_list(conn, ...) end

--- Of duplicate keys in a map the last wins. The code is "limit" for an integer that Lua does not have.
---@param text string one whole message
---@param options msgpack.DecodeOptions?
---@return any value nil for nil; with the option list: values
---@return string? message "invalid MessagePack at byte 17: a string of 300 bytes, but it ends"
---@return "protocol"|"limit"|nil code
function M.decode(text, options) end

--- Reads messages from a connection, which are decoded as decode does it. What claims more than the limit is refused as
--- soon as it claims it; containers that open one right behind the other are refused at the depth, all others when the
--- message is whole.
---@param conn perigee.Connection
---@param options msgpack.ReaderOptions?
---@return perigee.Reader
function M.reader(conn, options) end

--- Raises when type is not -128 to 127, or data is no string.
---@param type integer
---@param data string
---@return perigee.Ext
function M.ext(type, data) end

--- perigee.codec.timestamp.new
---@param seconds integer
---@param nanoseconds integer?
---@return perigee.Timestamp
function M.timestamp(seconds, nanoseconds) end

return M, {}
