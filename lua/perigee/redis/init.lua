--- A client of Redis, and of servers that speak its protocol.
---   local client <close> = redis.connect "redis://127.0.0.1:6379"
---   client:set("greeting", "hello")   client:call("SET", "greeting", "hello")
---   for text, channel in client:subscribe "news" do ... end
--- Many tasks share a client: what they send in one pass of the loop leaves in one write. It connects when it is first
--- used, and again, with back-off, when the connection has broken and somebody needs it; and when its server says
--- READONLY, as one that was made a replica: whose command it was gets the error, the next one goes to where the name
--- leads now.

local inboxes <const> = require "perigee.bus.inbox"
local commands <const> = require "perigee.redis.commands"
local new_backoff <const> = require "perigee.redis.backoff"
local new_hub <const> = require "perigee.redis.hub"
local new_link <const> = require "perigee.redis.link"
local new_pipeline <const> = require "perigee.redis.pipeline"
local new_pool <const> = require "perigee.redis.pool"
local resp <const> = require "perigee.codec.resp"
local returned <const> = require "perigee.misuse"
local service <const> = require "perigee.service"
local session <const> = require "perigee.redis.session"
local settings_of <const> = require "perigee.redis.settings".read
local new_subscription <const> = require "perigee.bus.subscription"
local transaction <const> = require "perigee.redis.transaction"

local OPEN_SECONDS <const> = 5

local M <const> = {}

--- What stands for nil in lists of replies.
M.null = resp.null

--- A command of Redis in lower case is a method: client:hset(key, field, value).
---@class perigee.redis.Client
---@field url string without user and password
local Client <const> = { __name = "perigee.redis.Client" }
commands.add_methods(Client)

--- The result of a command: an error that the server reports becomes a failure.
local function finish(self, name, reply, message, code)
  if message then return nil, ("%s: %s"):format(name, message), code end
  if session.is_error(reply) then
    return nil, ("%s on %s: %s"):format(name, self.url, reply.message), (session.code_of(reply))
  end
  return reply
end

--- Runs a command: its reply, nil for null. Maps are tables by their keys, lists in RESP2. Commands that wait at the
--- server get a connection of their own.
---@param name string "GET"
---@param ... string|number|perigee.Buffer
---@return any reply
---@return string? message
---@return string? code "failed": the server reports an error; "denied"; "limit": it has no memory left, or the reply
--- is too large; "closed": the connection broke, and it may or may not have been done; "timeout": so, too; "refused"
--- "unreachable" "tls": there is no connection
function Client:call(name, ...)
  local upper <const> = commands.upper(name)
  commands.check(upper, (...))
  if commands.waits(upper, ...) then return self:blocking(name, ...) end
  return finish(self, upper, self.link:call(commands.encode(name, ...), 1))
end

--- Runs a command on a connection of its own, where it may wait as long as it likes: BLPOP, XREAD ... When the task is
--- cancelled meanwhile the connection is closed, so that the server gives it nothing more; but what it has taken out of
--- a list just before, and its reply that is on its way, are lost. perigee.queue gives such jobs back.
---@param name string
---@param ... string|number|perigee.Buffer
---@return any reply
---@return string? message
---@return string? code
function Client:blocking(name, ...)
  local upper <const> = commands.upper(name)
  commands.check(upper, (...))
  local text <const> = commands.encode(name, ...)
  local loan <close>, message <const>, code <const> = self.pool:borrow()
  if not loan then return nil, ("%s: %s"):format(upper, message), code end
  local seconds <const> = commands.waits(upper, ...) or 0
  return finish(self, upper, loan.link:call(text, 1, seconds + self.settings.timeout))
end

local function check_function(f, name)
  if type(f) ~= "function" then error(("bad argument '%s' (a function expected)"):format(name), 3) end
end

