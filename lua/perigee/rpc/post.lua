--- Calls over HTTP: what the clients of JSON-RPC and XML-RPC share. Connections are kept by perigee.http.client.

local http <const> = require "perigee.http.client"
local places <const> = require "perigee.http.client_places"
local public_url <const> = require "perigee.http.public_url"

local SECONDS <const> = 30 -- default time of a call

local M <const> = {}

--- Sends a call's body.
---@param client { url: string, whole_url: string, options: table, is_closed: boolean? }
---@param name string of the method, for messages
---@param body string
---@param content_type string
---@param seconds number?
---@return { status: integer, body: string }? response
---@return string? message
---@return string? code
---@return string? body of an answer that the status says is a failure
function M.post(client, name, body, content_type, seconds)
  local options <const> = client.options
  local subject <const> = ("call %s at %s: "):format(name, client.url)
  if client.is_closed then return nil, subject .. "the client is closed", "closed" end
  local headers <const> = { ["Content-Type"] = content_type }
  for field, value in pairs(options.headers or {}) do headers[field] = value end
  local response <const>, message <const>, code <const> = http.request { url = client.whole_url, method = "POST",
    headers = headers, body = body, timeout = seconds or options.timeout or SECONDS, limit = options.limit,
    tls = options.tls, unix = options.unix }
  if not response then return nil, ("call %s: %s"):format(name, message), code end
  if response.status >= 200 and response.status < 300 then return response end
  return nil, ("%sthe server answers %d"):format(subject, response.status), "refused", response.body
end

--- The class of a protocol's clients; it adds call and notify.
---@param name string
---@return table class
function M.class(name)
  local class <const> = { __name = name }
  class.__index = class
  --- No call can be made any more.
  function class:close() self.is_closed = true end
  class.__close = class.close
  return class
end

local function check(url, options)
  local ok <const>, message <const> = places.parse(url)
  if not ok then error("bad argument 'url': " .. message, 0) end
  http.check { url = url, headers = options.headers, tls = options.tls, unix = options.unix }
end

--- A client: it keeps no connection of its own. Raises for a URL and options by which nothing can be asked for. Its
--- `url` is for messages, without user and password.
---@generic T
---@param class T
---@param url string
---@param path string that a URL gets which names none
---@param options table?
---@return T
function M.new(class, url, path, options)
  local whole <const> = url:find "^%a+://[^/?#]+$" and url .. path or url
  options = options or {}
  check(whole, options)
  return setmetatable({ url = public_url.without_user(whole), whole_url = whole, options = options }, class)
end

return M
