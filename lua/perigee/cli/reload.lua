--- perigee reload: loads the scripts of a running process again, all or none.

local client <const> = require "perigee.supervisor.client"

local M <const> = {}

local function complain(message, traceback)
  io.stderr:write("perigee: ", message, "\n")
  if traceback then io.stderr:write(traceback, "\n") end
  return 1
end

local function print_plan(plan)
  local difference <const> = require "perigee.service.difference"
  print(difference.text(plan))
end

---@param arguments { services: string[], dry_run: boolean?, control: string? }
---@return integer status 0: reloaded; 1: everything is as it was, and why
function M.main(arguments)
  local names <const> = #arguments.services > 0 and arguments.services or nil
  local answer <const>, conn <const>, _, details <const> = client.ask(arguments.control,
    { command = "reload", services = names, dry_run = arguments.dry_run })
  if not answer then return complain("not reloaded: " .. conn, details and details.traceback) end
  conn:close()
  if arguments.dry_run then
    print_plan(answer.plan)
    return 0
  end
  for _, service in ipairs(answer.services) do
    print(("reloaded %s: generation %d"):format(service.name, service.generation))
    for _, address in ipairs(service.opened) do print("  listening on " .. address) end
    for _, address in ipairs(service.closed) do print("  listening no more on " .. address) end
  end
  return 0
end

return M
