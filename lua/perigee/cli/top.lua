--- perigee top: what a running process does, anew each second, until q or Ctrl-C is pressed. Where standard output is
--- no terminal it is printed.

local client <const> = require "perigee.supervisor.client"
local core <const> = require "core.task"
local dashboard <const> = require "perigee.cli.dashboard"
local rates <const> = require "perigee.cli.rates"
local screen <const> = require "core.screen"
local system <const> = require "core.system"

local M <const> = {}

local ENTER <const>, LEAVE <const> = "\27[?1049h\27[?25l", "\27[?25h\27[?1049l" -- the other screen, without a cursor
local HOME <const>, END_OF_LINE <const>, END_OF_SCREEN <const> = "\27[H", "\27[K", "\27[J"
local TITLE <const>, PLAIN <const> = "\27[7m", "\27[27m"
local QUIT <const> = { [("q"):byte()] = true, [("Q"):byte()] = true, [3] = true, [4] = true } -- Ctrl-C, Ctrl-D
local AT_ONCE <const> = { [(" "):byte()] = true, [13] = true, [10] = true }

---@class perigee.cli.Top
---@field control string?
---@field interval number seconds
---@field conn perigee.Connection? to the process
---@field left number samples that are still to be shown
---@field before perigee.cli.Sample?
---@field sample perigee.cli.Sample?
---@field has_keys boolean
local Top <const> = {}
Top.__index = Top

local REQUEST <const> = { command = "status", holders = false } -- looking for who holds old code takes time

--- The process's answer, by the connection that is there, or a new one: a process that was upgraded is another one.
local function ask(self)
  local answer = self.conn and client.ask_again(self.conn, REQUEST)
  if answer then return answer end
  if self.conn then self.conn:close() end
  local conn
  answer, conn = client.ask(self.control, REQUEST)
  if not answer then return nil, conn end
  self.conn = conn
  return answer
end

--- Asks the process: true, or nil and a message.
function Top:take()
  local answer <const>, message <const> = ask(self)
  if not answer then return nil, message end
  self.before, self.sample = self.sample, rates.sample(answer.status, core.now())
  self.left = self.left - 1
  return true
end

-- Printed.

local function print_lines(lines)
  for _, line in ipairs(lines) do io.stdout:write(line.text, "\n") end
  io.stdout:flush()
end

local function run_printed(self)
  while self.left > 0 do
    local taken <const>, message <const> = self:take()
    if not taken then return nil, message end
    if self.before then print "" end
    print_lines(dashboard.lines(self.before, self.sample))
    if self.left > 0 then core.sleep(self.interval) end
  end
  return true
end

-- On the screen.

--- Draws over what is there, in one write, so that nothing flickers.
function Top:draw()
  local width <const>, height <const> = screen.size()
  if not width or not self.sample then return end
  local texts <const> = {}
  for i, line in ipairs(dashboard.fit(dashboard.lines(self.before, self.sample), width, height)) do
    local text <const> = line.is_title and TITLE .. line.text .. PLAIN or line.text
    texts[i] = text .. END_OF_LINE
  end
  io.stdout:write(HOME, table.concat(texts, "\r\n"), END_OF_SCREEN)
  io.stdout:flush()
end

--- Waits for the next sample, or a key: false when it was one that ends all.
function Top:pause(deadline)
  while core.now() < deadline do
    if not self.has_keys then
      core.sleep(deadline - core.now())
      return true
    end
    local key <const>, _, code <const> = screen.read_key(deadline - core.now())
    if QUIT[key] then return false end
    if AT_ONCE[key] then return true end
    if not key and code ~= "timeout" then self.has_keys = false end
  end
  return true
end

local function run_on_screen(self)
  while true do
    local taken <const>, message <const> = self:take()
    if not taken then return nil, message end
    self:draw()
    if self.left <= 0 or not self:pause(self.sample.at + self.interval) then return true end
  end
end

local function leave()
  io.stdout:write(LEAVE)
  io.stdout:flush()
  screen.raw(false)
end

--- Ends the task when a signal would end the process, so that the terminal is restored.
local function watch_signals(self, running)
  local watches <const> = { system.on_signal("WINCH", function() self:draw() end) }
  for name, number in pairs { INT = 2, TERM = 15, HUP = 1 } do
    watches[#watches + 1] = system.on_signal(name, function()
      self.status = 128 + number
      running:cancel()
    end)
  end
  return setmetatable({}, { __close = function()
    for _, watch in ipairs(watches) do watch:stop() end
  end })
end

local function show_on_screen(self)
  self.has_keys = screen.raw(true) ~= nil
  local _ <close> = setmetatable({}, { __close = leave })
  io.stdout:write(ENTER)
  local running <const> = core.spawn(run_on_screen, self)
  local _ <close> = watch_signals(self, running)
  return running:join()
end

---@param arguments { control: string?, interval: number, count: integer? }
---@return integer status 0: it was ended by its user; 1: the process does not answer
function M.main(arguments)
  local self <const> = setmetatable({ control = arguments.control, interval = arguments.interval,
    left = arguments.count or math.huge, has_keys = false, status = 0 }, Top)
  local show <const> = screen.size() and show_on_screen or run_printed
  local shown <const>, message <const> = show(self)
  if self.conn then self.conn:close() end
  if shown or self.status > 0 then return self.status end
  io.stderr:write("perigee: ", message, "\n")
  return 1
end

return M
