--- Where to look for changes of a file: the directories that finding it by its path depends on, through all symbolic
--- links, as far as they are there.

local core <const> = require "core.file_watch"
local system <const> = require "core.system"

local LINKS <const> = 40 -- that one path may lead through, as the kernel has it

---@class perigee.service.Places
---@field directories table<string, "files"|"itself"> what of them is to be watched
---@field names table<string, boolean> of the entries that matter, in whichever of them
local Places <const> = {}
Places.__index = Places

local function pieces_of(path)
  local pieces <const> = {}
  for piece in path:gmatch "[^/]+" do
    if piece ~= "." then pieces[#pieces + 1] = piece end
  end
  return path:sub(1, 1) == "/" and "/" or ".", pieces
end

local function join(directory, name)
  if directory == "." then return name end
  return (directory == "/" and "" or directory) .. "/" .. name
end

--- An entry whose change matters.
local function mark(self, directory, name)
  self.directories[directory] = "files"
  self.names[name] = true
end

--- Follows the pieces from a directory. Returns what is left to follow when it comes to a link: the path that it leads
--- to.
local function follow(self, directory, pieces)
  local above, called
  for i, name in ipairs(pieces) do
    local path <const> = join(directory, name)
    local target <const> = name ~= ".." and core.link(path)
    self.directories[directory] = self.directories[directory] or "itself"
    if target then
      mark(self, directory, name)
      local rest <const> = table.concat(pieces, "/", i + 1)
      return join(target:sub(1, 1) == "/" and target or join(directory, target), rest)
    end
    local kind <const> = system.file_kind(path)
    if i == #pieces or kind ~= "directory" then
      mark(self, directory, name)
      -- The end of a directory that somebody is in is not told, only that its name is gone.
      if not kind and above then mark(self, above, called) end
      return
    end
    above, called, directory = directory, name, path
  end
end

--- Adds what a file depends on.
---@param path string
function Places:add(path)
  for _ = 1, LINKS do
    local rest <const> = follow(self, pieces_of(path))
    if not rest then return end
    path = rest
  end
end

local M <const> = {}

---@return perigee.service.Places
function M.new()
  return setmetatable({ directories = {}, names = {} }, Places)
end

return M
