--- perigee cert HOST...: a certificate for development, signed by itself, and its key. Clients have to be told to trust
--- it.

local core <const> = require "core.tls"
local system <const> = require "core.system"

local M <const> = {}

local loopback <const> = { "127.0.0.1", "::1" }

--- A certificate for localhost is for its addresses as well.
local function with_loopback(names)
  local seen <const>, result <const> = {}, {}
  local function add(name)
    if not seen[name] then table.insert(result, name) end
    seen[name] = true
  end
  for _, name in ipairs(names) do add(name) end
  if seen.localhost then for _, name in ipairs(loopback) do add(name) end end
  return result
end

local function complain(message)
  io.stderr:write("perigee: ", message, "\n")
  return 1
end

--- What is there is not written over: it may be in use.
local function write(path, text, mode)
  local done <const>, message <const> = system.create_file(path, text, mode)
  if not done then return nil, message end
  return true
end

---@param arguments { names: string[], days: integer, directory: string }
---@return integer status
function M.main(arguments)
  local valid <const>, certificate <const>, key <const> =
    pcall(core.self_signed, with_loopback(arguments.names), arguments.days)
  if not valid then return complain("a host is a name or an IP address: " .. table.concat(arguments.names, " ")) end
  if not certificate then return complain(key) end
  local stem <const> = arguments.directory .. "/" .. arguments.names[1]:gsub("[*/:]", "_")
  local done, message = write(stem .. ".key", key, 384)
  if done then done, message = write(stem .. ".crt", certificate, 420) end
  if not done then return complain(message) end
  print(("%s.crt\n%s.key\nvalid for %d days, for %s\ntry: perigee run scripts/echo.lua --set 'echo.listen="
    .. "tls://127.0.0.1:7443?certificate=%s.crt'"):format(stem, stem, arguments.days,
    table.concat(with_loopback(arguments.names), " "), stem))
  return 0
end

return M
