--- The options given on the command line: --set SERVICE.NAME=VALUE, and --config FILE.

local config <const> = require "perigee.cli.config"
local options_of <const> = require "perigee.service.options"

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

--- Options of a file, with those of --set in the place of its own.
local function merge(configured, origins, set)
  for service, texts in pairs(set) do
    configured[service], origins[service] = configured[service] or {}, origins[service] or {}
    for name, text in pairs(texts) do configured[service][name], origins[service][name] = text, nil end
  end
  for service, texts in pairs(configured) do options_of.note_origins(texts, origins[service]) end
  return configured
end

--- The options as they are given now: by --config, whose file is read again each time, and by --set, which wins.
---@param arguments { set: string[], config: string?, scripts: string[] }
---@return table<string, table<string, string>>? options by service and name
---@return string? message what is wrong
function M.read(arguments)
  local set <const>, message <const> = M.parse(arguments.set, arguments.scripts)
  if not set or not arguments.config then return set, message end
  local configured <const>, origins <const> = config.read(arguments.config, known_services(arguments.scripts))
  if not configured then return nil, origins --[[@as string]] end
  return merge(configured, origins, set)
end

return M
