--- Which service is served by whom, so that connections call the newest version's over reloads.

local core <const> = require "core.task"
local following <const> = require "perigee.service.follow"

local M <const> = {}

--- By the functions that serve connections or requests.
---@type table<function, { service: perigee.rpc.Service, key: string, generation: perigee.service.Generation? }>
local served <const> = setmetatable({}, { __mode = "k" })

--- That the function serves the service. The key says how: only what is served in the same way is followed.
---@param handler function
---@param service perigee.rpc.Service
---@param key string
function M.note(handler, service, key)
  served[handler] = { service = service, key = key, generation = core.context() }
end

--- The same of a server.
---@param server perigee.Server
---@param service perigee.rpc.Service
---@param key string
function M.note_server(server, service, key)
  local endpoint <const> = server.endpoints[1] -- none: it is only checked
  if endpoint then M.note(endpoint.protocol.handler, service, key) end
end

--- The service that the function serves in this version, in this way.
---@param handler function?
---@param key string
---@param generation perigee.service.Generation?
---@return perigee.rpc.Service?
function M.service_of(handler, key, generation)
  local found <const> = served[handler or false]
  return found and found.key == key and found.generation == generation and found.service or nil
end

--- Has the connection that the running task serves follow reloads: `use` is told the service whose methods are to be
--- called from then on.
---@param conn perigee.Connection|perigee.WebSocket
---@param key string
---@param use fun(service: perigee.rpc.Service)
---@param find (fun(handler: function): function?)? what is noted, of the function that serves its listener now
---@return perigee.service.Follower to be held in a <close> variable
function M.follow(conn, key, use, find)
  return following.follow(conn, function(handler, newer)
    local inner <const> = find and find(handler) or not find and handler or nil
    local service <const> = M.service_of(inner, key, newer)
    if service then use(service) end
    return service ~= nil
  end)
end

return M
