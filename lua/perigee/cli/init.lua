--- The command line: perigee COMMAND ...

local M <const> = {}

function M.main(argv)
  local command <const> = argv[1]
  if command == "test" then return require "perigee.cli.test".main(table.move(argv, 2, #argv, 1, {})) end
  if command == "run" then
    local scripts <const> = table.move(argv, 2, #argv, 1, {})
    return require "perigee.cli.run".main { scripts = scripts, options = {} }
  end
  return 2
end

return M
