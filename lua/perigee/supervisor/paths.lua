--- Where control sockets are. One that is not named is PID.sock in a directory that only its user may enter:
--- $PERIGEE_CONTROL_DIRECTORY, or $XDG_RUNTIME_DIR/perigee, or /run/perigee for root, or /tmp/perigee-UID.

local net <const> = require "perigee.net"
local system <const> = require "core.system"

local CONNECT_SECONDS <const> = 5

local M <const> = {}

--- The directory of this user's control sockets.
---@return string
function M.directory()
  local named <const>, runtime <const> = os.getenv "PERIGEE_CONTROL_DIRECTORY", os.getenv "XDG_RUNTIME_DIR"
  if named and named ~= "" then return named end
  local uid <const> = system.user_id()
  if uid == 0 then return "/run/perigee" end
  if runtime and runtime ~= "" then return runtime .. "/perigee" end
  return "/tmp/perigee-" .. uid
end

local function has_ended(path)
  local process <close> = io.open(("/proc/%s/stat"):format(path:match "(%d+)%.sock$"))
  return process == nil
end

local function is_default(path)
  return path:match "^(.*)/%d+%.sock$" == M.directory()
end

--- Connects to a control socket; the file of a default one that nobody serves is removed.
---@param path string
---@return perigee.Connection?
---@return string? message
---@return string? code
function M.connect(path)
  local conn <const>, message <const>, code <const> = net.connect("unix:" .. path, { timeout = CONNECT_SECONDS })
  if code == "refused" and is_default(path) then os.remove(path) end
  return conn, message, code
end

--- Removes what processes that were killed have left.
local function sweep()
  for _, path in ipairs(M.list()) do
    local conn <const> = has_ended(path) and M.connect(path)
    if conn then conn:close() end
  end
end

--- The path for this process; its directory is made.
---@return string?
---@return string? message
---@return string? code "denied"
function M.own()
  local directory <const> = M.directory()
  local made <const>, message <const>, code <const> = system.private_directory(directory)
  if not made then return nil, message, code end
  sweep()
  return ("%s/%d.sock"):format(directory, system.pid())
end

--- The sockets that are there, of processes that run or were killed.
---@return string[]
function M.list()
  local directory <const>, paths <const> = M.directory(), {}
  for _, name in ipairs(system.list(directory) or {}) do
    if name:find "^%d+%.sock$" then paths[#paths + 1] = directory .. "/" .. name end
  end
  return paths
end

return M
