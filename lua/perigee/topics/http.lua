--- Topics over HTTP: at a path GET gives the messages of a topic as server-sent events, or as a WebSocket to whoever
--- asks for one, and what that sends is published; POST publishes its body.

local core <const> = require "core.task"
local forms <const> = require "perigee.topics.forms"
local response <const> = require "perigee.http.response"
local upgrade <const> = require "perigee.http.upgrade"

local M <const> = {}

local function refuse(message)
  return response.error(503, message)
end

--- The topics outlive a reload, and this is no code of a script: so it goes on after one.
local function serve_socket(topics)
  return function(socket, request)
    core.follow()
    local name <const> = request.params.topic
    local ok <const>, message <const> = topics:subscribe(name, forms.message, socket)
    if not ok then return socket:close(1013, message) end
    local _ <close> = setmetatable({}, { __close = function()
      topics:unsubscribe(name, forms.message, socket)
    end })
    for text in socket:messages() do topics:publish(name, text) end
  end
end

local function events(topics, name)
  local room <const>, message <const> = topics:room(name, forms.event)
  return room and response.events(room) or refuse(message)
end

local function publish(topics, request, origins)
  if not upgrade.may_connect(request, origins) then
    return response.error(403, "pages of this origin may not publish")
  end
  local text <const>, message <const>, code <const> = request:body()
  if not text then return response.refuse(message, code) end
  local receivers <const>, why <const>, word <const> = topics:publish(request.params.topic, text)
  if not receivers then return response.refuse(why, word) end
  return { receivers = receivers }
end

--- Adds the routes of topics to an application. The pattern has a parameter `topic`: "/topics/{topic...}". Options:
--- limit (bytes of a message, default 1 MiB), origins (whose pages may connect and publish, as of app:websocket).
---@param app perigee.http.App
---@param pattern string
---@param topics perigee.Topics
---@param options { limit: integer?, origins: string[]|"*"|nil }?
function M.add(app, pattern, topics, options)
  local limit <const>, origins <const> = options and options.limit or 1 << 20, options and options.origins
  local socket <const> = upgrade.handler(serve_socket(topics), { limit = limit, origins = origins })
  app:get(pattern, function(request)
    if request:header "upgrade" then return socket(request) end
    return events(topics, request.params.topic)
  end)
  app:post(pattern, function(request) return publish(topics, request, origins) end, { body_limit = limit })
end

return M
