--- perigee upgrade: a supervisor is replaced by the binary that is at its path now; no client notices.

local client <const> = require "perigee.supervisor.client"

local M <const> = {}

---@param arguments { control: string? }
---@return integer status 0: the new supervisor serves; 1: everything stays as it was
function M.main(arguments)
  local answer <const>, conn <const> = client.ask(arguments.control, { command = "upgrade" })
  if not answer then
    io.stderr:write("perigee: ", conn, "\n")
    return 1
  end
  conn:close()
  print(("upgraded: the supervisor is %d now"):format(answer.pid))
  return 0
end

return M
