--- Options of a service: their defaults are in the script, their values may come from the command line or a file.
--- The type of the default is the type of the option.

local M <const> = {}

-- Where options were given, by their table: "chat.conf:3" by name.
local origins <const> = setmetatable({}, { __mode = "k" })

--- Remembers where options were given, so that what is wrong with them can be told.
---@param given table<string, string>
---@param places table<string, string> "chat.conf:3" by name
function M.note_origins(given, places)
  origins[given] = places
end

--- " (chat.conf:3)": where an option was given, when it was in a file; else "".
---@param given table<string, string>
---@param name string
---@return string
function M.origin_text(given, name)
  local place <const> = origins[given] and origins[given][name]
  return place and (" (%s)"):format(place) or ""
end

local converters <const> = {}

function converters.string(text) return text end

function converters.number(text, default)
  local number <const> = tonumber(text)
  if not number then return nil, "a number" end
  if math.type(default) == "float" then return number + 0.0 end
  return math.tointeger(number), "an integer"
end

function converters.boolean(text)
  local values <const> = { ["true"] = true, yes = true, on = true, ["1"] = true,
    ["false"] = false, no = false, off = false, ["0"] = false }
  return values[text], "true or false"
end

--- A list is given as a,b,c; its items are strings.
function converters.table(text)
  local list <const> = {}
  for item in text:gmatch "[^,]+" do list[#list + 1] = item:match "^%s*(.-)%s*$" end
  return list
end

local function convert(name, text, default, origin)
  local converter <const> = converters[type(default)]
  if not converter then error(("option '%s' has a default of type %s"):format(name, type(default)), 0) end
  local value <const>, wanted <const> = converter(text, default)
  if value == nil then error(("option '%s' must be %s, not '%s'%s"):format(name, wanted, text, origin), 0) end
  return value
end

local function names_of(defaults)
  local names <const> = {}
  for name in pairs(defaults) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Merges the defaults of a script with the texts given for them. Raises for a name that the script does not have, and
--- for a text that is not of the default's type.
---@param defaults table<string, string|number|boolean|string[]>
---@param given table<string, string>
---@return table options
function M.merge(defaults, given)
  local options <const> = {}
  for name, default in pairs(defaults) do options[name] = default end
  for name, text in pairs(given) do
    if defaults[name] == nil then
      error(("there is no option '%s'%s; the options are: %s"):format(name, M.origin_text(given, name),
        names_of(defaults)), 0)
    end
    options[name] = convert(name, text, defaults[name], M.origin_text(given, name))
  end
  return options
end

return M
