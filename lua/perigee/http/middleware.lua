--- Middleware that most services want: app:use(http.cors()), app:use(http.basic_auth(...)).

local digest <const> = require "core.digest"
local response <const> = require "perigee.http.response"

local M <const> = {}

local function check_function(name, value)
  if type(value) ~= "function" then error(("bad argument '%s' (a function expected)"):format(name), 3) end
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', "_") .. '"'
end

local function unauthorized(challenge)
  local refusal <const> = response.error(401, "credentials are needed")
  refusal.headers = { ["WWW-Authenticate"] = challenge }
  return refusal
end

--- Basic authentication (RFC 7617). check(name, password, request) returns who it is, which becomes request.user, or
--- nothing. Only over TLS is the password a secret on its way.
---@param check fun(name: string, password: string, request: perigee.http.Request): any
---@param realm string? default "perigee"
---@return function middleware
function M.basic_auth(check, realm)
  check_function("check", check)
  local challenge <const> = ("Basic realm=%s, charset=\"UTF-8\""):format(quoted(realm or "perigee"))
  return function(request, next)
    local scheme <const>, text <const> = (request:header "authorization" or ""):match "^(%a+) +([%w+/]+=*)%s*$"
    local pair <const> = scheme and scheme:lower() == "basic" and digest.from_base64(text) or ""
    local name <const>, password <const> = pair:match "^([^:]*):(.*)$"
    local user <const> = name and check(name, password, request)
    if not user then return unauthorized(challenge) end
    request.user = user
    return next(request)
  end
end

--- Bearer tokens (RFC 6750). check(token, request) returns who it is, which becomes request.user, or nothing.
---@param check fun(token: string, request: perigee.http.Request): any
---@param realm string? default "perigee"
---@return function middleware
function M.bearer_auth(check, realm)
  check_function("check", check)
  local challenge <const> = "Bearer realm=" .. quoted(realm or "perigee")
  return function(request, next)
    local scheme <const>, token <const> = (request:header "authorization" or ""):match "^(%a+) +([%w._~+/-]+=*)%s*$"
    local user <const> = scheme and scheme:lower() == "bearer" and check(token, request)
    if not user then return unauthorized(challenge) end
    request.user = user
    return next(request)
  end
end

--- A comparison for passwords and tokens whose time does not tell how much of them was right.
M.equal = digest.equal

local function allow_origin(options)
  local list <const> = {}
  for _, origin in ipairs(options.origins or { "*" }) do list[origin] = true end
  return function(origin)
    if list[origin] then return origin end
    if list["*"] then return "*" end
  end
end

local function answer_preflight(request, options, headers)
  headers["Access-Control-Allow-Methods"] = table.concat(
    options.methods or { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" }, ", ")
  headers["Access-Control-Allow-Headers"] = options.headers and table.concat(options.headers, ", ")
    or request:header "access-control-request-headers"
  headers["Access-Control-Max-Age"] = ("%d"):format(options.max_age or 600)
  return response.response(204, nil, headers)
end

--- Cross-origin requests (the Fetch standard, 3.2). Options: origins (a list, default { "*" }), methods, headers
--- (lists), expose (a list of headers that pages may read), credentials (default false), max_age (seconds that a
--- browser remembers the answer, default 600).
---@param options table?
---@return function middleware
function M.cors(options)
  options = options or {}
  if options.credentials and (not options.origins or table.concat(options.origins, " "):find("*", 1, true)) then
    error("option 'credentials' needs a list of 'origins' without \"*\": any page could act for the user otherwise", 2)
  end
  local allowed_for <const> = allow_origin(options)
  return function(request, next)
    local origin <const> = request:header "origin"
    local allowed <const> = origin and allowed_for(origin)
    if not allowed then
      local answer <const> = response.of(next(request))
      return options.origins and answer:vary "Origin" or answer
    end
    local headers <const> = { ["Access-Control-Allow-Origin"] = allowed }
    if options.credentials then headers["Access-Control-Allow-Credentials"] = "true" end
    if allowed ~= "*" then headers.Vary = "Origin" end
    if request.method == "OPTIONS" and request:header "access-control-request-method" then
      return answer_preflight(request, options, headers)
    end
    if options.expose then headers["Access-Control-Expose-Headers"] = table.concat(options.expose, ", ") end
    local answer <const> = response.of(next(request))
    if headers.Vary then answer:vary "Origin" end
    headers.Vary = nil
    for name, value in pairs(headers) do answer:set(name, value) end
    return answer
  end
end

--- Tells each client the id of its request, in X-Request-Id. With { trust = true } an id that comes with the request
--- is taken, as a proxy in front sets it.
---@param options { trust: boolean? }?
---@return function middleware
function M.request_id(options)
  return function(request, next)
    local given <const> = options and options.trust and request:header "x-request-id"
    if given and #given <= 64 and given:find "^[%w._-]+$" then request.id = given end
    return response.of(next(request)):set("X-Request-Id", request.id)
  end
end

return M
