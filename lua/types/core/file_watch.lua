---@meta core.file_watch
--- What happens to files, told by the directories that they are in (inotify). For scripts there is `perigee run --watch`.

local M <const> = {}

--- Directories that are watched. It is closed when it is collected.
---@class perigee.FileWatch
local FileWatch <const> = {}

--- Watches a directory. To be called again when another one may be at the path now.
---@param directory string
---@param only_itself boolean? only tells when the directory is moved or removed
---@return true?
---@return string? message
---@return string? code "unreachable": there is no such directory; "denied"; "limit": the kernel watches no more; "closed"
function FileWatch:add(directory, only_itself) end

--- Watches it no more; nothing when it was not watched.
---@param directory string as it was added
function FileWatch:remove(directory) end

--- Waits for the next that happens: a file was written and closed, was moved or linked to its name, was removed, or got
--- other permissions or times. A directory without a name was itself moved or removed, and is not watched any more,
--- by none of its paths.
---@param seconds number? to wait at most
---@return string? directory as it was added; of several paths to one directory any
---@return string? name or message
---@return string? code "timeout"; "limit": some of what has happened was lost, so look at everything; "closed"
function FileWatch:next(seconds) end

--- Closes. Closing twice does nothing.
function FileWatch:close() end

---@return perigee.FileWatch?
---@return string? message
---@return string? code "limit": of the kernel
function M.open() end

--- What a symbolic link says.
---@param path string
---@return string? target nil: there is no symbolic link
function M.link(path) end

return M, { ["perigee.file_watch"] = FileWatch }
