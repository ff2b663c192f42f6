--- Command lines, declared: one specification parses the arguments, words the complaints and gives the help.

local help <const> = require "perigee.cli.help"
local near <const> = require "perigee.cli.near"

--- "--name VALUE" or "--name=VALUE"; a flag, "--name", without `value`, `choices` and `convert`.
---@class perigee.cli.option
---@field name string in the result with "_" for "-"
---@field short string? one letter: "-n VALUE"
---@field value string? how the value is called in the help
---@field choices string[]? the values there are
---@field convert nil|fun(text: string): any, string? the value, or nil and what was expected
---@field repeated boolean? may be given several times; the result is a list, empty without any
---@field required boolean?
---@field default any
---@field help string?

---@class perigee.cli.positional
---@field name string in the result
---@field shown string? how it is called in the help and in messages; default the name in capitals
---@field many boolean? the last one only: takes the rest, in a list
---@field optional boolean? the last ones only
---@field verbatim boolean? from here on nothing is an option, as after "--" (and "--" is an argument too)
---@field choices string[]?
---@field convert nil|fun(text: string): any, string?
---@field help string?

---@class perigee.cli.specification
---@field name string the program or, in `commands`, the command
---@field summary string?
---@field options perigee.cli.option[]?
---@field positionals perigee.cli.positional[]? not beside commands
---@field commands perigee.cli.specification[]?

local function key_of(option)
  return (option.name:gsub("-", "_"))
end

local function takes_value(option)
  return (option.value or option.choices or option.convert) ~= nil
end

local function option_problem(option, seen)
  if type(option.name) ~= "string" or not option.name:find "^%l[%w-]*$" then return "an option's name" end
  if option.short and not option.short:find "^%a$" then return "one letter as short of " .. option.name end
  for _, name in ipairs { option.name, option.short } do
    if seen[name] then return "no second option " .. name end
    seen[name] = true
  end
end

local function positional_problem(positional, previous)
  if type(positional.name) ~= "string" then return "a positional's name" end
  if previous and previous.many then return "nothing after " .. previous.name .. ", which takes many" end
  if previous and previous.optional and not positional.optional then
    return "nothing required after the optional " .. previous.name
  end
end

-- What a specification should have had; it is the programmer's, so it raises.
local function specification_problem(specification, taken)
  if type(specification) ~= "table" or type(specification.name) ~= "string" then return "a name" end
  local seen <const> = setmetatable({}, { __index = taken }) -- a command shares its result with the program
  for _, option in ipairs(specification.options or {}) do
    local problem <const> = option_problem(option, seen)
    if problem then return problem end
  end
  for index, positional in ipairs(specification.positionals or {}) do
    local problem <const> = positional_problem(positional, specification.positionals[index - 1])
    if problem then return problem end
  end
  if specification.commands and specification.positionals then return "commands or positionals, not both" end
  for _, command in ipairs(specification.commands or {}) do
    local problem <const> = specification_problem(command, seen)
    if problem then return problem end
  end
end

local function names_of(items)
  local names <const> = {}
  for index, item in ipairs(items) do names[index] = item.name end
  return names
end

local function find(items, field, value)
  for _, item in ipairs(items) do
    if item[field] == value then return item end
  end
end

-- The value of a text for an option or a positional that messages call `title`.
local function convert(item, title, text)
  if item.choices then
    for _, choice in ipairs(item.choices) do
      if choice == text then return text end
    end
    local expected <const> = table.concat(item.choices, " or ")
    local hint <const> = near.suggest(text, item.choices)
    return nil, ("%s: %s expected, got '%s'%s"):format(title, expected, text, hint)
  end
  if not item.convert then return text end
  local value <const>, expected <const> = item.convert(text)
  if value ~= nil then return value end
  return nil, ("%s: %s, got '%s'"):format(title, expected or "another value expected", text)
end

---@class perigee.cli.parser
---@field specification perigee.cli.specification
---@field program string
---@field argv string[]
---@field index integer of the argument that is next
---@field position integer of the positional that is next
---@field result table
local Parser <const> = {}
Parser.__index = Parser

local function new_parser(specification, program, argv, index, result)
  local parser <const> = {
    specification = specification, program = program, argv = argv, index = index, position = 1,
    options = specification.options or {}, positionals = specification.positionals or {},
    result = result, given = {},
  }
  for _, option in ipairs(parser.options) do
    if option.repeated then result[key_of(option)] = {} end
  end
  for _, positional in ipairs(parser.positionals) do
    if positional.many then result[positional.name] = {} end
  end
  return setmetatable(parser, Parser)
end

function Parser:next()
  local argument <const> = self.argv[self.index]
  self.index = self.index + 1
  return argument
end

-- Each of these returns true, or nil and a message.
function Parser:store(option, title, value)
  local key <const> = key_of(option)
  if option.repeated then
    table.insert(self.result[key], value)
  elseif self.given[option] then
    return nil, ("option %s is given twice"):format(title)
  else
    self.result[key] = value
  end
  self.given[option] = true
  return true
