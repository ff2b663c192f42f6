---@meta core.multipart
--- The parts of multipart/form-data (RFC 7578), while their bytes come. request:files and request:form use it.

local M <const> = {}

---@class perigee.MultipartParser
local Parser <const> = {}

--- The next bytes of the form; those before have to be used up: next gave "more".
---@param bytes string
function Parser:feed(bytes) end

--- "part" with { name, filename, safe_name, type }; "data" with bytes; "part_end"; "end"; "more".
---@return string? event
---@return table|string|nil value or message
---@return string? code
function Parser:next() end

---@param content_type string
---@return perigee.MultipartParser?
---@return string? message
---@return string? code
function M.new(content_type) end

return M, { ["perigee.multipart"] = Parser }
