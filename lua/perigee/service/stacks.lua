--- What can be seen from outside in the stack of a task: where it waits, what it serves, and whose functions it runs.

local M <const> = {}

local LEVELS <const> = 200 -- that are looked at, from the innermost
local DEEP <const> = 3     -- functions in upvalues of functions in upvalues ...

--- "chat.lua:40" when a frame is of one of the files.
local function place_in(info, files)
  local path <const> = info.source:match "^@(.*)$"
  return path and files[path] and ("%s:%d"):format(path:match "[^/]*$", info.currentline) or nil
end

--- Where a task waits: in which call, and where the script has called it.
---@param thread thread
---@param files table<string, any> the script's, by path
---@return string text "sleep (chat.lua:40)"; "" when the script has no part in it
function M.place(thread, files)
  local called
  for level = 0, LEVELS do
    local info <const> = debug.getinfo(thread, level, "nSl")
    if not info then return called or "" end
    local place <const> = place_in(info, files)
    if place then return called and ("%s (%s)"):format(called, place) or place end
    called = info.namewhat == "for iterator" and "for ... in" or info.name or called
  end
  return called or ""
end

local function peer_of(value)
  if type(value) ~= "userdata" and type(value) ~= "table" then return nil end
  local metatable <const> = debug.getmetatable(value)
  local name <const> = type(metatable) == "table" and rawget(metatable, "__name")
  if type(name) ~= "string" or not name:find "^perigee%." then return nil end
  local ok <const>, peer <const> = pcall(function() return value.peer end)
  return ok and peer ~= nil and tostring(peer) or nil
end

local function height_of(thread)
  local level = 0
  while level < LEVELS and debug.getinfo(thread, level, "f") do level = level + 1 end
  return level
end

--- The peer of the connection that a task serves: of the first argument that has one, in the outermost function.
---@param thread thread
---@return string?
function M.peer(thread)
  for level = height_of(thread) - 1, 0, -1 do
    for index = 1, 10 do
      local name <const>, value <const> = debug.getlocal(thread, level, index)
      if not name then break end
      local peer <const> = peer_of(value)
      if peer then return peer end
    end
  end
end

--- Is a function one of those that have these globals, or does it call one by an upvalue?
local function is_of(f, environment, known, depth)
  if known[f] ~= nil then return known[f] end
  known[f] = false
  local index = 1
  local name, value = debug.getupvalue(f, index)
  while name do
    local is_deeper <const> = type(value) == "function" and depth > 1
    if rawequal(value, environment) or is_deeper and is_of(value, environment, known, depth - 1) then
      known[f] = true
      return true
    end
    index = index + 1
    name, value = debug.getupvalue(f, index)
  end
  return false
end

--- The innermost function on a stack that belongs to a version of a script.
---@param thread thread
---@param environment table the globals of that version
---@param known table<function, boolean> what was found out about functions: to be given again with the next stack
---@return function?
function M.function_of(thread, environment, known)
  for level = 0, LEVELS do
    local info <const> = debug.getinfo(thread, level, "f")
    if not info then return nil end
    if is_of(info.func, environment, known, DEEP) then return info.func end
  end
end

return M
