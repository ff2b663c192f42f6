--- Clients that wait for items of lists: at each key in the order in which they came.

local M <const> = {}

---@class perigee.resp.Waiter
---@field client perigee.resp.Client
---@field at_left boolean the end of the list that it takes from
---@field key string? of the item that it got
---@field item string?
---@field package places table<string, integer> by key, its number in the queue

---@class perigee.resp.WaitQueue
---@field first integer
---@field last integer
---@field count integer

--- Has a client wait for any of the keys.
---@param database perigee.resp.Database
---@param client perigee.resp.Client
---@param at_left boolean
---@param keys string[]
---@return perigee.resp.Waiter
function M.join(database, client, at_left, keys)
  local waiter <const> = { client = client, at_left = at_left, places = {} }
  for _, key in ipairs(keys) do
    if not waiter.places[key] then
      local queue <const> = database.waiting[key] or { first = 1, last = 0, count = 0 }
      database.waiting[key] = queue
      queue.last, queue.count = queue.last + 1, queue.count + 1
      queue[queue.last], waiter.places[key] = waiter, queue.last
    end
  end
  return waiter
end

--- It waits no more.
---@param database perigee.resp.Database
---@param waiter perigee.resp.Waiter
function M.leave(database, waiter)
  for key, place in pairs(waiter.places) do
    local queue <const> = database.waiting[key]
    queue[place] = nil
    queue.count = queue.count - 1
    if queue.count == 0 then database.waiting[key] = nil end
  end
  waiter.places = {}
end

local function first_of(queue)
  while not queue[queue.first] do queue.first = queue.first + 1 end
  return queue[queue.first]
end

--- Gives the items of a list to those who wait for them.
---@param database perigee.resp.Database
---@param key string
function M.serve(database, key)
  while database.waiting[key] do
    local list <const> = database:get(key)
    if type(list) ~= "table" then return end
    local waiter <const> = first_of(database.waiting[key])
    M.leave(database, waiter)
    waiter.key, waiter.item = key, database:pop(key, list, waiter.at_left)
    waiter.client:wake()
  end
end

--- Puts an item back that its waiter cannot take any more, and gives it to the next one.
---@param database perigee.resp.Database
---@param waiter perigee.resp.Waiter
function M.give_back(database, waiter)
  local list <const> = database:list(waiter.key)
  if not list then return end
  database:push(waiter.key, list, waiter.item, waiter.at_left)
  M.serve(database, waiter.key)
end

return M
