-- Descriptors over Unix sockets: passes /dev/null to whoever connects to one; closes what it is passed at the other.
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { send = "", receive = "" }

if options.send ~= "" then
  local null <const> = assert(io.open("/dev/null"))
  net.serve(options.send, function(conn)
    while conn:send_fd(null) do end
  end)
end

if options.receive ~= "" then
  net.serve(options.receive, function(conn)
    local count = 0
    local object = conn:receive_fd()
    while object do
      object:close()
      count = count + 1
      object = conn:receive_fd()
    end
    conn:write(count .. "\n")
  end)
end
