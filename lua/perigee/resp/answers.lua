--- From a command's words to its answer, by a table of commands; with the errors of Redis, word for word.

local codec <const> = require "perigee.codec.resp"
local describe <const> = require "perigee.resp.describe"

---@class perigee.resp.Command
---@field [1] integer words that it has with its name; negative: at least so many
---@field [2] fun(client: perigee.resp.Client, ...: string): any its answer, see resp.serve
---@field open boolean? strangers may call it: clients that have not given the password
---@field subscribed boolean? subscribers of RESP 2 may call it
---@field hidden boolean? from COMMAND
---@field group string? for COMMAND DOCS
---@field summary string? likewise
---@field subcommands table<string, perigee.resp.Command>? by their names in upper case; then there is no [2]

local M <const> = {
  none = setmetatable({}, { __name = "perigee.resp.none" }), -- the answer of a command that has answered by itself
}

local NOT_TRUSTED <const> = codec.error "NOAUTH Authentication required."
local QUOTED <const> = 128 -- bytes of a name or of arguments that an error repeats

--- The arguments as Redis repeats them: until they have 128 bytes.
local function beginning(...)
  local parts <const>, length = {}, 0
  for i = 1, select("#", ...) do
    if length >= QUOTED then break end
    parts[i] = ("'%s' "):format((select(i, ...)):sub(1, QUOTED - length))
    length = length + #parts[i]
  end
  return table.concat(parts)
end

local function unknown(name, ...)
  return codec.error(("ERR unknown command '%s', with args beginning with: %s"):format(name:sub(1, QUOTED),
    beginning(...)))
end

local function wrong_count(name)
  return codec.error(("ERR wrong number of arguments for '%s' command"):format(name:lower()))
end

local function not_while_subscribed(name)
  return codec.error(("ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are " ..
    "allowed in this context"):format(name:lower()))
end

local function unknown_part(name, part)
  return codec.error(("ERR unknown subcommand '%s'. Try %s HELP."):format(part:sub(1, QUOTED), name:upper()))
end

--- Why the client may not call the command now.
local function obstacle(client, command, name)
  if not client.is_trusted and not command.open then return NOT_TRUSTED end
  if client:listens_only() and not command.subscribed then return not_while_subscribed(name) end
end

--- CLIENT SETNAME and the like: the second word is a part of the name.
local function answer_part(client, name, command, part, ...)
  local found <const> = command.subcommands[part:upper()]
  if not found then return unknown_part(name, part) end
  local whole <const> = name .. "|" .. part
  local count <const>, arity <const> = select("#", ...) + 2, found[1]
  if count ~= arity and (arity > 0 or count < -arity) then return wrong_count(whole) end
  return obstacle(client, command, whole) or found[2](client, ...)
end

local function join(tables)
  local commands <const> = {}
  for _, list in ipairs(tables) do
    for name, command in pairs(list) do commands[name] = command end
  end
  return commands
end

--- Makes the function that answers commands, of tables of them; of two with the same name the later one holds. COMMAND,
--- which describes them, is added.
---@param ... table<string, perigee.resp.Command> by their names in upper case
---@return fun(client: perigee.resp.Client, name: string, ...: string): any
function M.new(...)
  local commands <const> = join { ... }
  commands.COMMAND = commands.COMMAND or describe.command(commands)
  return function(client, name, ...)
    local command <const> = commands[name] or commands[name:upper()]
    if not command then return unknown(name, ...) end
    local count <const>, arity <const> = select("#", ...) + 1, command[1]
    if count > 1 and command.subcommands then return answer_part(client, name, command, ...) end
    if count ~= arity and (arity > 0 or count < -arity) then return wrong_count(name) end
    if client.is_restricted then
      local problem <const> = obstacle(client, command, name)
      if problem then return problem end
    end
    return command[2](client, ...)
  end
end

return M
