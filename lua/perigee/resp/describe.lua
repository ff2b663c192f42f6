--- COMMAND, which tells clients what commands there are: redis-cli completes and explains them by it.

local json <const> = require "perigee.codec.json"

local M <const> = {}

local function sorted_names(commands)
  local names <const> = {}
  for name, command in pairs(commands) do
    if not command.hidden then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- Of a command as COMMAND INFO has it: without keys, which only clients of clusters ask for.
local function info_of(name, command)
  local empty <const> = json.array {}
  return { name:lower(), command[1], empty, 0, 0, 0, empty, empty, empty, empty }
end

local function docs_of(name, command)
  local docs <const> = {
    summary = command.summary or name, since = "1.0.0", group = command.group or "generic", complexity = "O(1)",
  }
  if command.subcommands then
    docs.subcommands = {}
    for part, found in pairs(command.subcommands) do
      local whole <const> = name:lower() .. "|" .. part:lower()
      docs.subcommands[whole] = docs_of(whole, found)
    end
  end
  return docs
end

local function infos(commands, ...)
  local list <const> = json.array {}
  for i, name in ipairs { ... } do
    local found <const> = commands[name:upper()]
    list[i] = found and info_of(name, found) or json.null
  end
  return list
end

local function all_infos(commands)
  return infos(commands, table.unpack(sorted_names(commands)))
end

local function docs(commands, ...)
  local map <const> = {}
  for _, name in ipairs(... and { ... } or sorted_names(commands)) do
    local found <const> = commands[name:upper()]
    if found then map[name:lower()] = docs_of(name, found) end
  end
  return map
end

local function names(commands)
  local list <const> = json.array {}
  for i, name in ipairs(sorted_names(commands)) do list[i] = name:lower() end
  return list
end

--- The command that describes a table of commands.
---@param commands table<string, perigee.resp.Command>
---@return perigee.resp.Command
function M.command(commands)
  return {
    -1, function() return all_infos(commands) end, group = "server", summary = "Tells what commands there are.",
    subcommands = {
      COUNT = { 2, function() return #sorted_names(commands) end, summary = "Counts them." },
      INFO = { -2, function(_, ...)
        if not ... then return all_infos(commands) end
        return infos(commands, ...)
      end, summary = "Tells about some." },
      DOCS = { -2, function(_, ...) return docs(commands, ...) end, summary = "Explains them." },
      LIST = { 2, function() return names(commands) end, summary = "Lists their names." },
    },
  }
end

return M
