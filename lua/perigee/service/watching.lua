--- perigee run --watch: services are reloaded when one of their files is saved.

local log <const> = require "perigee.log"
local watch <const> = require "perigee.service.watch"

local M <const> = {}

--- What is watched, and who reloads.
---@class perigee.service.Watched
---@field files fun(): table<string, table<string, string|false>> of each service: the texts that were loaded, by path;
--- false: there was no such file
---@field ready nil|fun() waits until the files are known
---@field config string? a file whose change concerns all services
---@field reload fun(services: string[]?) nil: all of them

local function all_files(watched)
  local files <const> = {}
  for _, texts in pairs(watched.files()) do
    for path, text in pairs(texts) do files[path] = text end
  end
  if watched.config then files[#files + 1] = watched.config end
  return files
end

--- The services that have one of the files.
local function concerned(watched, paths)
  local names <const> = {}
  for name, texts in pairs(watched.files()) do
    for _, path in ipairs(paths) do
      if texts[path] ~= nil and names[#names] ~= name then names[#names + 1] = name end
    end
  end
  table.sort(names)
  return names
end

local function has(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
  return false
end

local function on_changed(watched, paths)
  log.info("changed", { files = table.concat(paths, " ") })
  if watched.config and has(paths, watched.config) then return watched.reload() end
  local names <const> = concerned(watched, paths)
  if #names > 0 then watched.reload(names) end
end

--- Watches, in a task of the scope.
---@param scope perigee.Scope
---@param watched perigee.service.Watched
function M.start(scope, watched)
  scope:spawn(function()
    if watched.ready then watched.ready() end
    local watcher <const> = watch.new(function() return all_files(watched) end,
      function(paths) on_changed(watched, paths) end)
    watcher:run()
  end)
end

return M
