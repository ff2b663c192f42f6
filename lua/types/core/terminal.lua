---@meta core.terminal
--- The terminal of this process, for `perigee console`. Reading and asking block: nothing else goes on meanwhile.

local M <const> = {}

--- Standard input, a line at a time: edited, with history and completion, where libedit is installed.
---@class perigee.Terminal
---@field is_edited boolean by libedit
local Terminal <const> = {}

--- Shows the prompt and waits for a line.
---@param prompt string
---@return string? line without its end
---@return string? message
---@return string? code "closed": the end, Ctrl-D; "cancelled": Ctrl-C
function Terminal:read_line(prompt) end

--- Arrow up brings the line back. The last thousand are kept.
---@param line string
function Terminal:remember(line) end

--- Closing twice does nothing.
function Terminal:close() end

---@param complete fun(text: string): string?, string? for the text before the cursor: what is to be inserted there, and
--- what is to be shown below
---@return perigee.Terminal
function M.open(complete) end

---@param which "stdin"|"stdout"|"stderr"
---@return boolean
function M.is_terminal(which) end

---@return integer columns of standard output, 80 where it is no terminal
function M.columns() end

--- Asks a server at a Unix socket: a line for a line of at most 1 MiB.
---@param path string
---@param text string with its line feed
---@param seconds number? to wait at most
---@return string? line without its end
---@return string? message
---@return string? code "timeout" "refused" "unreachable" "reset" "limit"
function M.ask(path, text, seconds) end

return M, { ["perigee.terminal"] = Terminal }
