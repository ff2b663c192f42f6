--- perigee test: busted inside the runtime, so that a spec can open sockets, sleep and spawn.

local M <const> = {}

local Exit <const> = {}

--- busted ends by os.exit, which would close the state under the running task: unwind to here instead.
local function exit(code)
  error(setmetatable({ code = code }, Exit), 0)
end

local function run(arguments)
  local compatibility <const> = require "busted.compatibility"
  compatibility.exit = function(code) exit(code == 0 and 0 or 1) end
  arg = arguments
  require "busted.runner" { standalone = false }
  return 0
end

---@param arguments string[] busted's
---@return integer status 0: all passed; 1: not all; 2: busted is not there
function M.main(arguments)
  local found <const>, message <const> = pcall(require, "busted.compatibility")
  if not found then
    io.stderr:write("perigee test needs busted (Debian's lua-busted): ", tostring(message):match "^[^\n]*", "\n")
    return 2
  end
  local ok <const>, result <const> = xpcall(run, function(value)
    return getmetatable(value) == Exit and value or debug.traceback(tostring(value), 2)
  end, arguments)
  if ok then return result end
  if getmetatable(result) == Exit then return result.code end
  io.stderr:write(result, "\n")
  return 1
end

return M
