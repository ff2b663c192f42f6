--- An application: handlers by method and pattern, with middleware around them. What is registered is put together when
--- it is served; from then on it does not change.

local routes <const> = require "core.routes"
local response <const> = require "perigee.http.response"
local static <const> = require "perigee.http.static"
local upgrade <const> = require "perigee.http.upgrade"

---@class perigee.http.App
---@field patterns any core.routes that checks the patterns and finds the same ones
---@field entries { method: string, pattern: string, handler: function, body_limit: integer? }[]
---@field mounts { prefix: string, app: perigee.http.App }[]
---@field middleware function[]
---@field served boolean
---@field compiled table? once it is served
local App <const> = { __name = "perigee.http.app" }
App.__index = App

local function check_function(name, value, level)
  if type(value) ~= "function" then error(("bad argument '%s' (a function expected)"):format(name), level + 1) end
end

local function check_open(self, level)
  if self.served then error("the application is being served: it cannot be changed any more", level + 1) end
end

local function add(self, method, pattern, handler, body_limit)
  check_open(self, 3)
  if type(pattern) ~= "string" then error("bad argument 'pattern' (a string expected)", 3) end
  check_function("handler", handler, 3)
  local fresh <const> = {}
  local ok <const>, known <const> = pcall(self.patterns.add, self.patterns, pattern, fresh)
  if not ok then error(known, 3) end
  local methods <const> = known or fresh
  if methods[method] then error(("%s %s: it has a handler already"):format(method, pattern), 3) end
  methods[method] = true
  table.insert(self.entries, { method = method, pattern = pattern, handler = handler, body_limit = body_limit })
  return self
end

local function limit_of(options)
  for name in pairs(options or {}) do
    if name ~= "body_limit" then error(("there is no option '%s'"):format(tostring(name)), 3) end
  end
  local limit <const> = options and options.body_limit
  if limit ~= nil and (math.type(limit) ~= "integer" or limit < 0) then
    error("option 'body_limit' must be a number of bytes", 3)
  end
  return limit
end

--- Registers a handler for any method: app:route("PROPFIND", "/files/{path...}", f).
---@param method string
---@param pattern string "/items/{id}", "/files/{path...}"
---@param handler fun(request: perigee.http.Request): any
---@param options { body_limit: integer? }? bytes of a request's body, instead of the server's
---@return perigee.http.App self
function App:route(method, pattern, handler, options)
  if type(method) ~= "string" or not method:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    error("bad argument 'method' (a token expected)", 2)
  end
  local limit <const> = limit_of(options)
  local app <const> = add(self, method, pattern, handler, limit)
  return app
end

for _, name in ipairs { "get", "head", "post", "put", "patch", "delete", "options" } do
  local method <const> = name:upper()
  App[name] = function(self, pattern, handler, options)
    local limit <const> = limit_of(options)
    local app <const> = add(self, method, pattern, handler, limit)
    return app
  end
end

--- Adds middleware: f(request, next) is called around each handler of this app and of those mounted in it;
--- next(request) goes on, and returns what the handler returned. Those added first are outermost.
---@param f fun(request: perigee.http.Request, next: fun(request: perigee.http.Request): any): any
---@return perigee.http.App self
function App:use(f)
  check_function("f", f, 2)
  check_open(self, 2)
  table.insert(self.middleware, f)
  return self
end

--- Puts another application below a prefix: its pattern "/items" is served as "/api/items".
---@param prefix string "/api"
---@param app perigee.http.App
---@return perigee.http.App self
function App:mount(prefix, app)
  if type(prefix) ~= "string" or not prefix:find "^/.*[^/]$" then
    error("bad argument 'prefix' (a path like /api expected)", 2)
  end
  if getmetatable(app) ~= App or app == self then error("bad argument 'app' (another application expected)", 2) end
  check_open(self, 2)
  table.insert(self.mounts, { prefix = prefix, app = app })
  return self
end

--- Sets what answers when a handler of this app, or of one in it that has no such function, has raised: f(request,
--- error) returns the answer. The error has been logged before.
---@param f fun(request: perigee.http.Request, failure: any): any
---@return perigee.http.App self
function App:on_error(f)
  check_function("f", f, 2)
  check_open(self, 2)
  self.failed = f
  return self
end

--- Sets what answers when no route fits, instead of 404.
---@param f fun(request: perigee.http.Request): any
---@return perigee.http.App self
function App:not_found(f)
  check_function("f", f, 2)
  check_open(self, 2)
  self.missing = f
  return self
end

--- Serves the files of a directory. Options: index (default "index.html"), max_age (seconds that browsers keep a file
--- without asking again, default 0), hidden (also names that begin with a dot, default false).
---@param prefix string "/" or "/assets"
---@param directory string
---@param options { index: string?, max_age: integer?, hidden: boolean? }?
---@return perigee.http.App self
function App:static(prefix, directory, options)
  if type(prefix) ~= "string" then error("bad argument 'prefix' (a string expected)", 2) end
  local ok <const>, serve <const> = pcall(static.server, directory, options)
  if not ok then error(serve, 2) end
  local base <const> = prefix:gsub("/$", "")
  add(self, "GET", base .. "/", function(request) return serve(request, "") end)
  add(self, "GET", base .. "/{path...}", function(request) return serve(request, request.params.path) end)
  return self
end

