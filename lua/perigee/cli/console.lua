--- perigee console: Lua inside a running service, line by line: at a terminal with a prompt, editing, history and
--- completion, otherwise as it comes from standard input.

local commands <const> = require "perigee.cli.console.commands"
local completion <const> = require "perigee.cli.console.completion"
local history <const> = require "perigee.cli.console.history"
local quote <const> = require "perigee.console.quote"
local sessions <const> = require "perigee.cli.console.session"
local terminal <const> = require "core.terminal"

local M <const> = {}

local GONE <const> = "gone" -- the process does not answer any more

local function complain(...)
  io.stderr:write("perigee: ", table.concat({ ... }, "\n"), "\n")
end

--- What a script prints is not to be obeyed by a terminal.
local function show(text)
  if text == "" then return end
  io.stdout:write(terminal.is_terminal "stdout" and quote.shown(text) or text, text:sub(-1) == "\n" and "" or "\n")
end

local function show_failure(answer, complaining)
  local text <const> = quote.shown(answer.message .. (answer.traceback and "\n" .. answer.traceback or ""))
  if complaining then complain(text) else print(text) end
end

--- Shows what a line came to. Returns whether it went well; or GONE.
local function show_answer(answer, message, complaining)
  if not answer then
    complain("the process does not answer any more: " .. message)
    return GONE
  end
  show(answer.output or "")
  if answer.ok then show(answer.results or "") else show_failure(answer, complaining) end
  return answer.ok
end

-- Without a terminal.

local function evaluate_whole(session, source)
  local answer <const>, message <const> = session:evaluate(source)
  if answer and answer.incomplete then
    complain("the end is missing: " .. answer.message)
    return false
  end
  return show_answer(answer, message, true)
end

local function run_command(session, line)
  local done <const>, message <const> = commands.run(session, line)
  if done == false and message then complain(message) end
  return done
end

--- Evaluates what standard input has, and goes on after an error.
local function read_all(session)
  local failed, pending = false, nil
  for line in io.lines() do
    local result
    if not pending and commands.is_command(line) then
      result = run_command(session, line)
      if result == nil then break end
    else
      local source <const> = pending and pending .. "\n" .. line or line
      local answer <const>, message <const> = session:evaluate(source)
      pending = answer and answer.incomplete and source or nil
      result = pending and true or show_answer(answer, message, true)
    end
    if result == GONE then return GONE end
    failed = failed or not result
  end
  if pending then return evaluate_whole(session, pending) end
  return not failed
end

-- At a terminal.

local function banner(session)
  local services <const> = {}
  for i, service in ipairs(session:services()) do
    services[i] = ("%s (generation %s)"):format(service.name, service.generation or "-")
  end
  return ("perigee %d: %s. .help lists the commands, Ctrl-D ends"):format(session.status.pid,
    table.concat(services, ", "))
end

---@class perigee.cli.console.Prompter
---@field session perigee.cli.console.Session
---@field terminal perigee.Terminal
---@field pending string? lines whose end is missing
local Prompter <const> = {}
Prompter.__index = Prompter

function Prompter:prompt()
  local first <const> = self.session:name() .. "> "
  return self.pending and (" "):rep(#first - 2) .. "> " or first
end

function Prompter:keep(line)
  if not line:find "%S" then return end
  self.terminal:remember(line)
  history.add(line)
end

--- Does what a line says. Returns GONE, or nil when the console is to end.
function Prompter:take(line)
  self:keep(line)
  if not self.pending and commands.is_command(line) then
    local done <const>, message <const> = commands.run(self.session, line)
    if message then print(message) end
    return done
  end
  local source <const> = self.pending and self.pending .. "\n" .. line or line
  local answer <const>, message <const> = self.session:evaluate(source)
  if answer and answer.code == "cancelled" then print() end -- the terminal has shown ^C
  self.pending = answer and answer.incomplete and source or nil
  if self.pending then return true end
  return show_answer(answer, message, false)
end

--- Reads on until the end. Returns whether that was the user's wish.
function Prompter:run()
  while true do
    local line <const>, message <const>, code <const> = self.terminal:read_line(self:prompt())
    if line then
      local result <const> = self:take(line)
      if result == nil or result == GONE then return result == nil end
    elseif code == "cancelled" then
      self.pending = nil
      if not self.terminal.is_edited then print() end
    else
      print()
      if code ~= "closed" then complain(message) end
      return code == "closed"
    end
  end
end

local function converse(session)
  print(banner(session))
  local at <close> = terminal.open(completion.completer(session))
  for _, line in ipairs(history.load()) do at:remember(line) end
  return setmetatable({ session = session, terminal = at }, Prompter):run()
end

---@param arguments { service: string?, worker: integer?, control: string?, evaluate: string? }
---@return integer status 0: all lines went well, or it was a terminal; 1: one failed, or the process is gone
function M.main(arguments)
  local session <const>, message <const> = sessions.open(arguments.control, arguments.service, arguments.worker)
  if not session then
    complain(message)
    return 1
  end
  local result
  if arguments.evaluate then result = evaluate_whole(session, arguments.evaluate)
  elseif terminal.is_terminal "stdin" and terminal.is_terminal "stdout" then result = converse(session)
  else result = read_all(session) end
  if result ~= GONE then session:close() end
  return result == true and 0 or 1
end

return M
