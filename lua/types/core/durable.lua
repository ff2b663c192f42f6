---@meta core.durable
--- Stores and queues in a directory, by LMDB: shared by processes, and whole after a crash at any moment. Scripts have
--- perigee.store and perigee.queue. What writes parks the task until it is committed: all that the tasks of a pass of
--- the loop want is one transaction, in a thread. What reads does so at once, and sees what is committed.
---
--- Failures: nil, message, code. "limit": it is full (what frees room can still be done), or something is too long;
--- "protocol": the file is damaged, or not ours; "denied"; "unreachable": there is no such directory; "closed": the
--- environment is; "failed".

local M <const> = {}

--- An open directory. Closed when it is collected.
---@class perigee.Durable
local Durable <const> = {}

--- The store of a name, made when there is none. Waits, unless it is there.
---@param name string at most 255 bytes
---@return perigee.DurableStore?
---@return string? message
---@return string? code
function Durable:store(name) end

--- The queue of a name, made when there is none. Waits, unless it is there. Stores and queues have names of their own.
---@param name string at most 255 bytes
---@return perigee.DurableQueue?
---@return string? message
---@return string? code
function Durable:queue(name) end

--- For specs: it goes by a clock that is so much ahead of the true one.
---@param seconds number
function Durable:shift_clock(seconds) end

--- Closes. What waits to be written is written. Closing twice does nothing.
function Durable:close() end

--- Values by key: strings, a key of at most 498 bytes, a value of at most 16 MiB.
---@class perigee.DurableStore
local DurableStore <const> = {}

---@param key string
---@return string? value nil alone: there is none
---@return string? message
---@return string? code
function DurableStore:get(key) end

---@param key string
---@return boolean?
---@return string? message
---@return string? code
function DurableStore:exists(key) end

--- Waits.
---@param key string
---@param value string
---@param seconds number? until it expires; nil: never, also when it was to before
---@param absent boolean? only when there is none
---@return boolean? set
---@return string? message
---@return string? code
function DurableStore:set(key, value, seconds, absent) end

--- Sets the value when it is what it is expected to be. Waits.
---@param key string
---@param old string? nil: there is none
---@param new string
---@param seconds number? until it expires; nil: never
---@return boolean? replaced
---@return string? message
---@return string? code
function DurableStore:replace(key, old, new, seconds) end

--- Waits.
---@param key string
---@param ... string
---@return integer? count of those that there were
---@return string? message
---@return string? code
function DurableStore:delete(key, ...) end

--- Adds to an integer, which is kept as its digits; none is 0. When one that is there expires stays as it was. Waits.
---@param key string
---@param by integer? default 1
---@param seconds number? until it expires, when this call makes it; nil: never
---@return integer? number
---@return string? message
---@return string? code "failed": it is no integer, or would be beyond 64 bits
function DurableStore:increment(key, by, seconds) end

--- Waits.
---@param key string
---@param seconds number from now; math.huge: never
---@return boolean? there there was a value
---@return string? message
---@return string? code
function DurableStore:expire(key, seconds) end

--- Some keys, in order.
---@param prefix string
---@param after string? the second result of the call before
---@return string[]?
---@return string? after there may be more; or message
---@return string? code
function DurableStore:keys(prefix, after) end

--- Jobs: strings of at most 16 MiB, first in, first out. One that was taken is its taker's until the lease ends; he is
--- known by the deliveries that he was told.
---@class perigee.DurableQueue
local DurableQueue <const> = {}

--- Waits.
---@param text string
---@param delay number? seconds before it can be taken
---@return integer? id
---@return string? message
---@return string? code
function DurableQueue:put(text, delay) end

--- The oldest job, of those that wait, whose delay is over, or whose lease has ended. When the task is interrupted it
--- is as if the job had never been taken. Waits for the disk alone, not for a job.
---@param lease number seconds
---@param attempts integer? deliveries after which a job whose lease has ended has failed; 0, the default: any number
---@return integer|false|nil id false: there is none
---@return string|number|nil text or seconds, in which there may be one; or message
---@return integer|string|nil deliveries or code
---@return integer? waiting jobs behind it
---@return integer[]? failed ids of jobs whose leases have ended too often: they have failed now
function DurableQueue:take(lease, attempts) end

--- Waits.
---@param id integer
---@param deliveries integer
---@return boolean? done false: the lease had been lost
---@return string? message
---@return string? code
function DurableQueue:done(id, deliveries) end

--- Gives a job back. Waits.
---@param id integer
---@param deliveries integer
---@param delay number? seconds
---@param attempts integer? deliveries after which it has failed; 0, the default: any number
---@return boolean? released false: the lease had been lost
---@return string? message
---@return string? code
function DurableQueue:release(id, deliveries, delay, attempts) end

--- The same without waiting, for finalizers.
---@param id integer
---@param deliveries integer
---@param delay number?
---@param attempts integer?
function DurableQueue:release_soon(id, deliveries, delay, attempts) end

--- The job waits again as if it had not been taken. Does not wait.
---@param id integer
---@param deliveries integer
function DurableQueue:untake_soon(id, deliveries) end

--- Begins leases anew. Waits.
---@param lease number seconds
---@param held integer[] id, deliveries, id, deliveries ...
---@return integer[]? lost ids of those whose lease had been lost
---@return string? message
---@return string? code
function DurableQueue:extend(lease, held) end

--- A job that has failed waits again, as if it were new. Waits.
---@param id integer
---@return boolean? retried false: there is none that has failed
---@return string? message
---@return string? code
function DurableQueue:retry(id) end

--- How many jobs wait (those with a delay, too), are taken, and have failed.
---@return integer? waiting
---@return integer|string|nil taken or message
---@return integer|string|nil failed or code
function DurableQueue:counts() end

--- Some jobs that have failed, in order.
---@param after integer? the last id of the call before
---@return { id: integer, text: string, deliveries: integer }[]?
---@return boolean|string|nil more there may be; or message
---@return string? code
function DurableQueue:failed(after) end

--- Opens a directory, once in a process however often it is asked: then the first options hold, but sync is turned on.
---@param directory string that is there
---@param options { sync: boolean?, size: integer? }? sync: what is acknowledged outlives a loss of power, not only of
--- the process; default true. size: bytes that it may take, default 8 GiB, at least 1 MiB; what is there already counts
---@return perigee.Durable?
---@return string? message
---@return string? code
function M.open(directory, options) end

return M, { ["perigee.durable"] = Durable, ["perigee.durable_store"] = DurableStore,
  ["perigee.durable_queue"] = DurableQueue }
