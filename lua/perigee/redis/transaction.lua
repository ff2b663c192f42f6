--- MULTI and EXEC. Without keys to watch all of it is one piece on the shared connection; with them it has a connection
--- of its own from WATCH to EXEC.

local commands <const> = require "perigee.redis.commands"
local new_pipeline <const> = require "perigee.redis.pipeline"
local resp <const> = require "perigee.codec.resp"
local session <const> = require "perigee.redis.session"

local ATTEMPTS <const> = 16
local MULTI <const>, EXEC <const> = resp.command "MULTI", resp.command "EXEC"

local M <const> = {}

---@class perigee.redis.Transaction
---@field pipeline perigee.redis.Pipeline
---@field link perigee.redis.Link? where keys are watched
local Transaction <const> = { __name = "perigee.redis.Transaction" }
commands.add_methods(Transaction)

--- Adds a command, which is done with all others or not at all.
---@param name string
---@param ... string|number|perigee.Buffer
---@return integer index of its reply in the results
function Transaction:call(name, ...)
  return self.pipeline:call(name, ...)
end

--- Runs a command now, after WATCH and before the others.
---@param name string
---@param ... string|number|perigee.Buffer
---@return any reply
---@return string? message
---@return string? code
function Transaction:read(name, ...)
  if not self.link then error("nothing is watched: give the transaction the option 'watch'", 2) end
  commands.check(commands.upper(name), (...))
  local reply <const>, message <const>, code <const> = self.link:call(commands.encode(name, ...), 1)
  if message then return nil, message, code end
  if session.is_error(reply) then return nil, ("%s: %s"):format(name, reply.message), (session.code_of(reply)) end
  return reply
end

--- What EXEC and the commands before it have answered: results, or nil, message, code; false when a key was changed.
local function results_of(replies)
  for i = 1, #replies - 1 do
    if session.is_error(replies[i]) then
      return nil, "transaction: " .. replies[i].message, (session.code_of(replies[i]))
    end
  end
  local last <const> = replies[#replies]
  if last == resp.null then return false end
  if session.is_error(last) then return nil, "transaction: " .. last.message, (session.code_of(last)) end
  if type(last) ~= "table" then return nil, "transaction: the reply to EXEC is no list", "protocol" end
  return last
end

local function execute(link, pipeline)
  local text <const> = MULTI .. table.concat(pipeline.words) .. EXEC
  local replies <const>, message <const>, code <const> = link:call(text, #pipeline + 2)
  if not replies then return nil, "transaction: " .. message, code end
  return results_of(replies)
end

local function run_watched(link, f, keys)
  local reply <const>, message <const>, code <const> = link:call(resp.command("WATCH", table.unpack(keys)), 1)
  if message then return nil, "WATCH: " .. message, code end
  if session.is_error(reply) then return nil, "WATCH: " .. reply.message, (session.code_of(reply)) end
  local pipeline <const> = new_pipeline()
  local opened <const> = link.keeper.session
  f(setmetatable({ pipeline = pipeline, link = link }, Transaction))
  if link.keeper.session ~= opened then
    return nil, "transaction: the connection broke, and nothing was done", "closed" -- what was watched is forgotten
  end
  return execute(link, pipeline)
end

local function watch(client, f, keys, attempts)
  local loan <close>, message <const>, code <const> = client.pool:borrow()
  if not loan then return nil, "transaction: " .. message, code end
  local is_over = false
  local _ <close> = setmetatable({}, { __close = function() if not is_over then loan:discard() end end })
  for _ = 1, attempts do
    local results <const>, why <const>, short <const> = run_watched(loan.link, f, keys)
    if results == nil then return nil, why, short end -- the connection is closed, and so nothing is watched any more
    is_over = results ~= false
    if results then return results end
  end
  return nil, ("transaction: the keys were changed by others in each of %d attempts"):format(attempts), "failed"
end

local function check(options)
  local keys <const>, attempts <const> = options.watch, options.attempts or ATTEMPTS
  if keys ~= nil and (type(keys) ~= "table" or #keys == 0) then error("option 'watch' must be a list of keys", 3) end
  if math.type(attempts) ~= "integer" or attempts < 1 then
    error("option 'attempts' must be an integer of 1 or more", 3)
  end
  return keys, attempts
end

---@param client perigee.redis.Client
---@param f fun(t: perigee.redis.Transaction)
---@param options table?
---@return any[]? results
---@return string? message
---@return string? code
function M.run(client, f, options)
  local keys <const>, attempts <const> = check(options or {})
  if keys then return watch(client, f, keys, attempts) end
  local pipeline <const> = new_pipeline()
  f(setmetatable({ pipeline = pipeline }, Transaction))
  return execute(client.link, pipeline)
end

return M
