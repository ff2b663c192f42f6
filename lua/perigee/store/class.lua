--- The class of every store: it checks what scripts give. What keeps the values is a backend, one kind for each scheme
--- of URLs.

local check_string <const> = require "perigee.backend.arguments".check_string
local checked <const> = require "perigee.options"
local service <const> = require "perigee.service"

local NAME <const> = "default"

--- What keeps the values. Its functions may wait; failures return nil, message, code.
---@class perigee.store.Backend
---@field name string for messages: "local: sessions"
---@field get fun(self, key: string): string?, string?, string? nil alone: there is none
---@field exists fun(self, key: string): boolean?, string?, string?
---@field set fun(self, key: string, value: string, seconds: number?, absent: boolean?): boolean?, string?, string?
---@field replace fun(self, key: string, old: string?, new: string, seconds: number?): boolean?, string?, string?
---@field delete fun(self, keys: string[]): integer?, string?, string?
---@field increment fun(self, key: string, by: integer, seconds: number?): integer?, string?, string?
---@field expire fun(self, key: string, seconds: number): boolean?, string?, string? math.huge: never
---@field keys fun(self, prefix: string): string[]?, string?, string? in order
---@field close fun(self) without waiting

---@class perigee.Store
---@field is_open boolean
---@field name string
---@field package backend perigee.store.Backend
local Store <const> = { __name = "perigee.store" }
Store.__index = Store

local function check_seconds(name, value)
  if value == nil then return nil end
  if type(value) == "number" and value > 0 then return value < math.huge and value or nil end
  error(("%s must be seconds above 0, not %s"):format(name, tostring(value)), 4)
end

local function check_options(options, names)
  if options == nil then return {} end
  checked.check_names(options, names, 3)
  check_seconds("option 'expire'", options.expire)
  return options
end

local function closed(self, operation)
  return nil, ("%s: the store %s is closed"):format(operation, self.name), "closed"
end

--- The value of a key.
---@param key string
---@return string? value nil alone: there is none
---@return string? message
---@return string? code
function Store:get(key)
  check_string("key", key)
  if not self.is_open then return closed(self, "get") end
  return self.backend:get(key)
end

---@param key string
---@return boolean?
---@return string? message
---@return string? code
function Store:exists(key)
  check_string("key", key)
  if not self.is_open then return closed(self, "exists") end
  return self.backend:exists(key)
end

--- Sets a value; when one is there it is replaced, and does not expire any more unless `expire` says so.
---@param key string
---@param value string
---@param options { expire: number?, absent: boolean? }? expire: seconds; absent: only when there is none
---@return boolean? set
---@return string? message
---@return string? code "limit"
function Store:set(key, value, options)
  check_string("key", key)
  check_string("value", value)
  local given <const> = check_options(options, { expire = true, absent = true })
  if not self.is_open then return closed(self, "set") end
  return self.backend:set(key, value, check_seconds("option 'expire'", given.expire), given.absent and true or false)
end

--- Sets a value when the one that is there is `old`: compare and set.
---@param key string
---@param old string? nil: there is none
---@param new string
---@param options { expire: number? }? expire: seconds
---@return boolean? replaced
---@return string? message
---@return string? code
function Store:replace(key, old, new, options)
  check_string("key", key)
  if old ~= nil then check_string("old", old) end
  check_string("new", new)
  local given <const> = check_options(options, { expire = true })
  if not self.is_open then return closed(self, "replace") end
  return self.backend:replace(key, old, new, check_seconds("option 'expire'", given.expire))
end

---@param key string
---@param ... string more keys
---@return integer? count of those that there were
---@return string? message
---@return string? code
function Store:delete(key, ...)
  local keys <const> = table.pack(key, ...)
  for index = 1, math.max(keys.n, 1) do check_string("key", keys[index]) end
  if not self.is_open then return closed(self, "delete") end
  return self.backend:delete(keys)
end

--- Adds to an integer, which is kept as its digits. None is 0. When one that is there expires stays as it was. So a
--- counter of a window, which limits a rate, is one call:
---   if store:increment("logins " .. ip, 1, { expire = 60 }) > 10 then return http.error(429) end
---@param key string
---@param by integer? default 1
---@param options { expire: number? }? expire: seconds from the call that has made the counter; those that come later
--- leave it
---@return integer? number
---@return string? message
---@return string? code "failed": what is there is no integer, or it would be beyond 64 bits
function Store:increment(key, by, options)
  check_string("key", key)
  if by == nil then by = 1 end
  if not math.type(by) or not math.tointeger(by) then
    error(("bad argument 'by' (an integer expected, got %s)"):format(tostring(by)), 2)
  end
  local given <const> = check_options(options, { expire = true })
  if not self.is_open then return closed(self, "increment") end
  return self.backend:increment(key, math.tointeger(by), check_seconds("option 'expire'", given.expire))
end

--- Says when a value goes.
---@param key string
---@param seconds number from now; math.huge: never
---@return boolean? there there is a value
---@return string? message
---@return string? code
function Store:expire(key, seconds)
  check_string("key", key)
  if type(seconds) ~= "number" or seconds <= 0 or seconds ~= seconds then -- NaN
    error(("bad argument 'seconds' (seconds above 0 expected, got %s)"):format(tostring(seconds)), 2)
  end
  if not self.is_open then return closed(self, "expire") end
  return self.backend:expire(key, seconds)
end

--- All keys that begin so, in order.
---@param prefix string? default: all keys
---@return string[]?
---@return string? message
---@return string? code
function Store:keys(prefix)
  if prefix ~= nil then check_string("prefix", prefix) end
  if not self.is_open then return closed(self, "keys") end
  return self.backend:keys(prefix or "")
end

--- Closing twice does nothing.
function Store:close()
  if not self.is_open then return end
  self.is_open = false
  self.backend:close()
end

Store.__close = Store.close
Store.__gc = Store.close

function Store:__tostring()
  return ("store: %s%s"):format(self.name, self.is_open and "" or " (closed)")
end

local M <const> = {}

--- Checks what every store is opened with, and raises with a level as of error, from the caller.
---@param name string?
---@param options table?
---@param level integer
---@return string name
function M.check(name, options, level)
  if name ~= nil and (type(name) ~= "string" or name == "") then
    error("bad argument 'name' (a name for the store expected)", level + 1)
  end
  if options ~= nil and type(options) ~= "table" then error("bad argument 'options' (a table expected)", level + 1) end
  return name or NAME
end

--- Makes a store, which closes its backend. It is closed when the version of the service that has opened it ends.
---@param backend perigee.store.Backend
---@return perigee.Store
function M.new(backend)
  local store <const> = setmetatable({ backend = backend, name = backend.name, is_open = true }, Store)
  service.close_at_end(store)
  return store
end

return M
