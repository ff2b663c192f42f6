---@meta core.task
--- What the scheduler exports. Scripts use it through perigee.task. Durations are seconds, fractions allowed.

local M <const> = {}

--- A running or ended task. `state` is "ready", "running", "waiting", "ending", "returned", "failed" or "cancelled".
---@class perigee.Task
---@field state string
local Task <const> = {}

--- Waits for the end. A failed task gives nil, message, "failed"; a cancelled one nil, message, "cancelled".
---@param seconds number? to wait at most; then nil, message, "timeout"
---@return any ... what the task's function returned
function Task:join(seconds) end

--- Asks the task to end: it is interrupted where it waits, its <close> variables run, and it cannot wait any more.
function Task:cancel() end

--- Tasks that end together.
---@class perigee.Scope
---@field count integer tasks alive
local Scope <const> = {}

--- Spawns a task in the scope.
---@param f function
---@param ... any its arguments
---@return perigee.Task
function Scope:spawn(f, ...) end

--- As spawn, but what the task spawns itself belongs to the scope too.
---@param f function
---@param ... any
---@return perigee.Task
function Scope:enter(f, ...) end

--- Cancels every task of the scope.
function Scope:cancel() end

--- Cancels the tasks that serve no connection and no datagram.
function Scope:cancel_background() end

--- Waits until no task is left.
---@param seconds number? to wait at most
---@return true? empty
---@return string? message
---@return string? code "timeout"
function Scope:join(seconds) end

--- Tasks that wait for something a script will tell, first come, first served. #waitlist is how many.
---@class perigee.Waitlist
local Waitlist <const> = {}

--- Waits until woken.
---@param seconds number? to wait at most
---@return boolean woken false: the time was over
function Waitlist:wait(seconds) end

--- Wakes the first tasks.
---@param count number? default 1; math.huge: all
---@return integer woken
function Waitlist:wake(count) end

--- Spawns a task: a child of the innermost group, or of the running task. It begins at the scheduler's next turn, and
--- is cancelled when its parent ends.
---@param f function
---@param ... any its arguments
---@return perigee.Task
function M.spawn(f, ...) end

--- Runs body(group), then waits until every task of the group has ended. An error of one cancels the others and the
--- body, and is raised here once.
---@param body fun(group: perigee.Scope): ...
---@return any ... what the body returned
function M.group(body) end

--- Runs f(...) with a deadline for every wait below it; past it, f is unwound.
---@param seconds number
---@param f function
---@param ... any
---@return any ... what f returned; or nil, message, "timeout"
function M.deadline(seconds, f, ...) end

--- Waits. 0 lets the other ready tasks have their turn.
---@param seconds number?
function M.sleep(seconds) end

--- A clock that never jumps, as of this pass of the loop.
---@return number seconds
function M.now() end

--- A scope of its own, for a service.
---@param context any what context() returns in its tasks
---@return perigee.Scope
function M.scope(context) end

--- What the scope of the running task was made with.
---@return any context
function M.context() end

---@return perigee.Waitlist
function M.waitlist() end

--- Is told of every error that no join and no group gets; without it they go to stderr.
---@param f fun(message: string, traceback: string, context: any)
function M.on_failure(f) end

--- What is alive: tasks, connections, listeners, datagrams, drains (those of them that have bytes left to send:
--- sending); and refused clients since the start.
---@return table<string, integer>
function M.counts() end

--- A full collection, and idle memory back to the system.
function M.trim() end

return M, { ["perigee.task"] = Task, ["perigee.scope"] = Scope, ["perigee.waitlist"] = Waitlist }
