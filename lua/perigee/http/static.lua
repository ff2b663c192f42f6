--- Files of a directory: only what is in it, whatever the path says.

local core <const> = require "core.http"
local system <const> = require "core.system"
local response <const> = require "perigee.http.response"

local M <const> = {}

--- The path within the directory, or nil for one that is not to be served.
local function safe_path(path, hidden)
  if path:find "[%z\\]" then return nil end
  local parts <const> = {}
  for part in path:gmatch "[^/]+" do
    if part == "." or part == ".." or (part:sub(1, 1) == "." and not hidden) then return nil end
    parts[#parts + 1] = part
  end
  return table.concat(parts, "/")
end

local function missing(request)
  return response.error(404, "nothing is served at " .. request.path)
end

--- A directory is asked for with a slash at its end, so that the links of its page are right. At its start one slash is
--- left: behind two a browser takes the name for that of a host.
local function to_directory(request)
  local query <const> = request.query_string
  local path <const> = request.path:gsub("^/+", "/"):gsub("[^/]+", core.encode)
  return response.redirect(path .. "/" .. (query and "?" .. query or ""), 301)
end

local function check(directory, options)
  if type(directory) ~= "string" then error("bad argument 'directory' (a string expected)", 0) end
  if system.file_kind(directory) ~= "directory" then error(directory .. ": there is no such directory", 0) end
  for name in pairs(options) do
    if name ~= "index" and name ~= "max_age" and name ~= "hidden" then
      error(("there is no option '%s'"):format(tostring(name)), 0)
    end
  end
end

--- Makes serve(request, path) for the files of a directory.
---@param directory string
---@param options { index: string?, max_age: integer?, hidden: boolean? }?
---@return fun(request: perigee.http.Request, path: string): perigee.http.Response
function M.server(directory, options)
  options = options or {}
  check(directory, options)
  local index <const> = options.index or "index.html"
  local cache <const> = options.max_age and ("max-age=%d"):format(options.max_age) or "no-cache"
  return function(request, path)
    local inner <const> = safe_path(path, options.hidden)
    if not inner then return missing(request) end
    local full = directory .. "/" .. inner
    local kind = system.file_kind(full)
    if kind == "directory" then
      if inner ~= "" and path:sub(-1) ~= "/" then return to_directory(request) end
      full = full .. "/" .. index
      kind = system.file_kind(full)
    elseif path:sub(-1) == "/" then
      return missing(request)
    end
    if kind ~= "file" then return missing(request) end
    return response.file(full, { headers = { ["Cache-Control"] = cache } })
  end
end

return M
