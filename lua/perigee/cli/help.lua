--- The help text of a command line, from the specification that it is parsed with (perigee.cli.arguments).

local WIDTH <const> = 80       -- columns
local WIDEST_NAME <const> = 30 -- a longer one has its explanation on the next line

local function wrap(text, width)
  local lines <const>, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and #line + 1 + #word > width then
      lines[#lines + 1], line = line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return lines
end

local function shown_positional(positional)
  local name <const> = (positional.shown or positional.name:upper()) .. (positional.many and "..." or "")
  return positional.optional and "[" .. name .. "]" or name
end

local function shown_option(option)
  local value <const> = option.choices and table.concat(option.choices, "|") or option.value
  return (option.short and "-" .. option.short .. ", " or "") .. "--" .. option.name
    .. (value and " " .. value or "") .. (option.repeated and " ..." or "")
end

local function explained(item)
  local help <const> = item.help or item.summary or ""
  if item.default == nil or type(item.default) == "table" then return help end
  return ("%s (default: %s)"):format(help, tostring(item.default))
end

local function rows_of(items, show)
  local rows <const> = {}
  for _, item in ipairs(items or {}) do rows[#rows + 1] = { name = show(item), help = explained(item) } end
  return rows
end

local function sections_of(specification)
  local options <const> = rows_of(specification.options, shown_option)
  options[#options + 1] = { name = "-h, --help", help = "show this help" }
  return {
    { title = "commands", rows = rows_of(specification.commands, function(command) return command.name end) },
    { title = "arguments", rows = rows_of(specification.positionals, shown_positional) },
    { title = "options", rows = options },
  }
end

local function name_width(sections)
  local width = 0
  for _, section in ipairs(sections) do
    for _, row in ipairs(section.rows) do
      if #row.name <= WIDEST_NAME then width = math.max(width, #row.name) end
    end
  end
  return width
end

local function add_row(lines, row, width)
  local indent <const> = (" "):rep(width + 4)
  local first <const> = ("  %-" .. width .. "s  "):format(row.name)
  local fits <const> = #row.name <= width
  if not fits then lines[#lines + 1] = "  " .. row.name end
  for index, text in ipairs(wrap(row.help, WIDTH - #indent)) do
    lines[#lines + 1] = ((fits and index == 1 and first or indent) .. text):gsub(" +$", "")
  end
end

local function usage(specification, program)
  local words <const> = { "usage: " .. program }
  if specification.commands then words[#words + 1] = "COMMAND ..." end
  for _, positional in ipairs(specification.positionals or {}) do
    words[#words + 1] = shown_positional(positional)
  end
  if specification.options then words[#words + 1] = "[options]" end
  return table.concat(words, " ")
end

local help <const> = {}

--- How an option or a positional is called in messages.
help.shown_positional = shown_positional

---@param specification perigee.cli.specification
---@param program string "perigee run"
---@return string text lines, each with its line feed
function help.text(specification, program)
  local lines <const>, sections <const> = { usage(specification, program) }, sections_of(specification)
  if specification.summary then
    lines[#lines + 1] = ""
    for _, line in ipairs(wrap(specification.summary, WIDTH)) do lines[#lines + 1] = line end
  end
  local width <const> = name_width(sections)
  for _, section in ipairs(sections) do
    if #section.rows > 0 then lines[#lines + 1] = "\n" .. section.title .. ":" end
    for _, row in ipairs(section.rows) do add_row(lines, row, width) end
  end
  return table.concat(lines, "\n") .. "\n"
end

return help
