---@meta core.buffer
--- Buffers: bytes and typed arrays that are filled, viewed, received into and sent without a copy. b[1] is the first
--- element, #b the count of elements; elements are in the machine's byte order. A buffer that task.offload has moved to a
--- thread is empty: using it raises.

local M <const> = {}

---@alias perigee.element "i8"|"u8"|"i16"|"u16"|"i32"|"u32"|"i64"|"u64"|"f32"|"f64"

---@class perigee.Buffer
---@field type perigee.element
---@field bytes integer length in bytes
---@field [integer] number
local Buffer <const> = {}

--- The same memory: elements first to last, as in string.sub.
---@param first integer? default 1
---@param last integer? default -1
---@return perigee.Buffer
function Buffer:view(first, last) end

--- The same memory as elements of another type.
---@param type perigee.element
---@return perigee.Buffer
function Buffer:cast(type) end

--- Sets every element: to `value`, or to value, value + step, value + 2 * step ...
---@param value number
---@param step number?
---@return perigee.Buffer self
function Buffer:fill(value, step) end

--- A copy of elements first to last as a string of bytes.
---@param first integer?
---@param last integer?
---@return string
function Buffer:string(first, last) end

--- Copies the bytes of a string or buffer to the element at `position`.
---@param source string|perigee.Buffer
---@param position integer? default 1
---@return perigee.Buffer self
function Buffer:copy(source, position) end

--- Zeroed bytes, elements of type u8.
---@param bytes integer
---@return perigee.Buffer
function M.new(bytes) end

--- Zeroed elements.
---@param type perigee.element
---@param count integer
---@return perigee.Buffer
function M.array(type, count) end

--- A copy of a string's bytes.
---@param text string
---@return perigee.Buffer
function M.from(text) end

return M, { ["perigee.buffer"] = Buffer }
