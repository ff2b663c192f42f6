--- The server's side of a WebSocket's beginning: who may connect, and with which protocol. The handshake itself is the
--- core's.

local core <const> = require "core.websocket"
local response <const> = require "perigee.http.response"

local M <const> = {}

local names <const> = { limit = true, ping = true, compress = true, finish = true, protocols = true, origins = true }

local function check(options)
  for name in pairs(options) do
    if not names[name] then error(("there is no option '%s'"):format(tostring(name)), 0) end
  end
  core.check(options)
  if options.protocols and type(options.protocols) ~= "table" then error("option 'protocols' must be a list", 0) end
  if options.origins and options.origins ~= "*" and type(options.origins) ~= "table" then
    error("option 'origins' must be a list or \"*\"", 0)
  end
end

local function contains(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

--- A browser says from which page it connects; without a list it has to be one of this host (RFC 6455 10.2).
---@param request perigee.http.Request
---@param origins string[]|"*"|nil
---@return boolean
function M.may_connect(request, origins)
  local origin <const> = request:header "origin"
  if not origin or origins == "*" then return true end
  if origins then return contains(origins, origin) end
  return origin:lower():match "^%a[%w+.-]*://(.*)$" == (request.host or ""):lower()
end

local function choose_protocol(request, protocols)
  for name in (request:header "sec-websocket-protocol" or ""):gmatch "[^%s,]+" do
    if contains(protocols, name) then return name end
  end
end

--- A handler that upgrades requests.
---@param handler fun(socket: perigee.WebSocket, request: perigee.http.Request)
---@param options table? see perigee.http.App.websocket
---@return fun(request: perigee.http.Request): perigee.http.Response
function M.handler(handler, options)
  options = options or {}
  check(options)
  local core_options <const> = { limit = options.limit, ping = options.ping, compress = options.compress,
    finish = options.finish }
  local function upgrade_to(protocol)
    local upgrade <const> = response.response(101)
    upgrade.kind, upgrade.handler, upgrade.options = "websocket", handler, core_options
    if protocol then upgrade.headers = { ["Sec-WebSocket-Protocol"] = protocol } end
    return upgrade
  end
  return function(request)
    if not M.may_connect(request, options.origins) then
      return response.error(403, "pages of this origin may not connect")
    end
    local protocol <const> = options.protocols and choose_protocol(request, options.protocols)
    if protocol then request.protocol = protocol end
    return upgrade_to(protocol)
  end
end

return M
