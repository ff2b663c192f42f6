--- What the queues in a Redis do there, each in one step that no other client sees half of. All scripts have the same
--- keys. A job is an entry of a stream: its id, how often it was delivered before it was put there, its text. Who has
--- taken it holds the entry's delivery count: it changes when the next one takes it over.

local redis <const> = require "perigee.redis"

local COMMON <const> = [[
local jobs, texts, due, failed, last, ended, bell = unpack(KEYS)

-- A stream is made together with its group, so that nothing is put into it before.
local function ensure()
  if redis.call("EXISTS", jobs) == 0 then redis.call("XGROUP", "CREATE", jobs, "takers", "0", "MKSTREAM") end
end

-- Puts a job at the end, and rings for one who waits. There may be more jobs than rings: those who work look by
-- themselves.
local function add(id, deliveries, text)
  ensure()
  redis.call("XADD", jobs, "*", "id", id, "deliveries", deliveries, "text", text)
  if redis.call("LLEN", bell) < 64 then redis.call("RPUSH", bell, "1") end
end

local function remove(entry)
  redis.call("XACK", jobs, "takers", entry)
  redis.call("XDEL", jobs, entry)
end

-- Notes that its taker has let go of an entry, for one who does not get the answer and asks again.
local function note_ended(entry, count)
  redis.call("LPUSH", ended, entry .. ":" .. count)
  redis.call("LTRIM", ended, 0, 999)
end

local function has_ended(entry, count)
  return redis.call("LPOS", ended, entry .. ":" .. count) and 1 or 0
end

local function pack(deliveries, text)
  return deliveries .. ":" .. text
end

local function unpack_job(packed)
  local colon = string.find(packed, ":", 1, true)
  return tonumber(string.sub(packed, 1, colon - 1)), string.sub(packed, colon + 1)
end

local function milliseconds()
  local now = redis.call("TIME")
  return now[1] * 1000 + math.floor(now[2] / 1000)
end

local function delay(id, deliveries, text, time)
  redis.call("HSET", texts, id, pack(deliveries, text))
  redis.call("ZADD", due, milliseconds() + time, id)
end

-- The count of an entry that is taken, or nil.
local function count_of(entry)
  local pending = redis.pcall("XPENDING", jobs, "takers", entry, entry, 1)
  return not pending.err and pending[1] and pending[1][4] or nil
end

local function fields_of(values)
  return tonumber(values[2]), tonumber(values[4]), values[6]
end
]]

local M <const> = {}

local function script(text)
  return redis.script(COMMON .. text)
end

--- text, milliseconds of delay: the job's id.
M.put = script [[
local id = redis.call("INCR", last)
local time = tonumber(ARGV[2])
if time > 0 then delay(id, 0, ARGV[1], time) else add(id, 0, ARGV[1]) end
return id
]]