end

function Parser:take_option(option, title, attached)
  if not takes_value(option) then
    if attached then return nil, ("option %s takes no value, got '%s'"):format(title, attached) end
    return self:store(option, title, true)
  end
  local text <const> = attached or self:next()
  if not text or not attached and text:find "^%-%-" then
    return nil, ("option %s needs a value: %s %s"):format(title, title, option.value or "VALUE")
  end
  local value <const>, message <const> = convert(option, "option " .. title, text)
  if value == nil then return nil, message end
  return self:store(option, title, value)
end

function Parser:take_dashed(argument)
  local name <const>, attached <const> = argument:match "^%-%-([^=]+)=?(.*)$"
  local option <const> = name and find(self.options, "name", name)
    or not name and find(self.options, "short", argument:sub(2))
  if option then
    return self:take_option(option, name and "--" .. name or argument, argument:find "=" and attached or nil)
  end
  local names <const> = names_of(self.options)
  names[#names + 1] = "help"
  local hint <const> = name and near.suggest(name, names, "--") or ""
  return nil, ("unknown option '%s'%s"):format(name and "--" .. name or argument, hint)
end

function Parser:take_positional(argument)
  local positional <const> = self.positionals[self.position]
  if not positional then return nil, ("one argument too many: '%s'"):format(argument) end
  local value <const>, message <const> = convert(positional, help.shown_positional(positional), argument)
  if value == nil then return nil, message end
  if positional.many then
    table.insert(self.result[positional.name], value)
  else
    self.result[positional.name], self.position = value, self.position + 1
  end
  return true
end

-- Can an argument still be an option? Not after "--".
function Parser:is_plain()
  local positional <const> = self.positionals[self.position]
  return self.plain or positional and positional.verbatim
end

function Parser:take(argument)
  if self:is_plain() then return self:take_positional(argument) end
  if argument == "--" then
    self.plain = true
    return true
  end
  if argument:find "^%-." then return self:take_dashed(argument) end
  return self:take_positional(argument)
end

function Parser:finish()
  for _, option in ipairs(self.options) do
    if not self.given[option] then
      if option.required then return nil, ("option --%s is missing"):format(option.name) end
      if option.default ~= nil then self.result[key_of(option)] = option.default end
    end
  end
  local positional <const> = self.positionals[self.position]
  if positional and not positional.optional and #(self.result[positional.name] or {}) == 0 then
    return nil, ("%s is missing"):format(help.shown_positional(positional))
  end
  return self.result
end

local parse

function Parser:run_command(name)
  local command <const> = find(self.specification.commands, "name", name)
  if not command then
    local hint <const> = near.suggest(name, names_of(self.specification.commands))
    return nil, ("unknown command '%s'%s"):format(name, hint)
  end
  local result <const>, message <const> = self:finish()
  if not result then return nil, message end
  result.command = name
  return parse(new_parser(command, self.program .. " " .. name, self.argv, self.index, result))
end

function parse(parser)
  while parser.index <= #parser.argv do
    local argument <const> = parser:next()
    if (argument == "--help" or argument == "-h") and not parser:is_plain() then
      parser.result.help = help.text(parser.specification, parser.program)
      return parser.result
    elseif parser.specification.commands and (parser.plain or not argument:find "^%-.") then
      return parser:run_command(argument)
    end
    local ok <const>, message <const> = parser:take(argument)
    if not ok then return nil, message end
  end
  if parser.specification.commands then
    return nil, "a command is missing: " .. table.concat(names_of(parser.specification.commands), ", ")
  end
  return parser:finish()
end

local arguments <const> = {}

--- Parses a command line. The result has a field for each option and positional that was given or has a
--- default, and `command`. "--help" and "-h" stop everything: the result then has `help`, the text to show.
---@param specification perigee.cli.specification
---@param argv string[] without the program's name
---@return table? result
---@return string? message for the user, without the program's name
function arguments.parse(specification, argv)
  local problem <const> = specification_problem(specification, { help = true, h = true })
  if problem then error(("bad argument 'specification' (%s expected)"):format(problem), 2) end
  if type(argv) ~= "table" then
    error(("bad argument 'argv' (table expected, got %s)"):format(type(argv)), 2)
  end
  return parse(new_parser(specification, specification.name, argv, 1, {}))
end

--- The help text, as "--help" gives it.
---@param specification perigee.cli.specification
---@param program string? for a command: "perigee run"; default the specification's name
---@return string text
function arguments.help(specification, program)
  return help.text(specification, program or specification.name)
end

--- A `convert` for numbers, such as seconds.
---@param text string
---@return number?, string? expected
function arguments.number(text)
  local value <const> = tonumber(text)
  if value and math.abs(value) < math.huge then return value end
  return nil, "a number expected"
end

--- A `convert` for whole numbers.
---@param text string
---@return integer?, string? expected
function arguments.integer(text)
  local value <const> = text:find "^[+-]?%d+$" and math.tointeger(tonumber(text))
  if value then return value end
  return nil, "a whole number expected"
end

return arguments
