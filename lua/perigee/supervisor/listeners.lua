--- The sockets of a supervisor. It binds what a worker asks for, and keeps it for its whole life: when a worker dies,
--- its clients that are not accepted yet wait for the next one.

local new_spares <const> = require "perigee.supervisor.spares"
local semaphore <const> = require "perigee.task.semaphore"
local sockets <const> = require "perigee.supervisor.sockets"

--- What a worker asks for.
---@class perigee.supervisor.Request
---@field service string
---@field url string an address, resolved
---@field occurrence integer the service's first, second ... server of that URL
---@field options table of the socket
---@field limit integer? connections that a worker may have there
---@field aside boolean? it is for a version that is being loaded
---@field alone boolean? the first worker serves it alone

--- The sockets of one address. What its request says is how the code that serves asks for it.
---@class perigee.supervisor.Entry: perigee.supervisor.Request
---@field key string its own, whatever it is asked for by
---@field word string that it is asked for by
---@field address string where it is bound
---@field shared boolean all workers have the same sockets; otherwise each has its own, which share a port
---@field foreign boolean somebody else has bound them, and minds their files
---@field left boolean? who has told what the newest versions serve does not serve it; the first worker may, until it
--- has told, too
---@field asked integer counts the requests: the last one for it
---@field held table<integer, any> descriptors or listeners; by the number of the worker, but for more than there are

---@class perigee.supervisor.Listeners
---@field entries table<string, perigee.supervisor.Entry> by key
---@field serving table<string, string> keys by the words that the code which serves asks by
---@field loading table<string, string> keys by the words that only a version which is being loaded asks by
---@field spares perigee.supervisor.Spares
---@field asked integer counts the requests
---@field workers integer how many there are
---@field shared boolean all sockets are shared
---@field on_bound (fun(entry: perigee.supervisor.Entry): boolean?, string?, string?)? has a use for a new one
local Listeners <const> = {}
Listeners.__index = Listeners

local function from_spares(self, request, word)
  local found <const> = self.spares:take(word, request.url)
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

local function address_of(url, port)
  return sockets.is_any_port(url) and sockets.with_port(url, port) or url
end

local function port_of(url)
  return math.tointeger(tonumber(url:match ":(%d+)$"))
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

local function new_entry(self, request, number)
  local word <const> = word_of(request)
  local entry, message, code = from_spares(self, request, word)
  if not entry then entry, message, code = bind_first(self, request, number) end
  if not entry then return nil, message, code end
  for name, value in pairs(request) do entry[name] = value end
  entry.key, entry.word = new_key(self, word), word
  entry.address = address_of(request.url, select(2, next(entry.held)).address.port)
  local fine, why, problem = true
  if self.on_bound then fine, why, problem = self.on_bound(entry) end
  if not fine then return nil, why, problem end
  self.entries[entry.key], (request.aside and self.loading or self.serving)[word] = entry, entry.key
  return entry
end

--- Code that serves asks for it so from now on, and may speak something else there.
local function serve(self, entry, request)
  entry.url, entry.limit, entry.service, entry.occurrence = request.url, request.limit, request.service,
    request.occurrence
  entry.alone, entry.aside, entry.left = request.alone, nil, nil
  entry.word, entry.address = word_of(request), address_of(request.url, port_of(entry.address))
  self.serving[entry.word] = entry.key
end

--- The entry that is bound at an address, if it may be had by other words: by versions that are being loaded, and when
--- nobody is known to serve it.
local function find_bound(self, request)
  local place <const> = sockets.place_of_url(request.url)
  for key, entry in pairs(self.entries) do
    local may_be_had <const> = request.aside or entry.left
    if may_be_had and sockets.place_of_url(entry.address) == place then return key end
  end
end

--- What a worker asks for that is there already; what it has got itself it cannot mean.
local function find_known(self, request, has)
  local word <const> = word_of(request)
  local function pick(key) return key and not has[key] and self.entries[key] or nil end
  return request.aside and pick(self.loading[word]) or pick(self.serving[word]) or pick(find_bound(self, request))
end

--- The entry of a request; its first socket is bound now, if it has none yet.
---@param request perigee.supervisor.Request
---@param number integer of the worker that asks
---@param has table<string, true>? the keys of those that it has open
---@return perigee.supervisor.Entry?
---@return string? message
---@return string? code
function Listeners:find(request, number, has)
  local _ <close> = self.binding:acquire()
  local entry, message, code = find_known(self, request, has or {})
  if entry and entry.left and not request.aside then serve(self, entry, request) end
  if not entry then entry, message, code = new_entry(self, request, number) end
  if not entry then return nil, message, code end
  self.asked = self.asked + 1
  entry.asked = self.asked
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

local function of_worker(self, entry, number)
  local list <const> = {}
  for index, socket in pairs(entry.held) do
    if entry.shared or self:owner_of(index) == number then list[#list + 1] = socket end
  end
  return list
end

--- The sockets of an entry that a worker is to serve.
---@param entry perigee.supervisor.Entry
---@param number integer of the worker
---@return any[]? sockets
---@return string? message
---@return string? code
function Listeners:sockets_of(entry, number)
  if #of_worker(self, entry, number) == 0 then
    local bound <const>, message <const>, code <const> = bind_own(self, entry, number)
    if not bound then return nil, message, code end
  end
  return of_worker(self, entry, number)
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

--- A worker tells what it serves, so that is asked for like this from now on.
---@param requests table<string, perigee.supervisor.Request> by key
function Listeners:serve(requests)
  for key, request in pairs(requests) do
    if self.entries[key] then serve(self, self.entries[key], request) end
  end
end

--- The versions that were being loaded serve now. What they do not serve is left.
---@param served table<string, perigee.supervisor.Request>[] of workers: by key, how each address is asked for now
---@param before integer `asked` when they were asked: they know nothing of later requests
function Listeners:commit(served, before)
  for word, key in pairs(self.loading) do self.serving[word] = key end
  self.loading = {}
  for _, entry in pairs(self.entries) do
    entry.left, entry.aside = entry.left or entry.asked <= before or nil, nil
  end
  for _, requests in ipairs(served) do self:serve(requests) end
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

local function close_those(self, is_meant)
  for key, entry in pairs(self.entries) do
    if is_meant(entry) then
      withdraw(entry)
      close_entry(entry, false)
      self.entries[key] = nil
    end
  end
end

--- Nobody serves what is left.
function Listeners:close_left()
  close_those(self, function(entry) return entry.left end)
end

--- The versions that were being loaded are thrown away, and what was bound for them is closed.
---@param before integer `asked` when the workers have thrown them away: they may still wait for what came later
function Listeners:roll_back(before)
  self.loading = {}
  close_those(self, function(entry) return entry.aside and entry.asked <= before end)
end

--- Closes all. The files of Unix sockets are removed, unless somebody else has them now.
---@param handed_over boolean
function Listeners:close(handed_over)
  for _, entry in pairs(self.entries) do close_entry(entry, handed_over) end
  self.entries = {}
  self.spares:close()
end

local M <const> = {}

---@param workers integer
---@param shared boolean all sockets are shared by all workers
---@return perigee.supervisor.Listeners
function M.new(workers, shared)
  return setmetatable({ entries = {}, serving = {}, loading = {}, spares = new_spares(), workers = workers,
    shared = shared, asked = 0, binding = semaphore(1) }, Listeners)
end

return M
