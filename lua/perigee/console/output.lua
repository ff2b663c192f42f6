--- What a line prints: kept for the answer while the line runs; afterwards functions that it has left behind print as
--- everybody does.

local LIMIT <const> = 1048576 -- bytes that a line may print

---@class perigee.console.Output
---@field parts string[]? nil: no line runs
---@field size integer
---@field cut boolean
local Output <const> = {}
Output.__index = Output

--- Begins anew.
function Output:open()
  self.parts, self.size, self.cut = {}, 0, false
end

---@param text string
function Output:add(text)
  local room <const> = LIMIT - self.size
  if #text > room then text, self.cut = text:sub(1, room), true end
  self.parts[#self.parts + 1] = text
  self.size = self.size + #text
end

--- Ends, and gives what was printed.
---@return string
function Output:close()
  local text <const> = table.concat(self.parts or {})
  self.parts = nil
  return self.cut and text .. ("\n... a line may print %d bytes: the rest is left out\n"):format(LIMIT) or text
end

local function check_text(value, index)
  if type(value) == "string" then return value end
  if type(value) == "number" then return tostring(value) end
  error(("bad argument #%d to 'write' (string expected, got %s)"):format(index, type(value)), 4)
end

--- print, for the line.
---@param original fun(...)
---@return fun(...)
function Output:printer(original)
  return function(...)
    if not self.parts then return original(...) end
    local texts <const> = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    self:add(table.concat(texts, "\t") .. "\n")
  end
end

local function add_all(self, ...)
  local texts <const> = table.pack(...)
  for i = 1, texts.n do texts[i] = check_text(texts[i], i) end
  self:add(table.concat(texts))
end

--- The table io, for the line: its standard output is the line's own, everything else is the service's.
---@param original table
---@return table
function Output:library(original)
  local stdout <const> = setmetatable({}, { __tostring = function() return "file (of the console)" end })
  function stdout.write(_, ...)
    if not self.parts then return original.stdout:write(...) end
    add_all(self, ...)
    return stdout
  end
  function stdout.flush() return stdout end
  local function write(...) return stdout:write(...) end
  return setmetatable({ write = write, stdout = stdout }, { __index = original, __newindex = original })
end

local M <const> = {}

---@return perigee.console.Output
function M.new()
  return setmetatable({ size = 0, cut = false }, Output)
end

return M