--- Sends several commands in one piece: those that f(p) adds with p:call(name, ...), or p:get(key) and so on.
---@param f fun(p: perigee.redis.Pipeline)
---@return any[]? replies one for each: redis.null for nil, and an object { message =, kind = } of class
--- perigee.resp.Error for an error that the server reports
---@return string? message
---@return string? code
function Client:pipeline(f)
  check_function(f, "f")
  local p <const> = new_pipeline()
  f(p)
  if #p == 0 then return {} end
  local reply <const>, message <const>, code <const> = self.link:call(table.concat(p.words), #p)
  if message then return nil, "pipeline: " .. message, code end
  return #p == 1 and { reply == nil and resp.null or reply } or reply
end

--- Runs several commands as one, MULTI and EXEC: f(t) adds them with t:call(name, ...), or t:incr(key) and so on. With
--- options.watch, a list of keys, f may read before, with t:read(name, ...); if one of the keys is changed by somebody
--- else before all is done, nothing is, and f is called again, up to options.attempts times (default 16).
---@param f fun(t: perigee.redis.Transaction)
---@param options { watch: string[]?, attempts: integer? }?
---@return any[]? replies as those of pipeline
---@return string? message
---@return string? code "failed": the server reports an error in one of the commands, or the keys changed each time:
--- nothing was done
function Client:transaction(f, options)
  check_function(f, "f")
  return transaction.run(self, f, options)
end

local function names_of(...)
  local names <const> = table.pack(...)
  local options <const> = type(names[names.n]) == "table" and table.remove(names, names.n) or {}
  names.n = nil
  for _, name in ipairs(names) do
    if type(name) ~= "string" then error("bad argument 'channel' (a string expected)", 0) end
  end
  if #names == 0 then error("bad argument 'channel' (a string expected)", 0) end
  return names, options
end

local function check_subscription(options)
  local limit <const>, policy <const> = options.limit or 1000, options.policy or "drop"
  if math.type(limit) ~= "integer" or limit < 1 then error("option 'limit' must be an integer of 1 or more", 0) end
  if policy ~= "drop" and policy ~= "close" then error("option 'policy' must be \"drop\" or \"close\"", 0) end
  if options.on_lost ~= nil and type(options.on_lost) ~= "function" then
    error("option 'on_lost' must be a function", 0)
  end
  for name in pairs(options) do
    if name ~= "limit" and name ~= "policy" and name ~= "on_lost" then
      error(("there is no option '%s'"):format(tostring(name)), 0)
    end
  end
  return { limit = limit, policy = policy, on_lost = options.on_lost }
end

local function subscribe(self, is_pattern, ...)
  local names <const>, given <const> = names_of(...)
  local options <const>, hub <const> = check_subscription(given), self.hub
  options.scope = hub.keeper.scope
  local inbox <const> = inboxes.new(options, is_pattern and {} or names, is_pattern and names or {},
    function(inbox) hub:unsubscribe(inbox) end)
  local _ <close> = setmetatable({}, { __close = function(_, failure)
    if failure ~= nil then inbox:close("subscribe: it was given up", "cancelled") end
  end })
  local done <const>, message <const>, code <const> = hub:subscribe(inbox)
  if not done then
    inbox:close(message, code)
    return nil, message, code
  end
  local subscription <const> = new_subscription(self, inbox)
  return subscription, nil, nil, subscription
end

--- Subscribes to channels; it is in force when this returns, and again after each break of the connection. All
--- subscriptions of a client share one connection. The last argument may be options: limit (messages that may wait
--- here, default 1000), policy ("drop": the oldest are dropped, and it is reported; "close": the subscription ends with
--- "limit"; default "drop"), on_lost (a function that is called with what is lost as soon as it is known).
---@param ... string|{ limit: integer?, policy: "drop"|"close"|nil, on_lost: fun(lost: perigee.bus.Lost)? }
---@return perigee.Subscription? subscription which can be given to `for`, see perigee.bus.subscription
---@return string? message
---@return string? code
function Client:subscribe(...)
  return returned(pcall(subscribe, self, false, ...))
end

--- The same for all channels that match patterns, as PSUBSCRIBE has them: "news.*". A message that several match comes
--- once.
---@param ... string|table
---@return perigee.Subscription?
---@return string? message
---@return string? code
function Client:psubscribe(...)
  return returned(pcall(subscribe, self, true, ...))
end

--- Waits until it is connected, and tells why it is not: for those who want to know before the first command.
---@param seconds number? to wait at most; default: the option timeout
---@return true? connected
---@return string? message
---@return string? code "refused" "denied" "tls" "timeout" ...
function Client:ready(seconds)
  if seconds ~= nil and not (type(seconds) == "number" and seconds >= 0) then
    error("bad argument 'seconds' (seconds of 0 or more expected)", 2)
  end
  local opened <const>, message <const>, code <const> = self.link.keeper:await(seconds)
  if not opened then return nil, message, code end
  return true
end

--- Closes all its connections. What is under way fails with "closed". Closing twice does nothing.
function Client:close()
  self.link:close()
  self.pool:close()
  self.hub:close()
end

Client.__close = Client.close
Client.__gc = Client.close

function Client:__tostring()
  local opened <const> = self.link.keeper.session
  return ("redis client: %s (%s)"):format(self.url, opened and "connected" or "not connected")
end

--- A client of redis://[user:password@]host[:port][/database], rediss:// (TLS) or redis+unix:///path[?db=1]. Options,
--- of which those with a * can be in the URL's query, too: user*, password*, database* (default 0), name* (of the
--- client, for CLIENT LIST), timeout* (seconds that a command may wait for the connection, and that the server may be
--- silent when a reply is due; default 10), protocol* (3, or 2 for RESP2 only), limit* (bytes of one reply, default
--- 64 MiB), connections* (for commands that wait and transactions that watch, at most, default 64), tls (as net.connect
--- has it), server_name, backoff ({ first, longest } seconds between two attempts to connect, default { 0.05, 5 }).
---@param url string
---@param options table?
---@return perigee.redis.Client
function M.connect(url, options)
  local ok <const>, settings <const> = pcall(settings_of, url, options)
  if not ok then error(settings, 2) end
  local backoff <const> = new_backoff(settings.backoff)
  return setmetatable({ url = settings.shown, settings = settings, link = new_link(settings, backoff),
    pool = new_pool(settings, backoff), hub = new_hub(settings, backoff) }, Client)
end

--- A client as connect makes it, which is connected; nil, message, code when it cannot be within 5 seconds: less than
--- a main chunk may take. While a script is only checked it is not tried.
---@param url string
---@param options table?
---@return perigee.redis.Client?
---@return string? message
---@return string? code "refused" "denied" "tls" "timeout" ...
function M.open(url, options)
  local ok <const>, client <const> = pcall(M.connect, url, options)
  if not ok then error(client, 2) end
  local current <const> = service.current()
  if current and current.checking then return client end
  local ready <const>, message <const>, code <const> = client:ready(math.min(client.settings.timeout, OPEN_SECONDS))
  if ready then return client end
  client:close()
  return nil, message, code
end

M.script = require "perigee.redis.script"

return M
