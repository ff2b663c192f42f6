--- perigee stop: stops a running process gracefully, and waits until it has ended.

local client <const> = require "perigee.supervisor.client"

local M <const> = {}

---@param arguments { control: string? }
---@return integer status 0: it has ended; 1: it could not be told
function M.main(arguments)
  local answer <const>, conn <const> = client.ask(arguments.control, { command = "stop" })
  if not answer then
    io.stderr:write("perigee: ", conn, "\n")
    return 1
  end
  conn.timeout = math.huge
  conn:read_all() -- its end closes the connection
  print(("stopped %d"):format(answer.pid))
  return 0
end

return M
