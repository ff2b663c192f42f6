--- perigee cert HOST...: a certificate for development, signed by itself, and its key. Clients have to be told to trust
--- it.

local address <const> = require "core.address"
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

local HOSTS <const> = 64

--- A name of letters, digits, hyphens and underscores between dots, perhaps below "*.", or an IP address.
local function is_host(name)
  if name:find ":" then return address.parse("tcp://[" .. name .. "]:1") ~= nil end
  local rest <const> = name:gsub("^%*%.", "") .. "."
  return #name <= 253 and rest:gsub("[%w_-]+%.", "") == "" and not rest:find("[%w_-]" .. ("[%w_-]"):rep(63))
end

--- What is wrong with them; nil: nothing.
local function fault(names)
  if #names > HOSTS then return ("a certificate has at most %d hosts, not %d"):format(HOSTS, #names) end
  for _, name in ipairs(names) do
    if not is_host(name) then return ("a host is a name or an IP address, not '%s'"):format(name) end
  end
end

local function complain(message)
  io.stderr:write("perigee: ", message, "\n")
  return 1
end

--- What is there is not written over: it may be in use.
local function write(path, text, mode)
  local done <const>, message <const>, code <const> = system.create_file(path, text, mode)
  if done then return true end
  return nil, code == "exists" and message .. " (it is not written over: remove it first)" or message
end

--- A key alone would be taken for that of the certificate which is there.
local function write_both(stem, certificate, key)
  local done, message = write(stem .. ".key", key, 384)
  if not done then return nil, message end
  done, message = write(stem .. ".crt", certificate, 420)
  if not done then os.remove(stem .. ".key") end
  return done, message
end

---@param arguments { names: string[], days: integer, directory: string }
---@return integer status
function M.main(arguments)
  local names <const> = with_loopback(arguments.names)
  local wrong <const> = fault(names)
  if wrong then return complain(wrong) end
  local certificate <const>, key <const> = core.self_signed(names, arguments.days)
  if not certificate then return complain(key) end
  local stem <const> = arguments.directory .. "/" .. arguments.names[1]:gsub("[*/:]", "_")
  local done <const>, message <const> = write_both(stem, certificate, key)
  if not done then return complain(message) end
  print(("%s.crt\n%s.key\nvalid for %d days, for %s\ntry: perigee run scripts/echo.lua --set 'echo.listen="
    .. "tls://127.0.0.1:7443?certificate=%s.crt'"):format(stem, stem, arguments.days,
    table.concat(names, " "), stem))
  return 0
end

return M
