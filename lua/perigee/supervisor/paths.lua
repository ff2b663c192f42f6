--- Where control sockets are. One that is not named is PID.sock in a directory that only its user may enter:
--- $PERIGEE_CONTROL_DIRECTORY, or $XDG_RUNTIME_DIR/perigee, or /run/perigee for root, or /tmp/perigee-UID.

local system <const> = require "core.system"

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

--- The path for this process; its directory is made.
---@return string?
---@return string? message
---@return string? code "denied"
function M.own()
  local directory <const> = M.directory()
  local made <const>, message <const>, code <const> = system.private_directory(directory)
  if not made then return nil, message, code end
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
