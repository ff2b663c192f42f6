--- What pcall gave, for a function of the library to return by a tail call: an error is raised again as one of the
--- script's own line.
---   function M.connect(url) return returned(pcall(connect, url)) end
return function(ok, ...)
  if ok then return ... end
  local value <const> = ...
  error(type(value) == "string" and value:gsub("^perigee/[%w_/]+%.lua:%d+: ", "") or value, 2)
end
