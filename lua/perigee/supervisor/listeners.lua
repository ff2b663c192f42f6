--- The sockets of a supervisor. It binds what a worker asks for, and keeps it for its whole life: when a worker dies,
--- its clients that are not accepted yet wait for the next one.

local semaphore <const> = require "perigee.task.semaphore"
local sockets <const> = require "perigee.supervisor.sockets"

---@class perigee.supervisor.Request
---@field service string
---@field url string an address, resolved
---@field occurrence integer the service's first, second ... server of that URL
---@field options table of the socket
---@field limit integer? connections that a worker may have there
---@field aside boolean? it is for a version that is being loaded: nobody is passed yet
---@field alone boolean? the first worker serves it alone

---@class perigee.supervisor.Entry: perigee.supervisor.Request
---@field key string its own, whatever it is asked for by
---@field word string that the code which serves asks for it by
---@field address string where it is bound
---@field shared boolean all workers have the same sockets; otherwise each has its own, which share a port
---@field foreign boolean somebody else has bound them, and minds their files
---@field given table<integer, true>? which of those `held` the first worker has got, also such as are others'
---@field left boolean? it is not known whether the first worker, which was not there at a reload, will serve it
---@field number integer counts the entries
---@field held table<integer, any> descriptors or listeners; by the number of the worker, but for more than there are

--- A socket that nobody has asked for yet: systemd's, or of the supervisor before.
---@class perigee.supervisor.Spare
---@field descriptor perigee.Descriptor
---@field place string
---@field key string?
---@field shared boolean
---@field foreign boolean

---@class perigee.supervisor.Listeners
---@field entries table<string, perigee.supervisor.Entry> by key
---@field serving table<string, string> keys by the words that the code which serves asks by
---@field loading table<string, string> keys by the words that only a version which is being loaded asks by
---@field spares perigee.supervisor.Spare[]
---@field bound integer counts the entries that were made
---@field workers integer how many there are
---@field shared boolean all sockets are shared
---@field on_bound (fun(entry: perigee.supervisor.Entry): boolean?, string?, string?)? has a use for a new one
local Listeners <const> = {}
Listeners.__index = Listeners

local function is_wildcard_of(spare, place)
  return spare.foreign and spare.place:gsub(" :: ", " 0.0.0.0 ") == place
end

--- The spares of a request: those with its key, or else those at its place.
local function spares_for(self, request, key)
  local place <const> = sockets.place_of_url(request.url)
  local function pick(fits)
    local picked <const>, left <const> = {}, {}
    for _, spare in ipairs(self.spares) do table.insert(fits(spare) and picked or left, spare) end
    if #picked > 0 then self.spares = left end
    return #picked > 0 and picked
  end
  return pick(function(spare) return spare.key == key end)
    or pick(function(spare) return spare.place == place end)
    or pick(function(spare) return is_wildcard_of(spare, place) end)
end

local function from_spares(self, request, key)
  local found <const> = #self.spares > 0 and spares_for(self, request, key)
  if not found then return nil end
  local entry <const> = { held = {}, shared = self.shared, foreign = false }
  for i, spare in ipairs(found) do
    entry.held[i] = spare.descriptor
    entry.shared, entry.foreign = entry.shared or spare.shared, entry.foreign or spare.foreign
  end
  return entry
end

local function bind_first(self, request, number)
  local shared <const> = self.shared or request.url:find "^unix:" ~= nil
  local socket <const>, message <const>, code <const> = sockets.bind(request.url, request.options,
    not shared and "first" or nil)
  if not socket then return nil, message, code end
  return { held = { [shared and 1 or number] = socket }, shared = shared, foreign = false }
end

local function address_of(url, socket)
  return sockets.is_any_port(url) and sockets.with_port(url, socket.address.port) or url
end

local function word_of(request)
  return sockets.key_of(request.service, request.url, request.occurrence)
end

--- The key of a new entry: an entry that is asked for by other words now may have the plain one.
local function new_key(self, word)
  local key = word
  while self.entries[key] do key = key .. "'" end
  return key
end

