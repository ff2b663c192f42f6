--- From the options of process.run to a process.

local core <const> = require "core.process"
local child <const> = require "perigee.process.child"

local STREAMS <const> = { { name = "stdin", number = 0, direction = "write", default = "null" },
  { name = "stdout", number = 1, direction = "read", default = "pipe" },
  { name = "stderr", number = 2, direction = "read", default = "inherit" } }
local OPTIONS <const> = { stdin = true, stdout = true, stderr = true, environment = true, clear_environment = true,
  directory = true, descriptors = true, group = true, user = true, grace = true }
local GIVEN <const> = "a connection, listener, datagram socket, descriptor or file"

local function describe(value)
  return type(value) == "string" and ("'%s'"):format(value) or type(value)
end

local function misuse(format, ...)
  error(format:format(...), 0)
end

local function check_option(options, name, expected)
  local value <const> = options[name]
  if value ~= nil and type(value) ~= expected then
    misuse("option '%s' must be a %s, not %s", name, expected, describe(value))
  end
  return value
end

local function check_options(options, more)
  for name in pairs(options) do
    if not OPTIONS[name] and not (more and more[name]) then misuse("there is no option %s", describe(name)) end
  end
  for _, name in ipairs { "environment", "descriptors" } do check_option(options, name, "table") end
  for _, name in ipairs { "group", "clear_environment" } do check_option(options, name, "boolean") end
  for _, name in ipairs { "directory", "user" } do check_option(options, name, "string") end
end

local function check_arguments(arguments)
  if type(arguments) ~= "table" or #arguments == 0 then
    misuse "bad argument 'arguments' (a list expected: the program and its arguments)"
  end
  local list <const> = {}
  for index, argument in ipairs(arguments) do
    if type(argument) ~= "string" and math.type(argument) == nil then
      misuse("bad argument 'arguments' (item %d must be a string, not %s)", index, describe(argument))
    end
    list[index] = tostring(argument)
  end
  return list
end

local function check_variable(name, value)
  if type(name) ~= "string" or name == "" or name:find "[=\0]" then
    misuse("option 'environment': %s is no name of a variable", describe(name))
  end
  if value ~= false and type(value) ~= "string" and not math.type(value) then
    misuse("option 'environment': '%s' must be a string, or false for none, not %s", name, describe(value))
  end
end

--- "NAME=value" of every variable that the process is to have.
local function environment_of(options)
  local variables <const>, list <const> = options.clear_environment and {} or core.environment(), {}
  for name, value in pairs(options.environment or {}) do
    check_variable(name, value)
    variables[name] = value or nil
  end
  for name, value in pairs(variables) do list[#list + 1] = name .. "=" .. value end
  table.sort(list)
  return list
end

--- What is to be a descriptor of the process: connections must have sent what was written to them.
local function check_given(title, object)
  if type(object) ~= "userdata" then misuse("%s must be %s, not %s", title, GIVEN, describe(object)) end
  if debug.getmetatable(object).__name ~= "perigee.connection" or object.queued == 0 then return true end
  return object:flush()
end

--- What one process is given: its descriptors by number, our ends of its pipes, and what is to be closed here after.
local function new_supply()
  return setmetatable({ descriptors = {}, streams = {}, lent = {} }, { __close = function(self)
    for _, descriptor in ipairs(self.lent) do descriptor:close() end
    for _, stream in pairs(self.streams) do stream:close() end
  end })
end

local function supply_pipe(supply, stream)
  local ours <const>, theirs <const>, code <const> = core.pipe(stream.direction)
  if not ours then return nil, theirs, code end
  supply.streams[stream.name], supply.descriptors[stream.number] = ours, theirs
  table.insert(supply.lent, theirs)
  return true
end

local function supply_null(supply, stream)
  local null <const>, message <const>, code <const> = core.null()
  if not null then return nil, message, code end
  supply.descriptors[stream.number] = null
  table.insert(supply.lent, null)
  return true
end

local function supply_same(supply)
  if not supply.descriptors[1] then misuse "option 'stderr' is \"stdout\", but stdout is inherited" end
  supply.descriptors[2] = supply.descriptors[1]
  return true
end

local function supply_stream(supply, stream, choice)
  if choice == nil then choice = stream.default end
  if choice == "inherit" then return true end
  if choice == "pipe" then return supply_pipe(supply, stream) end
  if choice == "null" then return supply_null(supply, stream) end
  if choice == "stdout" and stream.number == 2 then return supply_same(supply) end
  if type(choice) == "string" then
    misuse("option '%s' must be \"pipe\", \"inherit\", \"null\" or %s, not '%s'", stream.name, GIVEN, choice)
  end
  supply.descriptors[stream.number] = choice
  return check_given(("option '%s'"):format(stream.name), choice)
end

local function supply_all(supply, options)
  for _, stream in ipairs(STREAMS) do
    local supplied <const>, message <const>, code <const> = supply_stream(supply, stream, options[stream.name])
    if not supplied then return nil, message, code end
  end
  for number, object in pairs(options.descriptors or {}) do
    if supply.descriptors[number] then misuse("option 'descriptors': %s is given twice", number) end
    local title <const> = ("option 'descriptors': %s"):format(number)
    local ready <const>, message <const>, code <const> = check_given(title, object)
    if not ready then return nil, message, code end
    supply.descriptors[number] = object
  end
  return true
end

local M <const> = {}

--- Starts a process. Misuse raises at level 0.
---@param arguments string[]
---@param options table of process.run
---@param name string? for messages
---@param more table<string, boolean>? further options that the caller knows
---@return perigee.Child?
---@return string? message
---@return string? code
function M.child(arguments, options, name, more)
  check_options(options, more)
  local list <const>, environment <const> = check_arguments(arguments), environment_of(options)
  local supply <close> = new_supply()
  local supplied <const>, why <const>, word <const> = supply_all(supply, options)
  if not supplied then return nil, why, word end
  local handle <const>, message <const>, code <const> = core.spawn { arguments = list, environment = environment,
    descriptors = supply.descriptors, directory = options.directory, group = options.group, user = options.user,
    grace = options.grace }
  if not handle then return nil, message, code end
  local streams <const> = supply.streams
  supply.streams = {}
  return child.new(handle, name or list[1], streams)
end

return M
