--- A service: methods, and how one is called whatever the protocol. What a method returns is the answer; what goes
--- wrong in it is a fault.

local checked <const> = require "perigee.rpc.options"
local core <const> = require "core.task"
local fault <const> = require "perigee.rpc.fault"
local introspection <const> = require "perigee.rpc.introspection"
local log <const> = require "perigee.log"
local methods <const> = require "perigee.rpc.methods"
local null <const> = require "perigee.codec.json".null
local returned <const> = require "perigee.misuse"

local codes <const> = fault.codes
local ARGUMENTS <const> = 10000 -- of one call, at most: they are on the stack of its task

local M <const> = {}

---@class perigee.rpc.Service
---@field methods table<string, perigee.rpc.Method>
local Service <const> = { __name = "perigee.rpc.Service" }
Service.__index = Service

--- Keeps a fault as it is, and an interruption of the task, which is none; of an error, its text and where it was.
local function report(failure)
  if fault.is(failure) or core.is_interruption(failure) then return failure end
  return { failure = failure, traceback = debug.traceback("", 2):gsub("^\n", "") }
end

local function describe(failure)
  if type(failure) == "table" and type(rawget(failure, "message")) == "string" then return failure.message end
  local ok <const>, text <const> = pcall(tostring, failure)
  return ok and text or "a " .. type(failure)
end

local function parameter_count(method)
  local count <const> = #method.parameters
  return ("%d parameter%s"):format(count, count == 1 and "" or "s")
end

--- What the caller is told of an error: nothing but that it has happened; and where parameters were left out, that too,
--- as it may well be why.
local function internal(method, count, raised)
  if fault.is(raised) then return raised end
  if core.is_interruption(raised) then error(raised, 0) end
  local is_reported <const> = type(raised) == "table"
  log.failure("a method has failed", { method = method.name,
    reason = describe(is_reported and raised.failure or raised), traceback = is_reported and raised.traceback or nil },
    "a method has failed: " .. method.name)
  if count >= #method.parameters then return fault.new(codes.INTERNAL, "internal error") end
  return fault.new(codes.INVALID_PARAMETERS, ("%s has failed: it has %s, and %d came"):format(method.name,
    parameter_count(method), count))
end

--- nil, message is how our functions say that they have failed as could be expected.
local function expected(message, code)
  return fault.new(codes.APPLICATION, message, type(code) == "string" and code or nil)
end

local function finish(method, count, ok, result, message, code)
  if not ok then return false, internal(method, count, result) end
  if result == nil and type(message) == "string" then return false, expected(message, code) end
  return true, result
end

local function wrong_count(method, count)
  return fault.new(codes.INVALID_PARAMETERS, ("%s takes %s, not %d"):format(method.name,
    parameter_count(method), count))
end

--- Calls a method with these arguments: the shortest way, for protocols that have them at hand.
---@param name string
---@param ... any
---@return boolean ok
---@return any result or the perigee.rpc.Fault
function Service:invoke(name, ...)
  local method <const> = self.methods[name]
  if not method then
    return false, fault.new(codes.NOT_FOUND, ("there is no method %s"):format(tostring(name)))
  end
  local count <const> = select("#", ...)
  if count > method.most then return false, wrong_count(method, count) end
  return finish(method, count, xpcall(method.call, report, ...))
end

local function by_position(parameters, count)
  for index = 1, count do
    if parameters[index] == null then parameters[index] = nil end
  end
  return parameters, 1, count
end

