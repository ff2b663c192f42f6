--- Calls over HTTP: what the clients of JSON-RPC and XML-RPC share. Connections are kept by perigee.http.client.

local http <const> = require "perigee.http.client"

local SECONDS <const> = 30 -- default time of a call

local M <const> = {}

--- Sends a call's body.
---@param client { url: string, options: table, is_closed: boolean? }
---@param name string of the method, for messages
---@param body string
---@param content_type string
---@param seconds number?
---@return { status: integer, body: string }? response
---@return string? message
---@return string? code
function M.post(client, name, body, content_type, seconds)
  local options <const> = client.options
  local function fail(message, code) return nil, ("call %s at %s: %s"):format(name, client.url, message), code end
  if client.is_closed then return fail("the client is closed", "closed") end
  local headers <const> = { ["Content-Type"] = content_type }
  for field, value in pairs(options.headers or {}) do headers[field] = value end
  local response <const>, message <const>, code <const> = http.request { url = client.url, method = "POST",
    headers = headers, body = body, timeout = seconds or options.timeout or SECONDS, limit = options.limit,
    tls = options.tls, unix = options.unix }
  if not response then return nil, ("call %s: %s"):format(name, message), code end
  if response.status >= 200 and response.status < 300 then return response end
  return fail(("the server answers %d"):format(response.status), "refused")
end

--- A URL that names no path gets one.
---@param url string
---@param path string
---@return string
function M.with_path(url, path)
  return url:find "^%a+://[^/?#]+$" and url .. path or url
end

return M
