--- An HTTP/1.1 client: http.request { url = "http://127.0.0.1:8080/", method = "POST", body = "..." }. Connections are
--- kept for the next request to the same server, and closed after 15 seconds without any request. A deadline and a
--- cancelled task end the request at once. Expected failure returns nil, message, code. A request that a server may
--- have seen is not sent again, unless its method is idempotent.

local core <const> = require "core.http_client"
local task <const> = require "core.task"
local checked <const> = require "perigee.options"
local fields <const> = require "perigee.http.client_fields"
local json <const> = require "perigee.codec.json"
local places <const> = require "perigee.http.client_places"
local public_url <const> = require "perigee.http.public_url"
local queries <const> = require "perigee.http.query"
local redirects <const> = require "perigee.http.client_redirects"
local returned <const> = require "perigee.misuse"

local M <const> = {}

local DEFAULT_SECONDS <const> = 30

---@class perigee.http.ClientRequest
---@field url string http:// or https://
---@field query table<string, string|number|boolean|(string|number|boolean)[]>? by name, to be escaped and put behind
--- the URL's own query, in the order of the names; a list: the name comes several times
---@field method string? default "GET", or "POST" when there is a body
---@field headers table<string, string|number|false|string[]>? by name; false: leaves out what would be sent by itself.
--- The head of a request has at most 1 MiB
---@field body string?
---@field timeout number? seconds for all of it, default 30; math.huge for no limit
---@field limit integer? bytes of the decoded answer's body, default 64 MiB
---@field redirects integer? that are followed at most, default 0: their answers are returned
---@field proxy string|false? its URL, false for none; by default as the environment says, but never to this machine
---@field unix string? path of a socket to connect to in place of the URL's host
---@field tls { ca: string?, certificate: string?, key: string?, password: string?, verify: boolean? }? PEM files

---@class perigee.http.ClientResponse
---@field status integer
---@field headers table<string, string> names in lower case; several of one name joined by ", ", see values
---@field body string decoded (gzip, deflate)
---@field url string where it came from, after redirects; without user and password
---@field location string? where a redirect leads to, as a whole URL; without user and password, be they those of the
--- request or of the header "location", which is as it came
---@field head string its lines, each with a LF at the end
local Response <const> = { __name = "perigee.http.ClientResponse" }
Response.__index = Response

function Response:__tostring()
  return ("HTTP answer: %d, %d bytes"):format(self.status, #self.body)
end

--- The body as JSON.
---@return any value
---@return string? message
---@return "protocol"? code
function Response:json()
  return json.decode(self.body)
end

--- All values of the headers of one name, in the order in which they came: for Set-Cookie.
---@param name string
---@return string[]
function Response:values(name)
  return fields.values(self.head, name)
end

local names <const> = { url = true, query = true, method = true, headers = true, body = true, timeout = true,
  limit = true, redirects = true, proxy = true, unix = true, tls = true }
local tls_names <const> = { ca = "string", certificate = "string", key = "string", password = "string",
  verify = "boolean" }

local function check_type(value, name, wanted)
  if value ~= nil and type(value) ~= wanted then
    error(("option '%s' must be a %s, not %s"):format(name, wanted, type(value)), 0)
  end
end

local function check_count(value, name)
  if value ~= nil and not (math.type(value) == "integer" and value >= 0) then
    error(("option '%s' must be an integer from 0, not %s"):format(name, tostring(value)), 0)
  end
end

local function check_tls(tls)
  check_type(tls, "tls", "table")
  for name, value in pairs(tls or {}) do
    if not tls_names[name] then error(("option 'tls' has no '%s'"):format(tostring(name)), 0) end
    check_type(value, "tls." .. name, tls_names[name])
  end
  if tls and tls.key and not tls.certificate then error("option 'tls.key' needs 'tls.certificate'", 0) end
end

local function check(options)
  checked.check_names(options, names)
  if type(options.url) ~= "string" then error("option 'url' must be a string, not " .. type(options.url), 0) end
  for _, name in ipairs { "method", "body", "unix" } do check_type(options[name], name, "string") end
  if options.proxy then check_type(options.proxy, "proxy", "string") end
  check_count(options.limit, "limit")
  check_count(options.redirects, "redirects")
  checked.check_seconds(options, "timeout")
  check_tls(options.tls)
end

local function method_of(options)
  local method <const> = options.method or (options.body and "POST" or "GET")
  if not method:find "^[%w!#$%%&'*+.^_`|~-]+$" or method == "CONNECT" then
    error(("option 'method' cannot be '%s'"):format(method), 0)
  end
  if method == "HEAD" and options.body then error("option 'body': a HEAD request has none", 0) end
  return method
end

local function prepare(options)
  check(options)
  local method <const> = method_of(options)
  local body <const> = options.body or fields.empty_body(method)
  local lines <const>, keeps_encoding <const> = fields.lines(options.headers, body)
  local tls <const> = options.tls or {}
  local url <const> = queries.append(options.url, options.query)
  return { method = method, url = url, headers = lines, body = body, limit = options.limit,
    unix = options.unix, keeps_encoding = keeps_encoding, ca = tls.ca, certificate = tls.certificate,
    key = tls.key or tls.certificate, password = tls.password, verify = tls.verify }
end

--- One request, without redirects.
local function ask(given, place, proxy, ends)
  local subject <const> = given.method .. " " .. place.url
  local function left() return math.max(0, ends - task.now()) end
  if not given.unix then
    local route <const>, message <const>, code <const> = places.route(place, proxy, left)
    if not route then return nil, subject .. ": " .. message, code end
    given.proxy, given.resolve = route.proxy, route.resolve
  end
  local status <const>, body <const>, headers <const>, head <const>, location <const> =
    core.request(given, left(), subject)
  if not status then
    if headers ~= "limit" then places.forget(place) end
    return nil, body, headers
  end
  return setmetatable({ status = status, body = body, headers = headers, head = head, location = location,
    url = place.url }, Response)
end

--- Redirects are followed with the user and the password that they name.
local function hide_user(response)
  if response and response.location then
    response.location = public_url.without_user(response.location)
  end
  return response
end

local function request(options)
  local given <const> = prepare(options)
  local place <const>, wrong <const>, word <const> = places.parse(given.url)
  if not place then return nil, given.method .. " " .. wrong, word end
  local ends <const> = task.now() + (options.timeout or DEFAULT_SECONDS)
  local function go(to) return ask(given, to, options.proxy, ends) end
  local response <const>, why <const>, code <const> = go(place)
  if not response or (options.redirects or 0) == 0 then return hide_user(response), why, code end
  local last <const>, message <const>, short <const> =
    redirects.follow(response, given, place, options.redirects, go)
  return hide_user(last), message, short
end

--- Sends a request and waits for the whole answer, whatever its status.
---@param options perigee.http.ClientRequest
---@return perigee.http.ClientResponse? response
---@return string? message "POST http://127.0.0.1:1/: connection refused"
---@return string? code "timeout" "refused" "closed" "reset" "unreachable" "tls" "limit"; "protocol": also when `url` is
--- no URL, as that is often data
function M.request(options)
  return returned(pcall(request, options))
end

local function check_whole(options)
  local place <const>, message <const> = places.parse(prepare(options).url)
  if not place then error("option 'url': " .. message, 0) end
end

--- Raises for what request would raise for, and for what is no URL.
---@param options perigee.http.ClientRequest
function M.check(options)
  returned(pcall(check_whole, options))
end

--- Closes the connections that no request uses: now, or as soon as none is under way.
M.close_idle = core.close_idle

return M
