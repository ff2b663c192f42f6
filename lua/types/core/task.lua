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

--- Cancels the tasks of WebSockets, which nobody expects to end by themselves.
function Scope:cancel_endless() end

--- What the tasks serve is retired that have asked for it, see perigee.Connection.retire_at_stop.
---@param wakes boolean? false: a read that waits waits on, for one more request; default true
function Scope:retire(wakes) end

--- The task that serves a connection of a server, or its WebSocket, belongs to this scope from now on.
---@param conn perigee.Connection|perigee.WebSocket
---@return boolean taken
function Scope:take(conn) end

--- How many tasks serve a connection or a datagram: it looks at each.
---@return integer
function Scope:serving() end

--- The tasks that follow the newest code, see follow, belong to the other scope from now on.
---@param to perigee.Scope
---@return integer count
function Scope:move_live(to) end

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
---@return any ... what f returned, true when it returned nothing; or nil, message, "timeout"
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

--- The running task, and so the connection that it serves, follows the newest code of its service: after a reload it
--- belongs to that.
function M.follow() end

--- Whether an error value is an interruption of the task, which was cancelled or is past its deadline: who catches one
--- has to raise it again. Any other userdata that is raised is an error as all others.
---@param value any
---@return boolean
function M.is_interruption(value) end

--- There is garbage: it is collected in small steps once the process is quiet.
function M.tidy() end

--- What is alive: tasks, connections, listeners, datagrams, drains (those of them that have bytes left to send:
--- sending), calls of offload that a thread works on or will (offloads), environments of core.durable that are open
--- (durables); and refused clients since the start.
---@return table<string, integer>
function M.counts() end

--- What has happened since the start: clients that were accepted, requests of HTTP, and datagrams that were handled.
---@return { accepted: integer, requests: integer, datagrams: integer }
function M.totals() end

--- All tasks that are alive, in no order: `age` in seconds; `thread` is the task's coroutine, to be looked at only;
--- `context` is that of its scope.
---@return { id: integer, age: number, state: "ready"|"running"|"waiting"|"ending", kind: "connection"|"request"|"websocket"|"datagram"|"task", context: any, thread: thread }[]
function M.list() end

--- Cancels a task.
---@param id integer
---@return boolean killed false: there is no such task
function M.kill(id) end

--- A full collection, and idle memory back to the system.
function M.trim() end

--- Runs f(...) in a thread, with a Lua state of its own, while the calling task waits and the loop goes on: for work
--- that takes milliseconds or more.
---
--- What travels: nil, booleans, numbers, strings, json.null, buffers, and tables of these without a metatable; shared
--- references and cycles stay. To the thread also Lua functions with their upvalues, which are copied: what the thread
--- assigns to them is not seen here. Modules and functions in them travel by name (`string.rep`, `json`), and are
--- required there: of Perigee's those that need no event loop (perigee.buffer, perigee.codec.*, perigee.frame), of
--- others those on package.path; a module beside the script is not found. What cannot travel raises and is named:
--- "upvalue 'conn' of the function: a connection cannot travel".
---
--- Buffers move: their memory goes to the thread, back with the results, and is never copied. The caller's buffer and
--- all views of the same memory are empty from then on, and raise when they are used; also when the call fails or is
--- cancelled.
---
--- The function's globals are the standard library, anew for each call. The script's own global functions are not there
--- ("attempt to call a nil value (global 'f')"): make them local. os.exit, os.setlocale and debug.sethook raise.
---
--- An error of f is raised here, with the thread's traceback in the log; as a text where the error value cannot travel.
--- A call that is cancelled or past its deadline is given up at once, and the thread stopped: at the next step of Lua
--- code, which one long call of a C function (string.find, io.popen's close) can hold up. Its results are dropped.
---@param f function
---@param ... any its arguments
---@return any ... what f returned; or nil, message, "limit": too many calls wait for a thread (see offload_options)
function M.offload(f, ...) end

--- Sets what is given, for the calls from now on, and returns what is in force.
---@param options { threads: integer?, queue: integer?, memory: integer? }? threads: at most, default the CPUs; queue:
--- calls that may wait for a thread, first come, first served, default 1024; memory: bytes of Lua values that a call
--- may have, default 256 MiB; buffers do not count
---@return { threads: integer, queue: integer, memory: integer }
function M.offload_options(options) end

return M, { ["perigee.task"] = Task, ["perigee.scope"] = Scope, ["perigee.waitlist"] = Waitlist }
