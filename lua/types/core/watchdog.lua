---@meta core.watchdog
--- What a process does about scripts that compute for too long, or want too much memory. A slice is one time that Lua
--- gets to run: a task until it waits, or one callback.

local M <const> = {}

--- Starts the watchdog, one for a process. A slice that takes longer than `warn` seconds is told to on_slow when it has
--- ended. One that takes longer than `stop` gets an error, "chat.lua:12: ran for 5.0 s without yielding", and its task
--- is to end: whatever catches the error, each further wait raises it again, and after a tenth of a second so does each
--- step. Where Lua runs no hook, as in a long string.find, the log says that the loop is silent, and what the stack is.
--- While it runs, debug.sethook raises.
---@param options { warn: number?, stop: number?, log: "text"|"json"|nil, report: integer? }? seconds, default 0.1 and
--- 5, 0 is never; log: how the log is written; report: a descriptor that is told of silence in place of the log, by a
--- line of JSON: { "seconds":, "traceback": }
---@return true?
---@return string? message
---@return string? code
function M.start(options) end

--- Stops it. Nothing when there is none.
function M.stop() end

--- Is told of each slice that took longer than `warn`, when it has ended.
---@param f fun(seconds: number, traceback: string?, context: any, stopped: boolean) traceback: as it was after `warn`
--- seconds, or when it was stopped; nil when all of the time went by in C. context: of the task's scope
function M.on_slow(f) end

--- What was seen since the start: the longest slice in seconds, as far as it was looked at; how many on_slow was told
--- of, and how many of them were stopped.
---@return { longest: number, warned: integer, stopped: integer }
function M.slices() end

--- Limits the memory of Lua's values, and of buffers. What would go beyond it raises "not enough memory".
---@param bytes integer? nil: no limit
---@return integer? before the limit until now
function M.limit_memory(bytes) end

--- Makes "not enough memory", when that is what an error says, tell what was refused last: what was asked for, where,
--- and what the limit is. Other values are returned as they are.
---@param value any an error value
---@return any
function M.explain(value) end

return M
