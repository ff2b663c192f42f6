--- From a command's words to its answer, by a table of commands; with the errors of Redis, word for word.

local codec <const> = require "perigee.codec.resp"
local describe <const> = require "perigee.resp.describe"
local transactions <const> = require "perigee.resp.transaction"

---@class perigee.resp.Command
---@field [1] integer words that it has with its name; negative: at least so many
---@field [2] fun(client: perigee.resp.Client, ...: string): any its answer, see resp.serve
---@field open boolean? strangers may call it: clients that have not given the password
---@field subscribed boolean? subscribers of RESP 2 may call it
---@field immediate boolean? it is not queued in a transaction
---@field single boolean? it cannot be in one
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

local function has_count(command, count)
  local arity <const> = command[1]
  return count == arity or arity < 0 and count >= -arity
end

--- CLIENT SETNAME and the like: the second word is a part of the name. As `find` below.
local function find_part(command, name, part, ...)
  local found <const> = command.subcommands[part:upper()]
  if not found then return nil, unknown_part(name, part) end
  local whole <const> = name .. "|" .. part
  if not has_count(found, select("#", ...) + 2) then return nil, wrong_count(whole) end
  return command, found[2], whole
end

local function join(tables)
  local commands <const> = {}
  for _, list in ipairs(tables) do
    for name, command in pairs(list) do commands[name] = command end
  end
  return commands
end

--- The command that words mean, its function, and its whole name if that has two words; or nil and the error.
local function find(commands, name, ...)
  local command <const> = commands[name] or commands[name:upper()]
  if not command then return nil, unknown(name, ...) end
  if command.subcommands and ... then return find_part(command, name, ...) end
  if not has_count(command, select("#", ...) + 1) then return nil, wrong_count(name) end
  return command, command[2]
end

local function call(client, f, whole, ...)
  if whole then return f(client, select(2, ...)) end
  return f(client, ...)
end

--- Makes the function that answers commands, of tables of them; of two with the same name the later one holds. MULTI,
--- EXEC and DISCARD, and COMMAND, which describes them all, are added.
---@param ... table<string, perigee.resp.Command> by their names in upper case
---@return fun(client: perigee.resp.Client, name: string, ...: string): any
function M.new(...)
  local commands
  local function run(client, name, ...)
    local command <const>, f <const>, whole <const> = find(commands, name, ...)
    if not command then return f end
    return call(client, f, whole, ...)
  end
  commands = join { transactions.commands(run, M.none), ... }
  commands.COMMAND = commands.COMMAND or describe.command(commands)
  local function run_restricted(client, name, ...)
    local command <const>, f <const>, whole <const> = find(commands, name, ...)
    local problem <const> = not command and f or obstacle(client, command, whole or name)
    if problem then return transactions.refuse(client, name, problem) end
    if client.transaction and not command.immediate then return transactions.queue(client, command, name, ...) end
    return call(client, f, whole, ...)
  end
  return function(client, name, ...)
    if client.is_restricted then return run_restricted(client, name, ...) end
    local command <const> = commands[name]
    if command and not command.subcommands and has_count(command, select("#", ...) + 1) then
      return command[2](client, ...) -- the shortest way, for most
    end
    return run(client, name, ...)
  end
end

return M