--- Serves a WebSocket: handler(socket, request) runs for each client, and its end closes the socket. Options: limit
--- (bytes of a message, default 1 MiB), ping (seconds of silence before a ping, default 30), compress (default true),
--- finish (true: when the server stops, receive says "closed" once all that has come was received, and what the handler
--- sends until it ends still goes out; default false: it is cancelled), protocols (a list: the first of the client's
--- that is in it is taken), origins (a list of the origins whose pages may
--- connect, or "*"; default: pages of this host alone).
---@param pattern string
---@param handler fun(socket: perigee.WebSocket, request: perigee.http.Request)
---@param options table?
---@return perigee.http.App self
function App:websocket(pattern, handler, options)
  check_function("handler", handler, 2)
  local ok <const>, serve <const> = pcall(upgrade.handler, handler, options)
  if not ok then error(serve, 2) end
  local app <const> = add(self, "GET", pattern, serve)
  return app
end

-- Putting it together.

local function wrap(middleware, inner)
  return function(request) return middleware(request, inner) end
end

--- The middleware of the apps around a handler, the outermost app first.
local function compose(chain, handler)
  for i = #chain, 1, -1 do
    local list <const> = chain[i].middleware
    for j = #list, 1, -1 do handler = wrap(list[j], handler) end
  end
  return handler
end

local takes_body <const> = { POST = true, PUT = true, PATCH = true, DELETE = true }

--- A body that says it is too long is refused before the handler runs.
local function limited(entry)
  local handler <const>, limit <const> = entry.handler, entry.body_limit
  if not limit and not takes_body[entry.method] then return handler end
  return function(request)
    if not request:limit_body(limit) then return response.error(413, "the body is longer than the limit") end
    return handler(request)
  end
end

local function allowed(route)
  local methods <const> = { "OPTIONS" }
  for method in pairs(route.methods) do
    if method ~= "OPTIONS" then methods[#methods + 1] = method end
  end
  if route.methods.GET and not route.methods.HEAD then methods[#methods + 1] = "HEAD" end
  table.sort(methods)
  return table.concat(methods, ", ")
end

local function other_method(route)
  return function(request)
    local headers <const> = { Allow = allowed(route) }
    if request.method == "OPTIONS" then return response.response(204, nil, headers) end
    local refusal <const> = response.error(405, ("%s is not among %s"):format(request.method, headers.Allow))
    refusal.headers = headers
    return refusal
  end
end

local function not_found(request)
  return response.error(404, "nothing is served at " .. request.path)
end

local function innermost(chain, field)
  for i = #chain, 1, -1 do
    if chain[i][field] then return chain[i][field] end
  end
end

local Table <const> = {}
Table.__index = Table

function Table:add(entry, prefix, chain)
  local pattern <const> = entry.pattern == "/" and prefix ~= "" and prefix or prefix .. entry.pattern
  local fresh <const> = { methods = {}, handlers = {}, chain = chain }
  local route <const> = self.routes:add(pattern, fresh) or fresh
  if route.methods[entry.method] then error(("%s %s: two handlers"):format(entry.method, pattern), 0) end
  route.handlers[entry.method] = entry.handler
  route.methods[entry.method] = compose(chain, limited(entry))
  if route == fresh then route.other = compose(chain, other_method(route)) end
end

function Table:visit(app, prefix, outer)
  local chain <const> = table.move(outer, 1, #outer, 1, {})
  for _, around in ipairs(chain) do
    if around == app then error(prefix .. ": an application is mounted in itself", 0) end
  end
  chain[#chain + 1] = app
  app.served = true
  for _, entry in ipairs(app.entries) do self:add(entry, prefix, chain) end
  for _, mount in ipairs(app.mounts) do self:visit(mount.app, prefix .. mount.prefix, chain) end
  local missing <const> = innermost(chain, "missing") or not_found
  table.insert(self.places, { prefix = prefix, chain = chain, missing = compose(chain, missing) })
end

--- The innermost app whose prefix the path has.
function Table:place_of(path)
  for _, place in ipairs(self.places) do
    local prefix <const> = place.prefix
    if path:sub(1, #prefix) == prefix and (#path == #prefix or path:sub(#prefix + 1, #prefix + 1) == "/") then
      return place
    end
  end
  return self.places[#self.places]
end

local function compile(app)
  local compiled <const> = setmetatable({ routes = routes.new(), places = {} }, Table)
  compiled:visit(app, "", {})
  compiled.match = compiled.routes:matcher()
  table.sort(compiled.places, function(a, b) return #a.prefix > #b.prefix end)
  return compiled
end

--- What was put together, by the functions that handle requests.
local compilations <const> = setmetatable({}, { __mode = "k" })

--- The function that handles requests, for http.serve. Raises when two handlers are in each other's way.
---@return fun(request: perigee.http.Request): any
function App:handler()
  local compiled <const> = compile(self)
  self.compiled = compiled
  local match <const> = compiled.match
  local function handle(request)
    local route <const>, method <const> = match(request)
    if not route then return compiled:place_of(request.path).missing(request) end
    local run <const> = route.methods[method] or (method == "HEAD" and route.methods.GET) or route.other
    return run(request)
  end
  compilations[handle] = compiled
  return handle
end

--- What answers for a handler that has raised; nil when the application does not say.
---@param request perigee.http.Request
---@return function?
function App:error_handler(request)
  local route <const> = self.compiled.match(request)
  return innermost((route or self.compiled:place_of(request.path)).chain, "failed")
end

local M <const> = {}

--- An application without routes.
---@return perigee.http.App
function M.new()
  return setmetatable({ patterns = routes.new(), entries = {}, mounts = {}, middleware = {}, served = false }, App)
end

--- The handler that was registered for what is asked for by this method at this path.
---@param handle function what handles an application's requests, or does anything else
---@param method string
---@param path string
---@return function?
function M.handler_at(handle, method, path)
  local compiled <const> = compilations[handle]
  local route <const> = compiled and compiled.routes:find(path)
  return route and route.handlers[method]
end

--- Is it an application?
---@param value any
---@return boolean
function M.is(value)
  return getmetatable(value) == App
end

return M
