--- Responses: what a handler returns when a string, a table or a function alone does not say enough. One is a plain
--- table with this class: status, headers, and a body that may be a string, a table (sent as JSON), a function
--- (write) that makes it, or nothing.

local core <const> = require "core.http"
local cookie <const> = require "perigee.http.cookie"

local M <const> = {}

---@class perigee.http.Response
---@field status integer? default 200
---@field headers table<string, string|string[]>? a list sends the field several times
---@field body any?
local Response <const> = core.Response
Response.__name = "perigee.http.response"
Response.__index = Response

function Response:__tostring()
  return ("response: %d %s"):format(self.status or 200, core.phrase(self.status or 200))
end

--- Sets a header field; nil takes it away. Names are compared without case.
---@param name string
---@param value string|string[]|nil
---@return perigee.http.Response self
function Response:set(name, value)
  self.headers = self.headers or {}
  local lower <const> = name:lower()
  for present in pairs(self.headers) do
    if present:lower() == lower then self.headers[present] = nil end
  end
  self.headers[name] = value
  return self
end

--- The value of a header field that has been set; names are compared without case.
---@param name string
---@return string|string[]|nil
function Response:get(name)
  local lower <const> = name:lower()
  for present, value in pairs(self.headers or {}) do
    if present:lower() == lower then return value end
  end
end

