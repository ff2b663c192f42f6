---@meta core.screen
--- The terminal as a screen that is drawn to, for `perigee top`.

local M <const> = {}

--- How large the terminal at standard output is.
---@return integer? columns nil where it is no terminal
---@return integer|string rows or, without columns, the message
---@return string? code
function M.size() end

--- Keys come at once, are not shown, and raise no signals; or all is as it was before. It is also restored at the end
--- of the process.
---@param on boolean
---@return true?
---@return string? message where standard input is no terminal
---@return string? code
function M.raw(on) end

--- Waits for a key.
---@param seconds number? to wait at most
---@return integer? byte the first, or next one, of those that the key sends
---@return string? message
---@return string? code "timeout"; "closed": there will be none
function M.read_key(seconds) end

return M, {}
