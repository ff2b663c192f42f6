--- What clients of RESP ask about a server: CONFIG GET and INFO.

local clients <const> = require "perigee.resp.client"
local globs <const> = require "perigee.bus.glob"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local M <const> = {
  COMPATIBLE = "7.0.15", -- the Redis whose answers ours are
}

local LONGEST <const> = 256 -- bytes of a glob of settings, whose names are short

local function no_setting() return false end

local function config_get(settings)
  return function(_, ...)
    local found <const> = {}
    for _, glob in ipairs { ... } do
      local matches <const> = #glob <= LONGEST and globs.compile(glob:lower()) or no_setting
      for name, value in pairs(settings) do
        if matches(name) then found[name] = tostring(value) end
      end
    end
    return found
  end
end

local function section_lines(title, fields)
  local lines <const> = { "# " .. title }
  for _, field in ipairs(fields) do lines[#lines + 1] = field[1] .. ":" .. tostring(field[2]) end
  lines[#lines + 1] = ""
  return table.concat(lines, "\r\n")
end

local function info_with(sections)
  return function(_, ...)
    local wanted <const>, texts <const> = {}, {}
    for _, name in ipairs { ... } do wanted[name:lower()] = true end
    local all <const> = next(wanted) == nil or wanted.all or wanted.default or wanted.everything
    for _, section in ipairs(sections) do
      if all or wanted[section.title:lower()] then
        texts[#texts + 1] = section_lines(section.title, section.fields())
      end
    end
    return table.concat(texts, "\r\n")
  end
end

local function own_sections(began)
  return {
    { title = "Server", fields = function()
      return { { "redis_version", M.COMPATIBLE }, { "server_name", "perigee" }, { "redis_mode", "standalone" },
        { "process_id", system.pid() }, { "uptime_in_seconds", (task.now() - began) // 1 | 0 } }
    end },
    { title = "Clients", fields = function()
      local count <const>, waiting <const> = clients.count()
      return { { "connected_clients", count }, { "blocked_clients", waiting } }
    end },
    { title = "Replication", fields = function() return { { "role", "master" }, { "connected_slaves", 0 } } end },
  }
end

local function sections_of(more)
  local list <const> = own_sections(task.now())
  return table.move(more or {}, 1, #(more or {}), #list + 1, list)
end

local function settings_of(databases, more)
  local settings <const> = { save = "", appendonly = "no", databases = databases, maxmemory = 0, timeout = 0 }
  for name, value in pairs(more or {}) do settings[name] = value end
  return settings
end

--- The command CONFIG, which tells settings.
---@param databases integer
---@param settings table<string, any>? more, by name
---@return perigee.resp.Command
function M.config(databases, settings)
  local get <const> = { -3, config_get(settings_of(databases, settings)), summary = "Tells settings." }
  return { -2, subcommands = { GET = get }, group = "server", summary = "What is about the settings." }
end

--- The command INFO.
---@param sections { title: string, fields: fun(): { [1]: string, [2]: any }[] }[]? more
---@return perigee.resp.Command
function M.info(sections)
  return { -1, info_with(sections_of(sections)), group = "server", summary = "Tells how the server is." }
end

return M
