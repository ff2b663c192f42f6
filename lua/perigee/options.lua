--- What can be wrong with a table of options. The functions raise; `level` is as of error, called where they are, and
--- default 0: the message names no place.

local M <const> = {}

local function fail(level, text, ...)
  error(text:format(...), level and level > 0 and level + 2 or 0)
end

--- Options are a table, and all their names are among these.
---@param options any
---@param names table<string, any>
---@param level integer?
function M.check_names(options, names, level)
  if type(options) ~= "table" then fail(level, "bad argument 'options' (a table expected)") end
  for name in pairs(options) do
    if not names[name] then fail(level, "there is no option '%s'", tostring(name)) end
  end
end

--- An option is seconds above 0, math.huge among them, or absent.
---@param options table
---@param name string
---@param level integer?
function M.check_seconds(options, name, level)
  local seconds <const> = options[name]
  if seconds == nil or type(seconds) == "number" and seconds > 0 then return end
  fail(level, "option '%s' must be seconds above 0, not %s", name, tostring(seconds))
end

return M
