--- The options given on the command line: --set SERVICE.NAME=VALUE.

local M <const> = {}

--- The service's name of a script's path: "chat" of scripts/chat.lua.
---@param path string
---@return string
function M.name_of(path)
  return path:match "([^/]+)%.lua$" or path:match "[^/]+$" or path
end

local function known_services(scripts)
  local names <const> = {}
  for _, path in ipairs(scripts) do names[M.name_of(path)] = true end
  return names
end

--- Sorts the settings by service.
---@param settings string[] "chat.history=50"
---@param scripts string[] the paths of the scripts that are run
---@return table<string, table<string, string>>? options by service and name
---@return string? message what is wrong
function M.parse(settings, scripts)
  local options <const>, known <const> = {}, known_services(scripts)
  for _, setting in ipairs(settings) do
    local service <const>, name <const>, value <const> = setting:match "^([^.=]+)%.([^=]+)=(.*)$"
    if not service then return nil, ("--set '%s': it is not of the form SERVICE.NAME=VALUE"):format(setting) end
    if not known[service] then
      return nil, ("--set '%s': no script here is the service '%s'"):format(setting, service)
    end
    options[service] = options[service] or {}
    options[service][name] = value
  end
  return options
end

--- The options as they are given now: by --set.
---@param arguments { set: string[], scripts: string[] }
---@return table<string, table<string, string>>? options by service and name
---@return string? message what is wrong
function M.read(arguments)
  return M.parse(arguments.set, arguments.scripts)
end

return M
