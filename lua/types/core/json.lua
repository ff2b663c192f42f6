---@meta core.json
--- JSON (RFC 8259). Scripts require it as perigee.codec.json.
---
--- A table with the keys 1..n is an array, one with string keys an object, any other is an error. An empty table is
--- an object, but for one that is marked as an array: by json.array, or because it was decoded from `[]`. A decoded
--- array that was not empty bears no mark: mark it with json.array where it may be emptied later.
--- Fields are read raw: no metamethod is followed.

local M <const> = {}

--- What null is decoded to, and encoded from. Unlike nil it can be in a table; it is true in a condition.
---@type lightuserdata
M.null = nil

--- Raises for what cannot be encoded, and names where it is: "cannot encode a function at items[3].price". These are
--- functions, threads, userdata, nil, NaN, infinities, strings that are not UTF-8, keys that are neither 1..n nor all
--- strings, cycles, and tables deeper than 512.
---@param value string|number|boolean|table|lightuserdata
---@param options { indent: string?, sort_keys: boolean? }? indent: spaces or tabs for each level, on lines of their
--- own; sort_keys: objects by their keys' bytes
---@return string
function M.encode(value, options) end

--- Integers beyond 64 bits become floats. Of duplicate keys the last wins.
---@param text string UTF-8
---@param options { depth: integer? }? depth: levels of nesting that are allowed, 1 to 4096, default 512
---@return string|number|boolean|table|lightuserdata|nil value
---@return string? message "invalid JSON at byte 17: a comma or ] expected"
---@return "protocol"? code
function M.decode(text, options) end

--- Marks a table as an array, so that it is `[]` when empty. The mark is a metatable: it raises when the table has
--- one of its own.
---@generic T: table
---@param t T
---@return T t
function M.array(t) end

--- Marks a table as an object: also with the keys 1..n, as integers among the keys become strings. The mark is a
--- metatable: it raises when the table has one of its own.
---@generic T: table
---@param t T
---@return T t
function M.object(t) end

return M, {}