--- Arguments by the parameters' names, of which the first `count` are given already: a table with n, or nil and the
--- fault.
local function by_name(method, named, count)
  local arguments <const>, known <const> = { n = math.max(#method.parameters, count) }, {}
  for index, name in ipairs(method.parameters) do
    known[name] = true
    if named[name] ~= nil and index <= count then
      return nil, fault.new(codes.INVALID_PARAMETERS, ("%s is given %s twice"):format(method.name, name))
    end
    if named[name] ~= null then arguments[index] = named[name] end
  end
  for name in pairs(named) do
    if not known[name] then
      return nil, fault.new(codes.INVALID_PARAMETERS, ("%s has no parameter %s"):format(method.name, tostring(name)))
    end
  end
  return arguments
end

--- Calls a method. Nulls among the parameters themselves become nil.
---@param name string
---@param parameters table? by position; n is how many, default #parameters
---@param named table<string, any>? by name; those that are left out are nil
---@return boolean ok
---@return any result or the perigee.rpc.Fault
function Service:call(name, parameters, named)
  parameters = parameters or {}
  local method <const>, count <const> = self.methods[name], parameters.n or #parameters
  if not method then return self:invoke(name) end
  if count > method.most then return false, wrong_count(method, count) end
  if count > ARGUMENTS then
    return false, fault.new(codes.INVALID_PARAMETERS, ("a call has at most %d parameters"):format(ARGUMENTS))
  end
  if not named then return self:invoke(name, table.unpack(by_position(parameters, count))) end
  local arguments <const>, wrong <const> = by_name(method, named, count)
  if not arguments then return false, wrong end
  table.move(parameters, 1, count, 1, arguments)
  return self:invoke(name, table.unpack(arguments, 1, arguments.n))
end

--- The names of all methods, sorted, with those that every service has.
---@return string[]
function Service:list()
  local names <const> = {}
  for name in pairs(self.methods) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- What a method is: nil when there is none of this name.
---@param name string
---@return perigee.rpc.Method?
function Service:describe(name)
  return self.methods[name]
end

--- An application (perigee.http) that answers XML-RPC and JSON-RPC, on any path, and JSON-RPC over WebSocket: to be
--- mounted in another. Options: see perigee.rpc.http.
---@param options table?
---@return table app
function Service:app(options)
  return require "perigee.rpc.http".app(self, options)
end

local ORDER <const> = { "http", "msgpack", "connection" }

local protocols <const> = {
  http = function(self, urls, options)
    return require "perigee.http".serve(urls, self:app(options), options.server)
  end,
  msgpack = function(self, urls, options)
    return require "perigee.rpc.msgpack".serve(self, urls, options)
  end,
  connection = function(self, at, options)
    if type(at) ~= "table" then error("target 'connection' must be { URL, authkey = ... }", 0) end
    local given <const> = { limit = options.limit, idle_timeout = options.idle_timeout, server = options.server }
    for name, value in pairs(at) do
      if name ~= 1 then given[name] = value end
    end
    return require "perigee.rpc.connection".serve(self, at[1], given)
  end,
}

local function check_targets(targets)
  if type(targets) ~= "table" then error("bad argument 'targets' (a table expected)", 0) end
  for name in pairs(targets) do
    if not protocols[name] and name ~= "options" then
      error(("there is no protocol '%s': there are http, msgpack and connection"):format(tostring(name)), 0)
    end
  end
  if targets.options ~= nil then checked.check(targets.options) end
  if not (targets.http or targets.msgpack or targets.connection) then
    error("bad argument 'targets' (addresses by http, msgpack or connection expected)", 0)
  end
end

local function close_all(servers)
  for _, server in pairs(servers) do server:close() end
end

--- All of them, or none.
local function serve(self, targets)
  check_targets(targets)
  local servers <const> = {}
  for _, name in ipairs(ORDER) do
    if targets[name] then
      local ok <const>, server <const>, message <const>, code <const> =
        pcall(protocols[name], self, targets[name], targets.options or {})
      if not ok or not server then close_all(servers) end
      if not ok then error(server, 0) end
      if not server then return nil, message, code end
      servers[name] = server
    end
  end
  return servers
end

--- Serves the methods: { http = URL or URLs, msgpack = URL or URLs, connection = { URL, authkey = }, options = {} }.
--- XML-RPC and JSON-RPC share http. Options: see perigee.rpc.http and perigee.rpc.msgpack; those of
--- perigee.rpc.connection stand beside its URL.
---@param targets { http: any, msgpack: any, connection: table?, options: table? }
---@return table<string, perigee.Server>? servers by the protocols' names
---@return string? message
---@return string? code "exists": an address is in use; "denied", "unreachable"
function Service:serve(targets)
  return returned(pcall(serve, self, targets))
end

local function new(given)
  local service <const> = setmetatable({ methods = methods.collect(given) }, Service)
  for name, method in pairs(methods.describe(introspection(service))) do service.methods[name] = method end
  return service
end

--- Makes a service of methods.
---@param given table name -> function | { function, help =, parameters = } | table of methods
---@return perigee.rpc.Service
function M.new(given)
  return returned(pcall(new, given))
end

return M
