--- Serving an application, or one function, over HTTP.

require "core.listener"

local core <const> = require "core.http"
local app <const> = require "perigee.http.app"
local log <const> = require "perigee.log"
local response <const> = require "perigee.http.response"
local server <const> = require "perigee.server"
local service <const> = require "perigee.service"

local M <const> = {}

local function logger()
  local current <const> = service.current()
  return current and log.of(current.name) or log
end

local function describe(request)
  return { request = request.id, method = request.method, path = request.path,
    peer = request.peer and tostring(request.peer) }
end

--- What the client is told about a handler that has raised: nothing of the error, but for those who develop.
local function internal_error(request, failure, traceback, dev)
  local text <const> = "Internal Server Error\nrequest " .. request.id .. "\n"
  local shown <const> = dev and ("%s\n%s\n%s\n"):format(text, tostring(failure), traceback) or text
  return response.response(500, shown, {
    ["Content-Type"] = "text/plain; charset=utf-8", ["X-Request-Id"] = request.id, ["Cache-Control"] = "no-store" })
end

--- A response that was raised is the answer; any other error is logged, and the application may answer for it.
local function failure_hook(application, logs, dev)
  return function(request, failure, traceback, begun)
    if response.is(failure) and not begun then return failure end
    local fields <const> = describe(request)
    fields.traceback = traceback
    logs.failure(tostring(failure), fields)
    if begun then return nil end
    local answer <const> = application and application:error_handler(request)
    if answer then return answer(request, failure) end
    return internal_error(request, failure, traceback, dev)
  end
end

local function access_hook(logs)
  return function(request, status, bytes)
    logs.info(request.method .. " " .. request.target, { status = status, bytes = bytes,
      milliseconds = math.floor(request.elapsed * 1e5 + 0.5) / 100, peer = request.peer and tostring(request.peer),
      request = request.id })
  end
end

local function refusal_hook(logs)
  return function(peer, status, what)
    logs.debug("refused", { peer = peer and tostring(peer), status = status, why = what })
  end
end

local function core_options(options, application)
  local current <const> = service.current()
  local logs <const> = logger()
  local result <const> = {}
  for name, value in pairs(options or {}) do
    if name ~= "access_log" and name ~= "dev" then result[name] = value end
  end
  local dev = options and options.dev
  if dev == nil then dev = current and current.dev end
  result.on_failure = failure_hook(application, logs, dev)
  result.on_refused = refusal_hook(logs)
  if options and options.access_log then result.on_finished = access_hook(logs) end
  return result
end

local function handler_of(what)
  if app.is(what) then return what:handler(), what end
  if type(what) == "function" then return what end
  error("bad argument 'app' (an application or a function expected)", 0)
end

local function serve(urls, what, options)
  local handler <const>, application <const> = handler_of(what)
  local given <const> = core_options(options, application)
  return server.serve(urls, {
    handler = handler,
    options = given,
    defaults = { protocols = { "http/1.1", "http/1.0" } },
    kind = function() return "http" end,
    open = function(at, options_of) return core.listen(at, handler, options_of) end,
    begin = function(socket, is_paused) socket:pause(is_paused or false) end,
    check = function(at, options_of) core.probe(at, options_of, false) end,
    probe = function(at, options_of) return core.probe(at, options_of) end,
  })
end

--- Serves one or more addresses: http://127.0.0.1:8080, https://127.0.0.1:8443, unix:/run/app.sock. The app is what
--- http.app() makes, or a function: f(request) returns the answer. While a script is loaded, a failure raises.
---
--- Options: access_log (default false), gzip (default true: bodies of text from 1 KiB on are compressed for clients
--- that take it), dev (errors show their traceback to the client; default what perigee run --dev says), body_limit
--- (bytes, default 1 MiB), request_line_limit (8 KiB), header_limit (32 KiB), header_count (100), header_timeout
--- (seconds for a whole head, default 20), body_timeout (30, and one more for every 1000 bytes), idle_timeout (75, of a
--- connection that is kept), and those of net.serve: tls, handshake_timeout, max_connections, high_water, backlog,
--- nodelay, keepalive, reuseport, v6only, receive_buffer, send_buffer, paused, keep_path. A listening descriptor is
--- taken over in the place of a URL, as net.serve does.
---@param urls string|perigee.Descriptor|(string|perigee.Descriptor)[]
---@param what perigee.http.App|fun(request: perigee.http.Request): any
---@param options table?
---@return perigee.Server? server
---@return string? message
---@return string? code "exists": the address is in use; "denied", "unreachable"
function M.serve(urls, what, options)
  return server.returned(pcall(serve, urls, what, options))
end

return M
