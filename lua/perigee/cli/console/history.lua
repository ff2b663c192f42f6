--- The lines that were typed at consoles, in $XDG_STATE_HOME/perigee/console_history, for this user alone.

local system <const> = require "core.system"

local LINES <const> = 1000
local OWNER_ONLY <const> = tonumber("600", 8)

local M <const> = {}

local function state_directory()
  local named <const>, home <const> = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
  if named and named:sub(1, 1) == "/" then return named end
  return home and home ~= "" and home .. "/.local/state" or nil
end

--- Makes a directory and those above it, as far as they are missing.
local function make_directories(path)
  if path == "" or system.file_kind(path) then return end
  make_directories(path:match "^(.*)/")
  system.private_directory(path)
end

--- Where it is; nil when there is no place for it.
---@return string?
function M.path()
  local directory <const> = state_directory()
  return directory and directory .. "/perigee/console_history"
end

local function read_lines(path)
  local lines <const>, file <close> = {}, io.open(path)
  for line in file and file:lines() or function() end do lines[#lines + 1] = line end
  return lines
end

--- The last lines, in a file of their own that takes the place of the old one.
local function shorten(path, lines)
  local last <const> = table.move(lines, #lines - LINES + 1, #lines, 1, {})
  local beside <const> = ("%s.%d"):format(path, system.pid())
  if system.create_file(beside, table.concat(last, "\n") .. "\n", OWNER_ONLY) then os.rename(beside, path) end
  return last
end

--- The lines of before, oldest first. Nothing is said when they cannot be read.
---@return string[]
function M.load()
  local path <const> = M.path()
  local lines <const> = path and read_lines(path) or {}
  return #lines > LINES and shorten(path, lines) or lines
end

--- Adds a line. Nothing is said when it cannot be kept.
---@param line string
function M.add(line)
  local path <const> = M.path()
  if not path then return end
  if not system.file_kind(path) then
    make_directories(path:match "^(.*)/")
    system.create_file(path, "", OWNER_ONLY)
  end
  local file <close> = io.open(path, "a")
  if file then file:write(line, "\n") end
end

return M