--- milliseconds of the lease, attempts, whether to look for leases that have ended: { entry, count, id, deliveries,
--- text, how many jobs wait behind it, failed }; or { "", milliseconds until the next one is due, or -1, failed }: the
--- ids of jobs that were taken too often.
M.take = script [[
ensure()
local attempts, put_aside = tonumber(ARGV[2]), {}

local function take(entry, count, values)
  local id, before, text = fields_of(values)
  local deliveries = before + count
  if deliveries > attempts then
    redis.call("HSET", failed, id, pack(deliveries - 1, text))
    put_aside[#put_aside + 1] = id
    return remove(entry)
  end
  local behind = redis.call("XLEN", jobs) - redis.call("XPENDING", jobs, "takers")[1]
  return { entry, count, id, deliveries, text, behind, put_aside }
end

local now = milliseconds()
for _, id in ipairs(redis.call("ZRANGEBYSCORE", due, "-inf", now, "LIMIT", 0, 100)) do
  local deliveries, text = unpack_job(redis.call("HGET", texts, id))
  redis.call("ZREM", due, id)
  redis.call("HDEL", texts, id)
  add(id, deliveries, text)
end

local cursor = ARGV[3] == "1" and "0-0" or nil
while cursor do
  local claimed = redis.call("XAUTOCLAIM", jobs, "takers", "taker", ARGV[1], cursor, "COUNT", 1)
  local entry = claimed[2][1]
  local job = entry and take(entry[1], count_of(entry[1]), entry[2])
  if job then return job end
  cursor = claimed[1] ~= "0-0" and claimed[1] or nil
end

while true do
  local read = redis.call("XREADGROUP", "GROUP", "takers", "taker", "COUNT", 1, "STREAMS", jobs, ">")
  if not read then break end
  local entry = read[1][2][1]
  local job = take(entry[1], 1, entry[2])
  if job then return job end
end
redis.call("DEL", bell)
local next_due = redis.call("ZRANGE", due, 0, 0, "WITHSCORES")[2]
return { "", next_due and math.max(0, tonumber(next_due) - now) or -1, put_aside }
]]

--- entry, count, whether it is asked again: 1; 0 when it is not held any more.
M.done = script [[
local entry, count = ARGV[1], tonumber(ARGV[2])
if count_of(entry) ~= count then return ARGV[3] == "1" and has_ended(entry, count) or 0 end
remove(entry)
note_ended(entry, count)
return 1
]]

--- entry, count, whether it is asked again, milliseconds of delay, attempts, deliveries that are not to be counted: 1;
--- 0 when it is not held any more.
M.release = script [[
local entry, count = ARGV[1], tonumber(ARGV[2])
if count_of(entry) ~= count then return ARGV[3] == "1" and has_ended(entry, count) or 0 end
local found = redis.call("XRANGE", jobs, entry, entry)[1]
remove(entry)
note_ended(entry, count)
if not found then return 0 end
local id, before, text = fields_of(found[2])
local deliveries, time = before + count - tonumber(ARGV[6]), tonumber(ARGV[4])
if deliveries >= tonumber(ARGV[5]) then redis.call("HSET", failed, id, pack(deliveries, text))
elseif time > 0 then delay(id, deliveries, text, time)
else add(id, deliveries, text) end
return 1
]]

--- entry, count, entry, count ...: which of them, as numbers from 1, are not held any more. The others' leases begin
--- anew.
M.extend = script [[
local lost = {}
for i = 1, #ARGV, 2 do
  if count_of(ARGV[i]) ~= tonumber(ARGV[i + 1]) then lost[#lost + 1] = (i + 1) / 2
  else redis.call("XCLAIM", jobs, "takers", "taker", 0, ARGV[i], "JUSTID") end
end
return lost
]]

--- milliseconds of the lease: how many wait, are taken, have failed. Jobs whose lease has ended wait.
M.count = script [[
ensure()
local over = redis.call("XPENDING", jobs, "takers", "IDLE", ARGV[1], "-", "+", 10000)
local taken = redis.call("XPENDING", jobs, "takers")[1] - #over
return { redis.call("XLEN", jobs) - taken + redis.call("ZCARD", due), taken, redis.call("HLEN", failed) }
]]

--- ids: the jobs of the first of them, deliveries and text, as many as are short enough for one reply; null for one
--- that is not failed any more.
M.failed = script [[
local list, bytes = {}, 0
for i, id in ipairs(ARGV) do
  local packed = redis.call("HGET", failed, id)
  bytes = bytes + (packed and #packed or 0)
  if i > 1 and bytes > 1048576 then break end
  list[i] = packed
end
return list
]]

--- id: 1; 0 when there is none that has failed.
M.retry = script [[
local packed = redis.call("HGET", failed, ARGV[1])
if not packed then return 0 end
local _, text = unpack_job(packed)
redis.call("HDEL", failed, ARGV[1])
add(ARGV[1], 0, text)
return 1
]]

-- What they answer: a server that is no Redis may answer anything.

local function is_whole(reply)
  return math.type(reply) == "integer"
end

local function is_list(reply)
  return type(reply) == "table"
end

local function is_count(reply)
  return is_list(reply) and is_whole(reply[1]) and is_whole(reply[2]) and is_whole(reply[3])
end

local function is_job(reply)
  return is_whole(reply[3]) and is_whole(reply[4]) and type(reply[5]) == "string" and is_whole(reply[6])
    and is_list(reply[7])
end

local function is_none(reply)
  return reply[1] == "" and is_list(reply[3])
end

local function is_taken(reply)
  return is_list(reply) and type(reply[1]) == "string" and is_whole(reply[2]) and (is_none(reply) or is_job(reply))
end

local answers <const> = { put = is_whole, take = is_taken, done = is_whole, release = is_whole, extend = is_list,
  count = is_count, failed = is_list, retry = is_whole }

for name, fits in pairs(answers) do
  local call <const> = M[name]
  M[name] = function(client, keys, arguments)
    local reply <const>, message <const>, code <const> = call(client, keys, arguments)
    if message or fits(reply) then return reply, message, code end
    return nil, ("%s does not answer as a Redis does"):format(client.url), "protocol"
  end
end

return M