local function new_entry(self, request, number, word)
  local entry, message, code = from_spares(self, request, word)
  if not entry then entry, message, code = bind_first(self, request, number) end
  if not entry then return nil, message, code end
  for name, value in pairs(request) do entry[name] = value end
  entry.key, entry.word = new_key(self, word), word
  entry.address = address_of(request.url, select(2, next(entry.held)))
  local fine, why, problem = true
  if self.on_bound then fine, why, problem = self.on_bound(entry) end
  if not fine then return nil, why, problem end
  return entry
end

--- The version that serves now may ask for it by other words, and speak something else there.
local function rename(self, entry, request)
  entry.url, entry.limit, entry.service, entry.occurrence = request.url, request.limit, request.service,
    request.occurrence
  entry.alone = request.alone
  entry.word, entry.address = word_of(request), address_of(request.url, select(2, next(entry.held)))
  self.serving[entry.word] = entry.key
end

--- Nobody knows by what words the first worker will ask for what was left to it: but it has an address.
local function find_left(self, request)
  local place <const> = sockets.place_of_url(request.url)
  for _, entry in pairs(self.entries) do
    local is_it <const> = entry.left and entry.service == request.service
    if is_it and sockets.place_of_url(entry.address) == place then return entry end
  end
end

--- What a worker asks for that is there already. Versions that are being loaded ask by their own words; but what the
--- first worker has had alone, the others do not know that they could adopt.
local function find_known(self, request, number, is_late)
  local word <const> = word_of(request)
  local serving <const> = self.entries[self.serving[word]]
  if not request.aside or is_late then return serving or find_left(self, request) end
  return self.entries[self.loading[word]] or serving and serving.alone and number > 1 and serving or nil
end

--- The entry of a request; its first socket is bound now, if it has none yet.
---@param request perigee.supervisor.Request
---@param number integer of the worker that asks
---@param is_late boolean? the worker loads aside what the others serve already
---@return perigee.supervisor.Entry?
---@return string? message
---@return string? code
function Listeners:find(request, number, is_late)
  local _ <close> = self.binding:acquire()
  local word <const> = word_of(request)
  local keys <const> = request.aside and not is_late and self.loading or self.serving
  local known <const> = find_known(self, request, number, is_late)
  if known and not request.aside then rename(self, known, request) end
  if known then return known end
  local entry <const>, message <const>, code <const> = new_entry(self, request, number, word)
  if not entry then return nil, message, code end
  self.bound = self.bound + 1
  entry.number = self.bound
  self.entries[entry.key], keys[word] = entry, entry.key
  return entry
end

--- A worker that had no socket of its own yet gets one.
local function bind_own(self, entry, number)
  local _ <close> = self.binding:acquire()
  if entry.held[number] then return true end
  local socket <const>, message <const>, code <const> = sockets.bind(entry.address, entry.options, "next")
  if not socket then return nil, message, code end
  entry.held[number] = socket
  return true
end

--- Whose a socket is, where each worker has its own.
---@param index integer in `held`
---@return integer number of the worker
function Listeners:owner_of(index)
  return (index - 1) % self.workers + 1
end

