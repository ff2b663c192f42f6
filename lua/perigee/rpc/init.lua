--- Remote procedure calls. A function is registered once, and called by XML-RPC, JSON-RPC 2.0 (HTTP and WebSocket),
--- MessagePack-RPC and over Python's multiprocessing.connection; clients of all of them are proxies.
---   local api = rpc.service { add = function(x, y) return x + y end }
---   api:serve { http = "http://127.0.0.1:15000", msgpack = "tcp://127.0.0.1:15001" }
---   local remote = rpc.connect "tcp://127.0.0.1:15001"
---   print(remote.add(2, 3))

local address <const> = require "core.address"
local fault <const> = require "perigee.rpc.fault"
local public_url <const> = require "perigee.http.public_url"
local checked <const> = require "perigee.rpc.options"
local returned <const> = require "perigee.misuse"
local service <const> = require "perigee.rpc.service"

local M <const> = { codes = fault.codes, fault = fault.new, is_fault = fault.is, service = service.new }

--- What a proxy stands for: { client =, name = }, kept here so that a proxy has no names but the server's.
local subjects <const> = setmetatable({}, { __mode = "k" })

---@class perigee.rpc.Proxy
local Proxy <const> = { __name = "perigee.rpc.Proxy" }

local clients <const> = {
  json = "perigee.rpc.json_client", xml = "perigee.rpc.xml_client", msgpack = "perigee.rpc.msgpack_client",
  websocket = "perigee.rpc.websocket_client", connection = "perigee.rpc.connection",
}

--- What each takes besides protocol, timeout, limit and tls.
local options_of <const> = {
  json = { "headers", "unix" }, xml = { "headers", "unix", "binary" }, msgpack = { "server_name" },
  websocket = { "headers", "server_name" }, connection = { "authkey", "digest", "codec", "server_name" },
}

local defaults <const> = {
  http = "json", https = "json", ws = "websocket", wss = "websocket",
  tcp = "msgpack", tls = "msgpack", unix = "msgpack",
}

local function proxy_of(client, name)
  local proxy <const> = setmetatable({}, Proxy)
  subjects[proxy] = { client = client, name = name }
  return proxy
end

--- remote.math.sub: a method, or a name before it.
function Proxy:__index(name)
  local subject <const> = subjects[self]
  if type(name) ~= "string" then error("the name of a method must be a string", 2) end
  local child <const> = proxy_of(subject.client, subject.name and subject.name .. "." .. name or name)
  rawset(self, name, child)
  return child
end

local function raise_unless(ok, result, code)
  if ok then return result end
  if ok == false then error(result, 0) end
  error(setmetatable({ code = code, message = result }, M.Failure), 0)
end

--- Calls; raises the fault that the server answers with, or a perigee.rpc.Failure when there is no answer.
function Proxy:__call(...)
  local subject <const> = subjects[self]
  if not subject.name then error("a proxy is called by a method's name: remote.add(2, 3)", 2) end
  if subjects[...] then error(("methods are called with a dot: remote.%s(...)"):format(subject.name), 2) end
  return raise_unless(subject.client:call(subject.name, table.pack(...)))
end

function Proxy:__tostring()
  local subject <const> = subjects[self]
  return ("remote %s%s"):format(subject.client.url, subject.name and ": " .. subject.name or "")
end

function Proxy:__close()
  M.close(self)
end

--- No answer has come: { message, code }, where code is a word such as "timeout", "refused" or "closed".
---@class perigee.rpc.Failure
---@field message string
---@field code string
M.Failure = { __name = "perigee.rpc.Failure", __tostring = function(self) return self.message end }

--- Whose client that is, and the method's whole name.
local function subject_of(remote, name)
  local subject <const> = subjects[remote]
  if not subject then error("bad argument 'remote' (what rpc.connect returns expected)", 3) end
  if type(name) ~= "string" then error("bad argument 'name' (a method's name expected)", 3) end
  return subject.client, subject.name and subject.name .. "." .. name or name
end

local function protocol_of(url, given)
  if type(url) ~= "string" then error("bad argument 'url' (a URL expected)", 0) end
  if type(given) ~= "table" then error("bad argument 'options' (a table expected)", 0) end
  local scheme <const> = url:match "^(%a+):"
  local protocol <const> = given.protocol or defaults[scheme]
  if protocol and clients[protocol] then return protocol end
  if given.protocol then
    error(("there is no protocol '%s': there are json, xml, msgpack, websocket and connection")
      :format(tostring(given.protocol)), 0)
  end
  error(("bad argument 'url': %s is none of http:// https:// ws:// wss:// tcp:// tls:// unix:")
    :format(public_url.hide(url)), 0)
end

local function check_address(url)
  local parts <const>, message <const> = address.parse(url)
  if not parts then error("bad argument 'url': " .. message, 0) end
end

local function connect(url, options)
  local protocol <const> = protocol_of(url, options)
  if protocol == "msgpack" or protocol == "connection" then check_address(url) end
  local names <const> = { protocol = true, timeout = true, limit = true, tls = true }
  for _, name in ipairs(options_of[protocol]) do names[name] = true end
  checked.check_client(options, names)
  return proxy_of(require(clients[protocol]).connect(url, options))
end

--- A proxy: remote.add(2, 3) calls the method add, remote.math.sub(1, 2) math.sub. It connects when it is first called,
--- and again after the connection broke. A call raises the fault that the server answers with, a table { code, message,
--- data } whose tostring() is the message; and when no answer comes a table { code, message } whose code is a word, as
--- of all our failures.
---
--- Options: protocol ("json", the default of http:// and https://; "xml"; "msgpack", that of tcp://, tls:// and unix:;
--- "websocket", JSON-RPC on ws:// and wss://; "connection", Python's multiprocessing.connection), timeout (seconds of
--- a call, default 30; task.deadline holds besides), and the protocol's own, see perigee.rpc.*_client and
--- perigee.rpc.connection.
---@param url string
---@param options table?
---@return perigee.rpc.Proxy
function M.connect(url, options)
  return returned(pcall(connect, url, options == nil and {} or options))
end

--- Calls a method, and returns what goes wrong in our usual form.
---@param remote perigee.rpc.Proxy
---@param name string
---@param ... any
---@return any? result
---@return string? message
---@return string|integer|nil code the fault's, an integer; a word when there was no answer
function M.try(remote, name, ...)
  local client <const>, method <const> = subject_of(remote, name)
  local ok <const>, result <const>, code <const> = client:call(method, table.pack(...))
  if ok then return result end
  if ok == false then return nil, result.message, result.code end
  return nil, result, code
end

--- Calls a method without waiting for an answer, of which there is none.
---@param remote perigee.rpc.Proxy
---@param name string
---@param ... any
---@return true? sent
---@return string? message
---@return string? code
function M.notify(remote, name, ...)
  local client <const>, method <const> = subject_of(remote, name)
  local sent <const>, message <const>, code <const> = client:notify(method, table.pack(...))
  return sent, message, code
end

--- Closes the connection; what waits for an answer fails with "closed". Over HTTP, calls that are under way end by
--- themselves.
---@param remote perigee.rpc.Proxy
function M.close(remote)
  local client <const> = subject_of(remote, "")
  client:close()
end

return M
