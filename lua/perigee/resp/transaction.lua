--- MULTI, EXEC and DISCARD: a client's commands are kept, and carried out one after the other without those of others
--- between them. What is kept are the words, so that a reload changes what they do.

local codec <const> = require "perigee.codec.resp"
local watching <const> = require "perigee.resp.watching"

local COMMANDS <const> = 100000             -- of one transaction
local BYTES <const> = 16 << 20              -- of its commands, each word with WORD_COST
local ALL_BYTES <const> = 256 << 20         -- of those of all clients
local REPLY_BYTES <const> = 64 << 20        -- of its replies
local SECONDS <const> = 5                   -- that it may take: nobody else has a turn meanwhile
local WORD_COST <const>, COMMAND_COST <const> = 32, 64

local OK <const>, QUEUED <const> = codec.simple "OK", codec.simple "QUEUED"
local NESTED <const> = codec.error "ERR MULTI calls can not be nested"
local NO_EXEC <const> = codec.error "ERR EXEC without MULTI"
local NO_DISCARD <const> = codec.error "ERR DISCARD without MULTI"
local ABORTED <const> = codec.error "EXECABORT Transaction discarded because of previous errors."
local NOT_WITHIN <const> = codec.error "ERR Command not allowed inside a transaction"
local TOO_LARGE <const> = codec.error "OOM the transaction has too many commands or too many bytes"
local TOO_MUCH <const> = codec.error "OOM not done: the replies of the transaction have too many bytes"
local TOO_LONG <const> = codec.error "ERR not done: the transaction has taken too long"

local M <const> = {}

--- The commands that were queued, each a packed list of its words.
---@class perigee.resp.Transaction
---@field bytes integer
---@field is_broken boolean a command was refused: EXEC does nothing

local all_bytes = 0

--- Ends a client's transaction, if it has one.
---@param client perigee.resp.Client
local function finish(client)
  local transaction <const> = client.transaction
  if not transaction then return end
  all_bytes = all_bytes - transaction.bytes
  client:set_transaction(nil)
end

local function drop(client)
  finish(client)
  watching.forget(client)
end

-- Queueing.

--- A command was refused. In a transaction EXEC will do nothing then; EXEC itself is over.
---@param client perigee.resp.Client
---@param name string
---@param problem perigee.resp.Error
---@return perigee.resp.Error
function M.refuse(client, name, problem)
  if not client.transaction then return problem end
  client.transaction.is_broken = true
  if name:upper() ~= "EXEC" then return problem end
  drop(client)
  return codec.error("EXECABORT Transaction discarded because of: " .. problem.message:gsub("^ERR ", ""))
end

local function cost_of(words)
  local bytes = COMMAND_COST
  for i = 1, words.n do bytes = bytes + WORD_COST + #words[i] end
  return bytes
end

--- Keeps a command for EXEC.
---@param client perigee.resp.Client that has a transaction
---@param command perigee.resp.Command
---@param name string
---@param ... string
---@return any answer
function M.queue(client, command, name, ...)
  if command.single then return M.refuse(client, name, NOT_WITHIN) end
  local transaction <const>, words <const> = client.transaction, table.pack(name, ...)
  local bytes <const> = cost_of(words)
  if #transaction >= COMMANDS or transaction.bytes + bytes > BYTES or all_bytes + bytes > ALL_BYTES then
    return M.refuse(client, name, TOO_LARGE)
  end
  transaction.bytes, all_bytes = transaction.bytes + bytes, all_bytes + bytes
  transaction[#transaction + 1] = words
  return QUEUED
end

-- Carrying out.

--- What a command has answered: its value, or what it has written by itself.
local function value_of(written, value, none)
  if #written == 0 and value ~= none then return value end
  if value ~= none then written[#written + 1] = value == nil and codec.null or value end
  if #written == 1 then return written[1] end
  return written
end

--- Replies, encoded, with the array's beginning; commands that would be too much are not done any more.
local function carry_out(client, transaction, run, none)
  local texts <const>, began <const> = { ("*%d\r\n"):format(#transaction) }, os.clock()
  local bytes = 0
  for i, words in ipairs(transaction) do
    local value
    if bytes > REPLY_BYTES then value = TOO_MUCH
    elseif os.clock() - began > SECONDS then value = TOO_LONG
    else
      client.executing.written = {}
      value = run(client, table.unpack(words, 1, words.n))
      value = value_of(client.executing.written, value, none)
    end
    texts[i + 1] = codec.encode(value, { version = client.version })
    bytes = bytes + #texts[i + 1]
  end
  return texts
end

--- Carries out what was queued, then what has to wait for the end of it.
local function execute(client, transaction, run, none)
  client.executing = { written = {}, later = {} }
  local _ <close> = setmetatable({}, { __close = function()
    local later <const> = client.executing.later
    client.executing = false
    for _, call in ipairs(later) do call[1](table.unpack(call, 2, call.n)) end
  end })
  return carry_out(client, transaction, run, none)
end

local function exec_with(run, none)
  return function(client)
    local transaction <const> = client.transaction
    if not transaction then return NO_EXEC end
    local is_stale <const> = watching.is_stale(client)
    drop(client)
    if transaction.is_broken then return ABORTED end
    if is_stale then return codec.null_array end
    local texts <const> = execute(client, transaction, run, none)
    client.conn:write(table.concat(texts)) -- in one piece: pushes come behind it
    return none
  end
end

local function multi(client)
  if client.transaction then return NESTED end
  client:on_end(finish)
  client:set_transaction { bytes = 0, is_broken = false }
  return OK
end

local function discard(client)
  if not client.transaction then return NO_DISCARD end
  drop(client)
  return OK
end

--- The commands. run(client, name, ...) carries out a queued one, and returns `none` if it has answered by itself.
---@param run fun(client: perigee.resp.Client, name: string, ...: string): any
---@param none table
---@return table<string, perigee.resp.Command>
function M.commands(run, none)
  return {
    MULTI = { 1, multi, immediate = true, group = "transactions", summary = "Begins a transaction." },
    EXEC = { 1, exec_with(run, none), immediate = true, group = "transactions",
      summary = "Does what was queued since MULTI." },
    DISCARD = { 1, discard, immediate = true, group = "transactions", summary = "Drops what was queued since MULTI." },
  }
end

return M
