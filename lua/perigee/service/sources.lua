--- The files that one version of a script is made of: read once, and remembered, so that a worker that is started again
--- runs what the others run, whatever has become of the files meanwhile.

---@class perigee.service.Sources
---@field texts table<string, string> by path
---@field missing table<string, true> paths where a file was looked for, and none was
---@field absent table<string, true> those where there is to be none, also when there is one now
---@field owner any? what the files are for: it lives as long as this
local Sources <const> = {}
Sources.__index = Sources

local function read(path)
  local file <close>, message <const> = io.open(path, "rb")
  if not file then return nil, "cannot open " .. message end
  local text <const>, why <const> = file:read "a"
  if not text then return nil, ("cannot read %s: %s"):format(path, why) end
  return text
end

--- The text of a file.
---@param path string
---@return string?
---@return string? message
function Sources:text(path)
  local known <const> = self.texts[path]
  if known then return known end
  if self.absent[path] then return nil, path .. ": No such file when this version was loaded" end
  local text <const>, message <const> = read(path)
  if text then self.texts[path] = text else self.missing[path] = true end
  return text, message
end

--- What was found, and where nothing was: to load the same version elsewhere, or later.
---@return table<string, string|false> texts by path; false: there was no such file
function Sources:found()
  local found <const> = {}
  for path in pairs(self.missing) do found[path] = false end
  for path, text in pairs(self.texts) do found[path] = text end
  return found
end

--- The version has been loaded: what it looks for from now on is there if it is there now.
function Sources:settle()
  self.absent = {}
end

---@param path string
---@return boolean
function Sources:has(path)
  return self:text(path) ~= nil
end

--- Compiles a file, as loadfile does: a first line that begins with # is skipped.
---@param path string
---@param mode "b"|"t"|"bt"|nil
---@param environment table
---@return function?
---@return string? message begins with the path, and the line of what is wrong
function Sources:load(path, mode, environment)
  local text <const>, message <const> = self:text(path)
  if not text then return nil, message end
  local plain <const> = text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")
  return load(plain, "@" .. path, mode, environment)
end

--- The paths of all files that were read or looked for.
---@return string[]
function Sources:paths()
  local list <const> = {}
  for path in pairs(self.texts) do list[#list + 1] = path end
  for path in pairs(self.missing) do list[#list + 1] = path end
  table.sort(list)
  return list
end

--- Files as they are now; or those of a version that was loaded before, as it has found them.
---@param found table<string, string|false>? see Sources:found
---@return perigee.service.Sources
return function(found)
  local texts <const>, missing <const>, absent <const> = {}, {}, {}
  for path, text in pairs(found or {}) do
    if text then texts[path] = text else missing[path], absent[path] = true, true end
  end
  return setmetatable({ texts = texts, missing = missing, absent = absent }, Sources)
end
