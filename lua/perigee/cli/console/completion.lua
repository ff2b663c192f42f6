--- What TAB does at the console's prompt.

local commands <const> = require "perigee.cli.console.commands"
local terminal <const> = require "core.terminal"

local SHOWN <const> = 100 -- names

local M <const> = {}

local function common_beginning(names)
  local beginning = names[1]
  for _, name in ipairs(names) do
    while name:sub(1, #beginning) ~= beginning do beginning = beginning:sub(1, -2) end
  end
  return beginning
end

--- Names in as many columns as there is room for, to be read line by line.
---@param names string[]
---@param width integer
---@return string
function M.columns(names, width)
  local longest, lines <const> = 0, {}
  for _, name in ipairs(names) do longest = math.max(longest, #name) end
  local per_line <const> = math.max(1, (width + 2) // (longest + 2))
  for i = 1, #names, per_line do
    local cells <const> = {}
    for j = i, math.min(i + per_line - 1, #names) do
      cells[#cells + 1] = names[j] .. (" "):rep(longest + 2 - #names[j])
    end
    lines[#lines + 1] = (table.concat(cells):gsub("%s+$", ""))
  end
  return table.concat(lines, "\n")
end

local function shown(names)
  local list <const> = table.move(names, 1, math.min(#names, SHOWN), 1, {})
  if #names > SHOWN then list[#list + 1] = ("... %d more"):format(#names - SHOWN) end
  return M.columns(list, terminal.columns())
end

--- For names that continue a word: what all of them have is inserted; when there is nothing more, they are shown.
---@param word string
---@param names string[] that begin with it
---@return string? inserted
---@return string? shown
function M.of(word, names)
  if #names == 0 then return nil end
  local rest <const> = common_beginning(names):sub(#word + 1)
  if rest ~= "" then return rest end
  if #names > 1 then return nil, shown(names) end
end

local function services_of(session)
  local names <const> = {}
  for i, service in ipairs(session:services()) do names[i] = service.name end
  return names
end

local function beginning_with(word, names)
  local found <const> = {}
  for _, name in ipairs(names) do
    if name:sub(1, #word) == word then found[#found + 1] = name end
  end
  return found
end

--- The function that a terminal calls.
---@param session perigee.cli.console.Session
---@return fun(text: string): string?, string?
function M.completer(session)
  return function(text)
    local command <const> = text:match "^%s*(%.%a*)$"
    if command then return M.of(command, beginning_with(command, commands.names())) end
    local name <const> = text:match "^%s*%.%a+%s+(.*)$"
    if name then return M.of(name, beginning_with(name, services_of(session))) end
    return M.of(text:match "[%w_]*$", session:complete(text))
  end
end

return M
