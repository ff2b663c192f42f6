--- WATCH and UNWATCH: a transaction is not carried out when one of the keys that its client watches was changed.

local codec <const> = require "perigee.codec.resp"

local MOST <const> = 10000 -- keys that a client watches

local OK <const> = codec.simple "OK"
local WITHIN <const> = codec.error "ERR WATCH inside MULTI is not allowed"
local TOO_MANY <const> = codec.error "ERR too many watched keys"

local M <const> = {}

-- A client's keys: client.watched is a list of { database =, key = }; client.has_stale is set when one is changed.

--- It watches no keys any more.
---@param client perigee.resp.Client
function M.forget(client)
  for _, place in ipairs(client.watched or {}) do place.database:unwatch(place.key, client) end
  client.watched, client.has_stale = nil, nil
end

--- Was one of its keys changed, or is its time over?
---@param client perigee.resp.Client
---@return boolean
function M.is_stale(client)
  for _, place in ipairs(client.watched or {}) do place.database:get(place.key) end
  return client.has_stale == true
end

local function watch_in(space)
  return function(client, ...)
    if client.transaction then return WITHIN end
    client:on_end(M.forget)
    client.watched = client.watched or {}
    local database <const> = space:database(client.database)
    for _, key in ipairs { ... } do
      if #client.watched >= MOST then return TOO_MANY end
      if database:watch(key, client) then table.insert(client.watched, { database = database, key = key }) end
    end
    return OK
  end
end

local function unwatch(client)
  M.forget(client)
  return OK
end

--- The commands over a keyspace.
---@param space perigee.resp.Keyspace
---@return table<string, perigee.resp.Command>
function M.commands(space)
  return {
    WATCH = { -2, watch_in(space), immediate = true, group = "transactions",
      summary = "Has EXEC do nothing if keys were changed." },
    UNWATCH = { 1, unwatch, group = "transactions", summary = "Watches no keys any more." },
  }
end

return M
