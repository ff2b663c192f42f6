--- The methods of a service, by their whole names: what it was made of, checked, and described.

local M <const> = {}

---@class perigee.rpc.Method
---@field name string "math.sub"
---@field call function
---@field help string ""
---@field parameters string[] names
---@field most number of arguments that it takes

local function parameter_names(f)
  local names <const> = {}
  for index = 1, debug.getinfo(f, "u").nparams do names[index] = debug.getlocal(f, index) end
  return names
end

local function check_names(name, given)
  if type(given) ~= "table" then error(("parameters of method '%s' must be a list of names"):format(name), 0) end
  for _, parameter in ipairs(given) do
    if type(parameter) ~= "string" then
      error(("parameters of method '%s' must be a list of names"):format(name), 0)
    end
  end
  return given
end

local known <const> = { true, help = true, parameters = true }

local function method_of(name, f, described)
  for key in pairs(described) do
    if not known[key] then
      error(("method '%s' is described by help and parameters, not %s"):format(name, tostring(key)), 0)
    end
  end
  local help <const> = described.help or ""
  if type(help) ~= "string" then error(("help of method '%s' must be a string"):format(name), 0) end
  local parameters <const> = described.parameters and check_names(name, described.parameters) or parameter_names(f)
  return { name = name, call = f, help = help, parameters = parameters,
    most = debug.getinfo(f, "u").isvararg and math.huge or #parameters }
end

local function is_callable(value)
  return type(value) == "function"
end

local add_all

local function add(into, name, value)
  if into[name] then error(("method '%s' is there twice"):format(name), 0) end
  if is_callable(value) then
    into[name] = method_of(name, value, {})
  elseif type(value) == "table" and is_callable(value[1]) then
    into[name] = method_of(name, value[1], value)
  elseif type(value) == "table" then
    add_all(into, name .. ".", value)
  else
    error(("method '%s' must be a function, { function, help =, parameters = } or a table of methods, not a %s")
      :format(name, type(value)), 0)
  end
end

function add_all(into, prefix, methods)
  for name, value in pairs(methods) do
    if type(name) ~= "string" or name == "" then error("names of methods must be strings", 0) end
    add(into, prefix .. name, value)
  end
end

--- The methods by their whole names.
---@param methods table name -> function | { function, help =, parameters = } | table of methods
---@return table<string, perigee.rpc.Method>
function M.describe(methods)
  local all <const> = {}
  add_all(all, "", methods)
  return all
end

--- The same for a script's methods. Raises for what is none, and for names that every service has.
---@param methods table
---@return table<string, perigee.rpc.Method>
function M.collect(methods)
  if type(methods) ~= "table" then error("bad argument 'methods' (a table expected)", 0) end
  local all <const> = M.describe(methods)
  for name in pairs(all) do
    if name:find "^rpc%." or name:find "^system%." then
      error(("method '%s': names that begin with rpc. and system. are taken"):format(name), 0)
    end
  end
  return all
end

return M
