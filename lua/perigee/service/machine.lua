--- What the machine has for this process: or the control group that it is in, when that has less.

local M <const> = {}

local NONE <const> = 1 << 60 -- bytes: a limit of so many is none

local function read(path)
  local file <close> = io.open(path)
  return file and file:read "a"
end

local function installed(root)
  local kibibytes <const> = (read(root .. "/proc/meminfo") or ""):match "MemTotal:%s*(%d+) kB"
  return kibibytes and math.tointeger(tonumber(kibibytes)) * 1024
end

local function limit_in(path)
  local bytes <const> = math.tointeger(tonumber((read(path) or ""):match "^%d+"))
  return bytes and bytes < NONE and bytes or nil
end

--- The least limit of a group and of all that it is in. The group's path may be one outside of what we see.
local function least(mount, group, name)
  local found = limit_in(mount .. "/" .. name)
  while group ~= "" do
    local limit <const> = limit_in(mount .. group .. "/" .. name)
    if limit and (not found or limit < found) then found = limit end
    group = group:match "^(.*)/[^/]*$" or ""
  end
  return found
end

--- Bytes of memory. nil: nothing tells.
---@param root string? where /proc and /sys are, default ""
---@return integer?
function M.memory(root)
  root = root or ""
  local bytes = installed(root)
  local function consider(limit)
    if limit and (not bytes or limit < bytes) then bytes = limit end
  end
  for controllers, group in (read(root .. "/proc/self/cgroup") or ""):gmatch "%d+:([^:\n]*):([^\n]*)" do
    group = group:gsub("/$", "")
    if controllers == "" then consider(least(root .. "/sys/fs/cgroup", group, "memory.max")) end
    if ("," .. controllers .. ","):find(",memory,", 1, true) then
      consider(least(root .. "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes"))
    end
  end
  return bytes
end

return M
