--- What a service keeps from one version of its code to the next.

local M <const> = {}

---@class perigee.service.State
---@field value any
---@field version integer
---@field kind "new"|"kept"|"migrated" what has become of it at the last load
---@field from integer? the version that it was migrated from

--- A copy of tables, and of the tables in them, however deep, that share all else; metatables are shared as well.
local function copy(value)
  local copies <const>, found <const> = {}, {}
  local function copied(item)
    if type(item) ~= "table" then return item end
    if not copies[item] then
      copies[item] = {}
      found[#found + 1] = item
    end
    return copies[item]
  end
  local result <const> = copied(value)
  while #found > 0 do
    local original <const> = table.remove(found)
    for key, item in next, original do rawset(copies[original], copied(key), copied(item)) end
    debug.setmetatable(copies[original], debug.getmetatable(original))
  end
  return result
end

local function initial_value(initial)
  if type(initial) == "function" then return initial() end
  return initial
end

local function first(name, initial, version)
  local value <const> = initial_value(initial)
  if value == nil then error(("state '%s': its initial value is nil"):format(name), 3) end
  return { value = value, version = version, kind = "new" }
end

--- The old code goes on with the old value, whatever becomes of this: so what is migrated is a copy.
local function migrated(name, old, version, migrate)
  if not migrate then
    error(("state '%s' is of version %d, and this code wants version %d: give a migrate that leads there"):format(name,
      old.version, version), 3)
  end
  local value <const> = migrate(copy(old.value), old.version)
  if value == nil then error(("state '%s': migrate has returned nil"):format(name), 3) end
  return { value = value, version = version, kind = "migrated", from = old.version }
end

local function find(generation, name)
  return generation.states[name] or generation.service.states[name]
end

--- The state of a name for a generation: what is there, brought to the version that it wants, or the initial value.
---@param generation perigee.service.Generation
---@param name string
---@param initial any a value, or a function that makes it
---@param version integer
---@param migrate (fun(old: any, from: integer): any)?
---@return any value
function M.of(generation, name, initial, version, migrate)
  local old <const> = find(generation, name)
  local state
  if not old then state = first(name, initial, version)
  elseif old.version ~= version then state = migrated(name, old, version, migrate)
  else state = { value = old.value, version = version, kind = "kept" } end
  local is_loaded <const> = generation.state == "serving" or generation.state == "draining"
  local place <const> = is_loaded and generation.service.states or generation.states
  if not (generation.is_over and old) then place[name] = state end -- old code changes nothing of the newer one's
  return state.value
end

return M
