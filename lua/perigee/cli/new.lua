--- perigee new KIND NAME: a service that runs, and its spec.

local system <const> = require "core.system"

local M <const> = {}

local LONGEST <const> = 64 -- bytes of a name

local function complain(message)
  io.stderr:write("perigee: ", message, "\n")
  return 1
end

local function name_problem(name)
  if name:find "%.lua$" then return ("a name is without .lua: '%s'"):format(name:gsub("%.lua$", "")) end
  if name:find "^%a[%w_-]*$" and #name <= LONGEST then return end
  return ("a name has 1 to %d letters, digits, - and _, and begins with a letter, not '%s'"):format(LONGEST, name)
end

local function join(directory, path)
  return directory == "." and path or directory:gsub("(.)/+$", "%1") .. "/" .. path
end

--- As a shell takes it.
local function quoted(path)
  return path:find "[^%w%./_-]" and "'" .. path:gsub("'", "'\\''") .. "'" or path
end

--- A directory that may be there already.
local function make_directory(path)
  if system.file_kind(path) == "directory" then return true end
  return system.make_directory(path)
end

--- What is there is never written over.
local function write(files)
  for _, file in ipairs(files) do
    if system.file_kind(file.path) then
      return nil, file.path .. " is there already: remove it first, or choose another name"
    end
  end
  for i, file in ipairs(files) do
    local written <const>, message <const> = system.create_file(file.path, file.text, 438)
    if not written then
      for j = 1, i - 1 do os.remove(files[j].path) end
      return nil, message
    end
  end
  return true
end

local function fill(text, values)
  return (text:gsub("{{(%u+)}}", values))
end

local function make(directory, files)
  for _, path in ipairs { directory, join(directory, "spec") } do
    local made <const>, message <const> = make_directory(path)
    if not made then return nil, message end
  end
  return write(files)
end

local function report(script, spec, try)
  local run <const>, test <const> = "perigee run " .. quoted(script) .. " --watch", "perigee test " .. quoted(spec)
  local line <const> = ("  %%-%ds   # %%s"):format(math.max(#run, #test))
  print(("made %s and %s\n"):format(script, spec))
  print(line:format(run, "serves it, and takes each change when it is saved"))
  print(line:format(test, "runs its spec"))
  print("\ntry: " .. try)
end

---@param arguments { kind: string, name: string, directory: string }
---@return integer status
function M.main(arguments)
  local problem <const> = name_problem(arguments.name)
  if problem then return complain(problem) end
  local template <const> = require("perigee.cli.templates." .. arguments.kind)
  local script <const> = join(arguments.directory, arguments.name .. ".lua")
  local spec <const> = join(arguments.directory, ("spec/%s_spec.lua"):format(arguments.name))
  local values <const> = { NAME = arguments.name, SPEC = ("spec/%s_spec.lua"):format(arguments.name) }
  local made <const>, message <const> = make(arguments.directory, {
    { path = script, text = fill(template.service, values) }, { path = spec, text = fill(template.spec, values) } })
  if not made then return complain(message) end
  report(script, spec, template.try)
  return 0
end

return M
