---@meta core.process
--- Starting other programs. For scripts: perigee.process.

local M <const> = {}

--- A process that was started. When the object is collected the process is told to end, unless it was detached.
---@class perigee.ChildHandle
---@field pid integer
---@field is_running boolean
local Child <const> = {}

--- Waits for its end.
---@param seconds number? to wait at most
---@return { exit: integer?, signal: string?, number: integer? }? status
---@return string? message
---@return string? code "timeout"; "unreachable": its status is lost, somebody else has waited for it
function Child:wait(seconds) end

--- Sends a signal, to its group when it has one.
---@param signal string|integer "SIGTERM", "TERM" or 15
---@return true?
---@return string? message
---@return string? code "closed": it has ended; "denied"
function Child:signal(signal) end

--- SIGTERM, unless that was sent before; and SIGKILL when it has not ended after its grace.
function Child:close() end

--- It runs on when this object is collected.
---@param for_good boolean? and when this process ends
function Child:detach(for_good) end

---@class perigee.SpawnRequest
---@field arguments string[] the program and its arguments
---@field environment string[] "NAME=value"
---@field descriptors table<integer, any> by their numbers there
---@field directory string?
---@field group boolean? in a process group of its own, default true
---@field user string? its name or number
---@field grace number? seconds between SIGTERM and SIGKILL, default 5

--- Starts a program, which is found by the PATH of `environment`. It has the descriptors that it is given, those of
--- ours from 0 to 2 that are not replaced, and no other. Connections among them, whose bytes must all be read and sent,
--- are closed here once it runs.
---@param request perigee.SpawnRequest
---@return perigee.ChildHandle?
---@return string? message
---@return string? code "unreachable": there is no such program, directory or user; "denied"; "limit"; "closed"; ...
function M.spawn(request) end

--- A pipe.
---@param direction "read"|"write" what we do with it
---@return perigee.Connection? ours
---@return perigee.Descriptor|string theirs or message
---@return string? code
function M.pipe(direction) end

--- What is empty to read, and takes all that is written.
---@return perigee.Descriptor?
---@return string? message
---@return string? code
function M.null() end

--- The variables of this process.
---@return table<string, string>
function M.environment() end

--- Removes a variable, for what is started later. Only while no other thread runs.
---@param name string
function M.unset(name) end

--- The program that runs here.
---@return string? path
---@return boolean|string is_same is it still at that path? or message
---@return string? code
function M.executable() end

return M, { ["perigee.child"] = Child }
