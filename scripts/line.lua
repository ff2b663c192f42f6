--- Lines: greets, answers every line with its number and the line itself, and ends at "quit".
---   telnet 127.0.0.1 7001

local net <const> = require "perigee.net"
local log <const> = require "perigee.log"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:7001", line_limit = 4096 }

net.serve(options.listen, function(conn)
  log.info("connected", { peer = tostring(conn.peer) })
  conn:write("Hello. Say a line, or quit.\r\n")
  local number = 0
  for line in conn:lines(options.line_limit) do
    if line == "quit" then break end
    number = number + 1
    conn:write(number, ": ", line, "\r\n")
  end
  conn:write("Goodbye.\r\n")
end)
