--- A TCP client: connects, says something, and prints what comes back.
---   perigee run scripts/echo.lua
---   perigee run examples/echo_client.lua --set echo_client.message="good morning"

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { connect = "tcp://127.0.0.1:7000", message = "hello" }

-- Each call waits as if it blocked; the time limit holds for the connect, and for every read and write after it.
-- What can be expected to fail returns nil and a message: assert turns that into an error, which ends the script.
local conn <close> = assert(net.connect(options.connect, { timeout = 5 }))

assert(conn:write(options.message, "\n"))
print(assert(conn:read_line()))