--- Those of an entry that a worker is to have, and which they are.
local function of_worker(self, entry, number, is_alone)
  local list <const>, given <const> = {}, {}
  for index, socket in pairs(entry.held) do
    if entry.shared or is_alone or self:owner_of(index) == number then
      list[#list + 1], given[index] = socket, true
    end
  end
  return list, given
end

--- The sockets of an entry that a worker is to serve.
---@param entry perigee.supervisor.Entry
---@param number integer of the worker
---@param is_alone boolean? it is the only one
---@return any[]? sockets
---@return string? message
---@return string? code
function Listeners:sockets_of(entry, number, is_alone)
  if #of_worker(self, entry, number, is_alone) == 0 then
    local bound <const>, message <const>, code <const> = bind_own(self, entry, number)
    if not bound then return nil, message, code end
  end
  local list <const>, given <const> = of_worker(self, entry, number, is_alone)
  if number == 1 then entry.given = given end
  return list
end

--- Keeps a socket until somebody asks for its address.
---@param socket perigee.Descriptor
---@param record { key: string?, shared: boolean, foreign: boolean } as of export
function Listeners:add_spare(socket, record)
  local kind <const> = socket.kind == "datagram" and "datagram" or "stream"
  table.insert(self.spares, { descriptor = socket, key = record.key, shared = record.shared, foreign = record.foreign,
    place = socket.address and sockets.place_of(kind, socket.address) or "" })
end

--- Closes those that nobody has asked for.
function Listeners:close_spares()
  for _, spare in ipairs(self.spares) do spare.descriptor:close() end
  self.spares = {}
end

--- All sockets, for a supervisor that takes over.
---@return { key: string, shared: boolean, foreign: boolean }[] records
---@return any[] sockets one for each
function Listeners:export()
  local records <const>, list <const> = {}, {}
  for _, entry in pairs(self.entries) do
    for _, socket in pairs(entry.held) do
      records[#records + 1] = { key = entry.word, shared = entry.shared, foreign = entry.foreign }
      list[#list + 1] = socket
    end
  end
  return records, list
end

--- The first worker cannot tell now what it serves of these services, which it serves alone: nobody knows whether their
--- addresses are served still. They stay until it has loaded.
---@param services table<string, true> by name
function Listeners:leave(services)
  for _, entry in pairs(self.entries) do entry.left = services[entry.service] end
end

--- The first worker has loaded: what was left to it, and it has not asked for, is closed.
---@param is_asked fun(entry: perigee.supervisor.Entry): boolean
function Listeners:close_left(is_asked)
  local used <const> = {}
  for key, entry in pairs(self.entries) do
    used[key] = not entry.left or is_asked(entry) or nil
    entry.left = nil
  end
  self:keep(used, self.bound)
end

--- Versions that are being loaded take these over from those that serve: other workers that are to have them may not
--- serve them yet, and ask for them.
---@param requests table<string, perigee.supervisor.Request> by key, how the new versions ask for them
function Listeners:adopt(requests)
  for key, request in pairs(requests) do
    if self.entries[key] then self.loading[word_of(request)] = key end
  end
end

--- The versions that were being loaded serve now.
---@param served table<string, perigee.supervisor.Request>[] of workers: by key, how each address is asked for now
function Listeners:commit(served)
  for word, key in pairs(self.loading) do self.serving[word] = key end
  self.loading = {}
  for _, entry in pairs(self.entries) do entry.aside = nil end
  if #served > 0 then self.serving = {} end
  for key, entry in pairs(self.entries) do
    if entry.left then self.serving[entry.word] = key end
  end
  for _, requests in ipairs(served) do
    for key, request in pairs(requests) do
      if self.entries[key] then rename(self, self.entries[key], request) end
    end
  end
end

--- A worker that was late has taken its new versions over, too.
---@param requests table<string, perigee.supervisor.Request> by key, how each of its addresses is asked for now
function Listeners:follow(requests)
  for key, request in pairs(requests) do
    local entry <const> = self.entries[key]
    if entry then
      rename(self, entry, request)
      entry.aside = nil
    end
  end
end

--- The versions that were being loaded are thrown away.
function Listeners:roll_back()
  self.loading = {}
end

local function close_entry(entry, handed_over)
  for _, socket in pairs(entry.held) do socket:close() end
  local path <const> = not handed_over and not entry.foreign and entry.url:match "^unix:([^@].*)$"
  if path then os.remove(path) end
end

--- A process for one client may have the socket as long as that is there.
local function withdraw(entry)
  for _, socket in pairs(entry.held) do
    if socket.withdraw then socket:withdraw() end
  end
end

--- Closes all but those with these keys: no worker has them any more.
---@param used table<string, true>
---@param before integer of how many that were bound first this is known
function Listeners:keep(used, before)
  for key, entry in pairs(self.entries) do
    local is_left <const> = entry.left and not entry.aside
    if not used[key] and not is_left and entry.number <= before then
      withdraw(entry)
      close_entry(entry, false)
      self.entries[key] = nil
    end
  end
end

--- Closes all. The files of Unix sockets are removed, unless somebody else has them now.
---@param handed_over boolean
function Listeners:close(handed_over)
  for _, entry in pairs(self.entries) do close_entry(entry, handed_over) end
  self.entries = {}
  self:close_spares()
end

local M <const> = {}

---@param workers integer
---@param shared boolean all sockets are shared by all workers
---@return perigee.supervisor.Listeners
function M.new(workers, shared)
  return setmetatable({ entries = {}, serving = {}, loading = {}, spares = {}, workers = workers, shared = shared,
    bound = 0, binding = semaphore(1) }, Listeners)
end

return M
