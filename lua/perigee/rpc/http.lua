--- XML-RPC and JSON-RPC 2.0 on one HTTP application, whatever the path, JSON-RPC over WebSocket beside them, and a page
--- that lists the methods for those who look with a browser.

local http <const> = require "perigee.http"
local json <const> = require "perigee.rpc.json"
local checked <const> = require "perigee.rpc.options"
local misuse <const> = require "perigee.misuse"
local page <const> = require "perigee.rpc.page"
local served <const> = require "perigee.rpc.served"
local upgrade <const> = require "perigee.http.upgrade"
local websocket <const> = require "perigee.rpc.websocket"
local xml <const> = require "perigee.rpc.xml"

local M <const> = {}

local XML <const>, JSON <const> = { ["Content-Type"] = "text/xml" }, { ["Content-Type"] = "application/json" }

local types <const> = {
  ["text/xml"] = "xml", ["application/xml"] = "xml", ["application/json"] = "json",
  ["application/json-rpc"] = "json", ["application/jsonrequest"] = "json",
}

--- Told by Content-Type; where that says neither, as with curl -d, by the first byte, which of XML is < or begins a
--- mark of UTF-8 or UTF-16.
local function is_xml(request, body)
  local given <const> = request:header "content-type" or ""
  local named <const> = types[given] or types[given:match "^%s*([^;%s]*)":lower()]
  if named then return named == "xml" end
  return body:find "^\xEF?\xBB?\xBF?[ \t\r\n]*<" ~= nil or body:find "^\xFE\xFF" ~= nil or body:find "^\xFF\xFE" ~= nil
end

--- Pages of other hosts may not call: a browser would not show them the answer, but the call would have been done.
local function refusal_of(request, origins)
  if not upgrade.may_connect(request, origins) then return http.error(403, "pages of this origin may not call") end
  local coding <const> = (request:header "content-encoding" or "identity"):lower()
  if coding == "identity" then return nil end
  local refusal <const> = http.error(415, "the body must not be compressed")
  refusal.headers = { ["Accept-Encoding"] = "identity" }
  return refusal
end

local function answer_xml(service, body)
  return http.response(200, xml.answer(service, body), XML)
end

local function answer_json(service, body, options)
  local text <const> = json.answer(service, body, options.batch)
  return text and http.response(200, text, JSON) or http.no_content()
end

local function answer(service, request, options)
  local refusal <const> = refusal_of(request, options.origins)
  if refusal then return refusal end
  local body <const>, message <const>, code <const> = request:body()
  if not body then return http.refuse(message, code) end
  if is_xml(request, body) then return answer_xml(service, body) end
  return answer_json(service, body, options)
end

--- What answers GET: an upgrade to WebSocket, or the page.
local function getter(service, options)
  local upgraded <const> = options.websocket ~= false and
    upgrade.handler(websocket.handler(service, options), { limit = options.limit, origins = options.origins,
      finish = true })
  local function get(request)
    if upgraded and (request:header "upgrade" or ""):lower() == "websocket" then return upgraded(request) end
    return page.answer(service, request)
  end
  if upgraded then served.note(get, service, websocket.KEY) end
  return get
end

local function make(service, options)
  options = options == nil and {} or options
  checked.check(options)
  local made <const> = http.app()
  local function post(request) return answer(service, request, options) end
  local get <const> = getter(service, options)
  for _, pattern in ipairs { "/", "/{path...}" } do
    made:post(pattern, post, { body_limit = options.limit })
    made:get(pattern, get)
  end
  if options.origins then
    local list <const> = options.origins == "*" and { "*" } or options.origins
    made:use(http.cors { origins = list, methods = { "GET", "HEAD", "POST" } })
  end
  return made
end

--- An application that answers POST on any path, and WebSockets on any path.
---
--- Options: limit (bytes of a body or a WebSocket's message, default 1 MiB), batch (calls of a batch, default 1000),
--- calls (of one WebSocket that run at a time, default 100; more wait unread), origins (a list of the origins whose
--- pages may call, or "*"; default: pages of this host alone; those are answered with CORS headers), websocket (default
--- true).
---@param service perigee.rpc.Service
---@param options table?
---@return perigee.http.App
function M.app(service, options)
  return misuse(pcall(make, service, options))
end

return M
