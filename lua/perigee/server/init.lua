--- Servers: one or more addresses that are served together, by whatever protocol.

local core <const> = require "core.task"
local endpoints <const> = require "perigee.server.endpoint"
local service <const> = require "perigee.service"
local system <const> = require "core.system"
local targets <const> = require "perigee.server.targets"

local M <const> = {}

---@class perigee.Server
---@field address any where it listens: the first address
---@field addresses any[] all of them
---@field endpoints perigee.server.Endpoint[] one for each address
---@field is_open boolean
---@field generation perigee.service.Generation? the version of a service that it belongs to
---@field sockets any[] the listener, or datagram socket, of each address
local Server <const> = { __name = "perigee.server" }

local function each_socket(self, f)
  for _, endpoint in ipairs(self.endpoints) do
    for _, socket in ipairs(endpoint.sockets) do f(socket) end
  end
end

function Server:__index(name)
  if name ~= "sockets" then return Server[name] end
  local sockets <const> = {}
  each_socket(self, function(socket) sockets[#sockets + 1] = socket end)
  return sockets
end

local function tell_closed(self)
  if self.is_open and self.generation then self.generation.service.changed:wake(math.huge) end
  self.is_open = false
end

--- Stops accepting, and closes datagram sockets and idle clients. What is under way goes on. Closing twice does
--- nothing.
function Server:close()
  for _, endpoint in ipairs(self.endpoints) do
    if endpoint.is_aside then endpoint:give_up() end
  end
  each_socket(self, function(socket) socket:close() end)
  tell_closed(self)
end

Server.__close = Server.close

--- Stops accepting, and parts with the clients so that none is harmed: for a server whose addresses another process
--- serves from now on. Connections and datagrams go on; clients of HTTP are told by their next answer that it is the
--- last one, and closed when they have been silent for a while. close() ends at once what is idle then.
---@param seconds number? of silence, default 5
function Server:drain(seconds)
  each_socket(self, function(socket) socket:drain(seconds) end)
  tell_closed(self)
end

--- Waits until none of its clients is left.
---@param seconds number? to wait at most
---@return true?
---@return string? message
---@return string? code "timeout"
function Server:await(seconds)
  local deadline <const> = core.now() + (seconds or math.huge)
  for _, endpoint in ipairs(self.endpoints) do
    for _, socket in ipairs(endpoint.sockets) do
      local ended <const>, message <const>, code <const> = socket:await(1, math.max(0, deadline - core.now()))
      if not ended then return nil, message, code end
    end
  end
  return true
end

--- How many clients and datagrams it serves now.
---@return integer
function Server:active()
  local count = 0
  each_socket(self, function(socket) count = count + socket.active end)
  return count
end

--- Serves a connection that somebody else has accepted: as if this server had, with what is pending on it. The object
--- is closed after.
---@param conn perigee.Connection
---@return true?
---@return string? message
---@return string? code "closed"; "limit": there are max_connections already; "tls": it carries TLS
function Server:adopt(conn)
  local listener
  each_socket(self, function(socket) listener = listener or socket.adopt and socket end)
  if listener then return listener:adopt(conn) end
  error("a server of datagrams adopts no connections", 2)
end

--- Its version has taken over: it serves from now on. Nothing in it waits.
function Server:take_over()
  for i, endpoint in ipairs(self.endpoints) do
    if endpoint.is_aside then endpoint:take_over(self.generation.scope) end
    self.addresses[i] = endpoint.address
  end
  self.address = self.addresses[1]
end

--- Newer code has what it wanted of it: lets the rest go, and its idle clients after so many seconds of silence.
---@param seconds number
function Server:hand_over(seconds)
  local left <const> = {}
  for _, endpoint in ipairs(self.endpoints) do
    if not endpoint.claimed_by then left[#left + 1] = endpoint end
  end
  self.endpoints = left
  self:drain(seconds)
end

function Server:__tostring()
  local names <const> = {}
  for i, at in ipairs(self.addresses) do names[i] = tostring(at) end
  return "server: " .. table.concat(names, " ") .. (self.is_open and "" or " (closed)")
end

--- How a protocol serves.
---@class perigee.server.Protocol
---@field handler function
---@field options table? of the user
---@field defaults table? of the option tls
---@field kind fun(at: any): "stream"|"http"|"datagram"
---@field open fun(at: any, options: table?): any?, string?, string? a socket with close() and address, or why not
---@field begin fun(socket: any, is_paused: boolean?) serves what comes to a socket that was opened
---@field check fun(at: any, options: table?) raises for options that open would raise for
---@field probe fun(at: any, options: table?): any?, string?, string? could it be opened now?

--- What an address is served by.
---@class perigee.server.Supply
---@field descriptors perigee.Descriptor[] listening, or bound for UDP
---@field options table? to be added to the user's
---@field opened fun(sockets: any[])? is told what became of the descriptors
---@field taken fun(endpoint: perigee.server.Endpoint)? is told when a newer version serves them, and as what

--- Who gives the sockets for addresses, instead of the system: a supervisor, or whoever started this process. Returns
--- nil for an address that is to be bound here; nil, message, code for one that cannot be had.
---@type (fun(endpoint: perigee.server.Endpoint): perigee.server.Supply?, string?, string?)?
M.supplier = nil

--- How well an old endpoint fits: 1, asked for with the same words; 2 and 3, but for what is spoken there, which counts
--- where the system chooses the port; 4, bound there. nil: it does not.
local function rank(old, endpoint)
  local target <const>, before <const> = endpoint.target, old.target
  if before.place ~= target.place then return targets.place(old.address) == target.place and 4 or nil end
  if before.at.scheme == target.at.scheme then return 1 end
  return old.kind == endpoint.kind and 2 or 3
end

--- Of the endpoints of an old version that nobody has claimed yet, the one that fits best.
local function find_among(generation, endpoint, rank_of)
  local found, least = nil, math.huge
  for _, server in ipairs(generation.servers) do
    for _, old in ipairs(server.is_open and server.endpoints or {}) do
      local fits <const> = not old.claimed_by and rank_of(old, endpoint) or math.huge
      if fits < least then found, least = old, fits end
    end
  end
  return found
end

local function rank_of_other(old, endpoint)
  return targets.place(old.address) == endpoint.target.place and 1 or nil
end

--- Whose place an endpoint takes: one of the version before, or one that is bound there of another service which is
--- reloaded together with this one.
local function find_source(generation, endpoint)
  local found = find_among(generation.replaces, endpoint, rank)
  for _, other in ipairs(generation.replaced_with) do
    found = found or find_among(other, endpoint, rank_of_other)
  end
  return found
end

--- The first number that no server of the version has at a place.
local function free_occurrence(server, place)
  local used <const>, free = {}, 1
  local function mark(other)
    for _, endpoint in ipairs(other.endpoints) do
      if endpoint.target.place == place then used[endpoint.occurrence] = true end
    end
  end
  for _, other in ipairs(server.generation and server.generation.servers or {}) do
    if other.is_open then mark(other) end
  end
  mark(server)
  while used[free] do free = free + 1 end
  return free
end

local function new_endpoint(server, target, protocol)
  local generation <const> = server.generation
  local endpoint <const> = endpoints.new(target, protocol, generation and generation.name,
    free_occurrence(server, target.place), generation ~= nil and generation.replaces ~= nil)
  endpoint.is_alone = generation ~= nil and generation.is_alone
  return endpoint
end

local OLD_CODE <const> = "serve: the service has been reloaded, and this is its old code"
local ELSEWHERE <const> = "serve: the service has called in_one_worker, and this is another worker"

--- A task of a version that is loaded aside has waited for its socket: that version may serve by now, or be over.
local function catch_up(endpoint, generation)
  if generation.is_over then
    endpoint:give_up()
    return nil, OLD_CODE, "closed"
  end
  if not generation.replaces then endpoint:take_over(generation.scope) end
  return true
end

local function open_endpoint(server, target, protocol)
  local generation <const> = server.generation
  local endpoint <const> = new_endpoint(server, target, protocol)
  local source <const> = endpoint.is_aside and find_source(generation, endpoint)
  local opened, message, code
  if source then opened, message, code = endpoint:claim(source, generation)
  else opened, message, code = endpoint:open(generation and M.supplier) end
  if opened and endpoint.is_aside then opened, message, code = catch_up(endpoint, generation) end
  if not opened then return nil, message, code end
  table.insert(server.endpoints, endpoint)
  table.insert(server.addresses, endpoint.address)
  return true
end

local function open_all(server, found, protocol)
  local function close_unless_done(_, failure) if failure then server:close() end end
  local _ <close> = setmetatable({}, { __close = close_unless_done })
  for _, target in ipairs(found) do
    local opened <const>, message <const>, code <const> = open_endpoint(server, target, protocol)
    if not opened then
      server:close()
      return nil, message, code
    end
  end
  server.address = server.addresses[1]
  return server
end

local function new_server(generation, is_open)
  return setmetatable({ endpoints = {}, addresses = {}, is_open = is_open, generation = generation }, Server)
end

local function probe(target, protocol)
  if targets.is_descriptor(target.at) then return true end
  return protocol.probe(target.at, target.options)
end

--- What a check has found of the addresses that scripts would serve.
---@class perigee.server.Checking
---@field claimed table<string, true> the places of this script and of those that were checked before
---@field in_use string[] messages: somebody serves these addresses now

--- Does somebody serve there now? Maybe this very script; a file that is no socket is in the way for ever.
local function is_in_use(at, code)
  if code ~= "exists" then return false end
  local kind <const> = at.scheme == "unix" and system.file_kind(at.host)
  return kind ~= "file" and kind ~= "directory"
end

--- For perigee check: would they be served?
---@param checking perigee.server.Checking
local function probe_all(found, protocol, checking)
  local server <const> = new_server(nil, false)
  for i, target in ipairs(found) do
    local at <const> = target.at
    server.addresses[i] = at
    local place <const> = target.place or tostring(at)
    if at.port ~= 0 and checking.claimed[place] then
      return nil, ("listen on %s: another script serves it"):format(tostring(at)), "exists"
    end
    checking.claimed[place] = true
    local free <const>, message <const>, code <const> = probe(target, protocol)
    if not free and not is_in_use(at, code) then return nil, message, code end
    if not free then table.insert(checking.in_use, message) end
  end
  server.address = server.addresses[1]
  return server
end

local function serve(urls, protocol, current)
  if current and current.is_over then return nil, OLD_CODE, "closed" end
  if current and current.is_elsewhere then return nil, ELSEWHERE, "closed" end
  local found <const>, message <const>, code <const> = targets.resolve(urls, protocol)
  if not found then return nil, message, code end
  if current and current.is_over then return nil, OLD_CODE, "closed" end -- a name was looked up meanwhile
  if current and current.checking then return probe_all(found, protocol, current.checking) end
  return open_all(new_server(current, true), found, protocol)
end

--- Serves the addresses; the server belongs to the running service. Misuse raises, and so does a failure while a script
--- is loaded: a service that cannot listen must not load. While a script is being loaded again, this prepares what is
--- done when it has loaded whole: addresses that the version before serves are taken over then, new ones are bound but
--- take nobody.
---@param urls string|perigee.Descriptor|(string|perigee.Descriptor)[]
---@param protocol perigee.server.Protocol
---@return perigee.Server? server
---@return string? message
---@return string? code
function M.serve(urls, protocol)
  if type(urls) == "string" or targets.is_descriptor(urls) then urls = { urls } end
  if type(urls) ~= "table" or #urls == 0 then
    error("bad argument 'addresses' (a URL or a list of URLs expected)", 0)
  end
  local current <const> = service.current()
  local server <const>, message <const>, code <const> = serve(urls, protocol, current)
  if current and server then table.insert(current.servers, server) end
  if current and current.loading and not server then error(message, 0) end
  return server, message, code
end

M.returned = require "perigee.misuse"

return M
