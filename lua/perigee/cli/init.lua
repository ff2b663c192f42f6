local M = {}
function M.main(argv)
  local f = assert(loadfile(argv[1]))
  f()
  return 0
end
return M