--- Adds a field that may be there several times, or a value to a list like Vary's.
---@param name string
---@param value string
---@return perigee.http.Response self
function Response:add(name, value)
  local present <const> = self:get(name)
  local list <const> = type(present) == "table" and table.move(present, 1, #present, 1, {}) or { present }
  list[#list + 1] = value
  return self:set(name, list)
end

--- Says that the answer depends on a header of the request.
---@param name string
---@return perigee.http.Response self
function Response:vary(name)
  local present <const> = self:get "Vary"
  if not present then return self:set("Vary", name) end
  local listed <const> = type(present) == "table" and table.concat(present, ",") or present
  for field in listed:gmatch "[^%s,]+" do
    if field == "*" or field:lower() == name:lower() then return self end
  end
  return self:add("Vary", name)
end

--- Sets a cookie; see perigee.http.cookie for the options.
---@param name string
---@param value string
---@param options table?
---@return perigee.http.Response self
function Response:set_cookie(name, value, options)
  return self:add("Set-Cookie", cookie.format(name, value, options))
end

--- Has the browser forget a cookie. Path and domain have to be those that it was set with.
---@param name string
---@param options table?
---@return perigee.http.Response self
function Response:delete_cookie(name, options)
  local gone <const> = { max_age = 0 }
  for key, value in pairs(options or {}) do gone[key] = value end
  return self:set_cookie(name, "", gone)
end

--- Is it a response object?
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == Response
end

--- A response of any kind: http.response(404, "no such item").
---@param status integer
---@param body any?
---@param headers table<string, string|string[]>?
---@return perigee.http.Response
function M.response(status, body, headers)
  if headers ~= nil and type(headers) ~= "table" then error("bad argument 'headers' (a table expected)", 2) end
  return setmetatable({ status = status, body = body, headers = headers }, Response)
end

local function copy(from)
  local to <const> = {}
  for key, value in pairs(from) do to[key] = value end
  return to
end

--- What a handler returned, as a response object of one's own: for middleware that adds to it. A handler may return the
--- same object, or one with the same headers, to every client.
---@param value any
---@return perigee.http.Response
function M.of(value)
  if not M.is(value) then return M.response(value == nil and 204 or 200, value) end
  local own <const> = setmetatable(copy(value), Response)
  own.headers = value.headers and copy(value.headers)
  return own
end

local function typed(type_name)
  return function(body, status)
    return M.response(status or 200, body, { ["Content-Type"] = type_name })
  end
end

M.text = typed "text/plain; charset=utf-8"
M.html = typed "text/html; charset=utf-8"
M.xml = typed "application/xml"
M.json = typed "application/json"

--- 201 with the place of what was made.
---@param location string
---@param body any?
---@return perigee.http.Response
function M.created(location, body)
  return M.response(201, body, { Location = location })
end

--- 204: done, and nothing to say.
---@return perigee.http.Response
function M.no_content()
  return M.response(204)
end

--- Sends the client elsewhere: 303 after a form, or 301, 302, 307, 308.
---@param location string
---@param status integer?
---@return perigee.http.Response
function M.redirect(location, status)
  return M.response(status or 303, nil, { Location = location })
end

--- An error of the client's or the server's: its JSON says the status, its phrase and why. To be returned or raised:
--- http.error(429, "too many requests", { ["Retry-After"] = 10 }).
---@param status integer
---@param why string?
---@param headers table<string, string|number|(string|number)[]>?
---@return perigee.http.Response
function M.error(status, why, headers)
  return M.response(status, { status = status, error = core.phrase(status), message = why }, headers)
end

local refusals <const> = { limit = 413, timeout = 408 }

--- The error for a body that could not be read, from what request:body, :json, :form or :files gave: 413 when it was
--- too long, 408 when it came too slowly, else 400.
---@param message string
---@param code string?
---@return perigee.http.Response
function M.refuse(message, code)
  return M.error(refusals[code] or 400, message)
end

--- A file, sent without a copy, with ETag, Last-Modified, conditional requests and ranges. Only whole, trusted paths:
--- app:static checks those that come from a client.
---@param path string
---@param options { type: string?, download: string?, headers: table? }? download: the name to save it as
---@return perigee.http.Response
function M.file(path, options)
  local response <const> = M.response(200, nil, options and options.headers)
  response.kind, response.path = "file", path
  response.type = options and options.type or require "perigee.http.types".of(path)
  if options and options.download then
    local name <const> = options.download:gsub('[%c"\\]', "_")
    response:set("Content-Disposition", ('attachment; filename="%s"'):format(name))
  end
  return response
end

--- A body that is made while it is sent: f(write) calls write(...), which waits while the client is slow. When the
--- client goes away the task is cancelled.
---@param f fun(write: fun(...))
---@param options { type: string?, status: integer?, headers: table? }?
---@return perigee.http.Response
function M.stream(f, options)
  if type(f) ~= "function" then error("bad argument 'f' (a function expected)", 2) end
  options = options or {}
  local response <const> = M.response(options.status or 200, f, options.headers)
  if options.type then response:set("Content-Type", options.type) end
  return response
end

local function endless(type_name)
  return M.response(200, nil, {
    ["Content-Type"] = type_name, ["Cache-Control"] = "no-store", ["X-Accel-Buffering"] = "no" })
end

local function is_fanout(value)
  local class <const> = getmetatable(value)
  return type(class) == "table" and class.__name == "perigee.fanout"
end

local function send_event(write)
  return function(data, options)
    if options then
      write(core.event(data, options.event, options.id, options.retry))
    else
      write(core.event(data))
    end
  end
end

--- Server-sent events: of a fan-out, to everybody who asks, or of f(send), which calls send(data, { event =, id =,
--- retry = milliseconds }). A silent stream sends a comment every 15 seconds, so that the death of a client is noticed.
---@param source perigee.Fanout|fun(send: fun(data: string, options: table?))
---@return perigee.http.Response
function M.events(source)
  local response <const> = endless "text/event-stream"
  if is_fanout(source) then
    response.kind, response.fanout, response.form = "fanout", source, "event"
    return response
  end
  if type(source) ~= "function" then error("bad argument 'source' (a function or a fan-out expected)", 2) end
  response.pings = true
  response.body = function(write) source(send_event(write)) end
  return response
end

--- Pictures that replace each other (multipart/x-mixed-replace): of a fan-out, or of f(send), which calls send(jpeg).
---@param source perigee.Fanout|fun(send: fun(data: string))
---@param options { type: string? }? of the parts, default image/jpeg
---@return perigee.http.Response
function M.multipart(source, options)
  local type_name <const> = options and options.type or "image/jpeg"
  local response <const> = endless "multipart/x-mixed-replace; boundary=perigee-part"
  if is_fanout(source) then
    response.kind, response.fanout, response.form, response.type = "fanout", source, "part", type_name
    return response
  end
  if type(source) ~= "function" then error("bad argument 'source' (a function or a fan-out expected)", 2) end
  response.body = function(write)
    write(core.part())
    source(function(data) write(core.part(data, type_name)) end)
  end
  return response
end

return M
