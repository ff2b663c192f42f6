---@meta core.system
--- This process: clock, signals, limits. For the library, not for scripts.

local M <const> = {}

---@class perigee.SignalWatch
local SignalWatch <const> = {}

--- The signal has its default action again.
function SignalWatch:stop() end

--- Runs the handler in a task each time the signal comes.
---@param name "HUP"|"INT"|"TERM"|"QUIT"|"USR1"|"USR2"|"WINCH"
---@param handler fun()
---@return perigee.SignalWatch
function M.on_signal(name, handler) end

---@return number seconds since 1970
function M.time() end

---@return integer
function M.pid() end

--- Ends the process at once.
---@param code integer?
function M.exit(code) end

--- What is at a path; nil when nothing is, or it cannot be looked at.
---@param path string
---@return "file"|"directory"|"other"|nil
function M.file_kind(path) end

--- A file that was not there before. It is removed again when it cannot be written whole.
---@param path string
---@param text string
---@param mode integer permissions, as open(2) takes them
---@return true?
---@return string? message
---@return string? code "exists" "denied"
function M.create_file(path, text, mode) end

--- The names in a directory, sorted.
---@param path string
---@return string[]?
---@return string? message
---@return string? code
function M.list(path) end

--- What a shell command writes to its standard output, as a connection. The command runs until it ends, or the connection
--- is closed: then it gets SIGTERM. Its standard input is empty.
---@param command string
---@return perigee.Connection?
---@return string? message
---@return string? code
function M.run(command) end

--- Raises the limit of open descriptors as far as the system allows.
---@param wanted integer?
---@return integer limit in force
function M.raise_descriptor_limit(wanted) end

--- What this binary is made with.
---@return table<string, string|boolean>
function M.versions() end

return M, { ["perigee.signal"] = SignalWatch }
