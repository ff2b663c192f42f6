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

--- A directory that was not there before, for everybody as far as the umask allows.
---@param path string
---@return true?
---@return string? message
---@return string? code "exists" "denied" "unreachable"
function M.make_directory(path) end

--- The names in a directory, sorted.
---@param path string
---@return string[]?
---@return string? message
---@return string? code
function M.list(path) end

--- Raises the limit of open descriptors as far as the system allows.
---@param wanted integer?
---@return integer limit in force
function M.raise_descriptor_limit(wanted) end

---@param name string? "NAME", a number, or "NAME:GROUP"; default: the user that this process is
---@return integer? uid
---@return string? message
---@return string? code "unreachable": there is none
function M.user_id(name) end

--- Gives up all rights but that user's, for good.
---@param name string "NAME", a number, or "NAME:GROUP"
---@return true?
---@return string? message
---@return string? code "unreachable": there is none; "denied"
function M.set_user(name) end

--- Makes a directory that only its user may enter; one that is there is as well when nobody else may change it.
---@param path string
---@param user string? whose it is to be; default: the user that this process is
---@return true?
---@return string? message
---@return string? code "denied"
function M.private_directory(path, user) end

--- Is it a directory of this process's user, and no link to one, that nobody else may write to?
---@param path string
---@return boolean
function M.is_private(path) end

--- Where a path leads in the end: absolute, and without symbolic links.
---@param path string
---@return string?
---@return string? message
---@return string? code "unreachable": nothing is there
function M.real_path(path) end

--- Locks a file for as long as the descriptor is open: flock(2). The lock ends with the process, however that ends.
---@param path string
---@param alone boolean? false: together with others, and the file is made; true: nobody else may hold a lock, and the
--- file must be there
---@return perigee.Descriptor?
---@return string? message
---@return string? code "exists": somebody else holds it, or has just removed the file; "unreachable": there is no file
function M.lock(path, alone) end

---@param path string
---@param mode integer as chmod(2) takes it
---@return true?
---@return string? message
---@return string? code
function M.set_mode(path, mode) end

---@return integer count processors that this process may run on
function M.processors() end

--- Sends a datagram to a Unix socket: to the service manager, as sd_notify(3) does.
---@param path string what NOTIFY_SOCKET says
---@param text string
---@return true?
---@return string? message
---@return string? code
function M.notify(path, text) end

--- What this binary is made with.
---@return table<string, string|boolean>
function M.versions() end

return M, { ["perigee.signal"] = SignalWatch }
