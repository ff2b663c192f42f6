local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local websocket <const> = require "perigee.websocket"

--- The script, with the addresses for lines and for the page.
local function start(options)
  local process <const>, lines <const> = helper.serve(
    "scripts/chat.lua --set chat.listen=tcp://127.0.0.1:0 --set chat.page=http://127.0.0.1:0 " .. (options or ""))
  local page <const> = process:wait_for "listening address=(http://%S+)"
  return process, lines, page
end

--- Somebody with a name, in the lobby: expect(line) reads on until that line, say(line) sends one.
local Somebody <const> = {}
Somebody.__index = Somebody

function Somebody:expect(wanted)
  local seen <const> = {}
  repeat
    local line <const> = self.read()
    seen[#seen + 1] = tostring(line)
    if line == nil then error(("'%s' did not come:\n%s"):format(wanted, table.concat(seen, "\n")), 2) end
  until line == wanted
  return seen
end

function Somebody:say(...)
  for _, line in ipairs { ... } do self.send(line) end
end

function Somebody:__close()
  self.conn:close()
end

local function by_lines(address, name)
  local conn <const> = assert(net.connect(address, { timeout = 20 }))
  local somebody <const> = setmetatable({ conn = conn, read = function() return (conn:read_line()) end,
    send = function(line) conn:write(line, "\n") end }, Somebody)
  somebody:expect "* welcome. What is your name?"
  somebody:say(name)
  return somebody
end

local function by_page(page, name)
  local socket <const> = assert(websocket.connect((page:gsub("^http", "ws")) .. "/socket", { timeout = 20 }))
  local lines <const> = {} -- one message may have several
  local function read()
    if #lines == 0 then
      for line in (socket:receive() or ""):gmatch "[^\n]+" do lines[#lines + 1] = line end
    end
    return table.remove(lines, 1)
  end
  local somebody <const> = setmetatable({ conn = socket, read = read, send = function(line) socket:send(line) end },
    Somebody)
  somebody:say(name)
  return somebody
end

describe("the chat script", function()
  helper.leaves_nothing(before_each, after_each)

  it("has those at lines and those at the page in the same room", function()
    local _ <close>, lines <const>, page <const> = start()
    local ann <close> = by_lines(lines, "ann")
    ann:expect "* ann has come"
    local bob <close> = by_page(page, "bob")
    ann:expect "* bob has come"
    bob:expect "* bob has come"
    ann:say "hello, bob"
    bob:expect "ann: hello, bob"
    bob:say "hello, ann"
    ann:expect "bob: hello, ann"
  end)

  it("serves nc", function()
    local _ <close>, lines <const> = start()
    local output <const> = helper.run(("printf 'carl\\nhello\\n/who\\n/quit\\n' | nc 127.0.0.1 %s")
      :format(lines:match ":(%d+)$"))
    assert.equal("* welcome. What is your name?\n* you are in lobby\n* carl has come\ncarl: hello\n* here: carl\n" ..
      "* goodbye\n", output)
  end)

  it("tells who comes later what was said before, as far as the history goes", function()
    local _ <close>, lines <const>, page <const> = start "--set chat.history=2"
    local ann <close> = by_lines(lines, "ann")
    ann:say("one", "two", "three")
    ann:expect "ann: three"
    local bob <close> = by_page(page, "bob")
    assert.same({ "* you are in lobby", "ann: two", "ann: three", "* bob has come" }, bob:expect "* bob has come")
  end)

  it("gives a name to one at a time, and again when it is free", function()
    local _ <close>, lines <const>, page <const> = start()
    do
      local ann <close> = by_lines(lines, "ann")
      ann:expect "* ann has come"
      local other <close> = by_page(page, "Ann")
      other:expect "* Ann is taken, choose another name"
      other:say "anna"
      ann:expect "* anna has come"
      ann:say "/nick ann2"
      other:expect "* ann is now ann2"
    end
    local again <close> = by_lines(lines, "keeper")
    helper.eventually(function()
      again:say "/who"
      return again.read() == "* here: keeper"
    end)
    again:say "/nick ann"
    again:expect "* keeper is now ann"
  end)

  it("keeps rooms apart", function()
    local _ <close>, lines <const>, page <const> = start()
    local ann <close> = by_lines(lines, "ann")
    ann:expect "* ann has come"
    local bob <close> = by_page(page, "bob")
    ann:expect "* bob has come"
    bob:say("/join den", "/rooms")
    bob:expect "* rooms: den, lobby"
    ann:expect "* bob has left"
    bob:say "to the den"
    bob:expect "bob: to the den"
    ann:say("to the lobby", "/join den")
    local seen <const> = ann:expect "bob: to the den"
    for _, line in ipairs(seen) do assert.not_equal("bob: to the lobby", line) end
    bob:expect "* ann has come"
  end)

  it("forgets a room that is empty, and lets nobody enter one twice", function()
    local _ <close>, lines <const> = start()
    local ann <close> = by_lines(lines, "ann")
    ann:say("/join den", "/join den")
    ann:expect "* you are in den already"
    ann:say("hello", "/join lobby", "/rooms")
    ann:expect "* rooms: lobby"
    ann:say "/join den"
    assert.same({ "* you are in den", "* ann has come" }, ann:expect "* ann has come")
  end)

  it("lets one change the case of a name", function()
    local _ <close>, lines <const> = start()
    local ann <close> = by_lines(lines, "ann")
    ann:say("/nick Ann", "/nick Ann", "/who")
    ann:expect "* ann is now Ann"
    ann:expect "* here: Ann"
  end)

  it("gives a long history to a client that reads slowly, and misses nothing meanwhile", function()
    local _ <close>, lines <const> = start "--set chat.history=2000"
    local ann <close> = by_lines(lines, "ann")
    local text <const> = ("x"):rep(helper.is_tiny and 10 or 2000)
    for _ = 1, 1000 do ann:say(text) end
    ann:say "the last before"
    ann:expect "ann: the last before"
    local bob <close> = by_lines(lines, "bob")
    ann:expect "* bob has come"
    ann:say "the first after"
    local seen <const> = bob:expect "ann: the first after"
    assert.equal(1005, #seen)
    assert.equal("ann: " .. text, seen[#seen - 3])
  end)

  it("says what is wrong with names, rooms and commands", function()
    local _ <close>, lines <const> = start "--set chat.rooms_limit=1"
    local ann <close> = by_lines(lines, "two words")
    ann:expect "* a name has 1 to 24 bytes, without spaces, commas and colons, and begins with neither / nor *"
    ann:say("ann", "/join a b", "/join other", "/what")
    ann:expect "* a room's name has 1 to 24 letters, digits, - and _"
    ann:expect "* there are too many rooms"
    assert.matches("there is no such command", ann.read())
  end)

  it("ends with one who sends a line without an end, and says why", function()
    local _ <close>, lines <const> = start "--set chat.line_limit=100"
    local ann <close> = by_lines(lines, "ann")
    ann:expect "* ann has come"
    ann.conn:write(("x"):rep(200))
    ann:expect "* a line has at most 100 bytes. Goodbye"
    assert.is_nil(ann.read())
  end)

  it("takes out what could upset a terminal or a browser", function()
    local _ <close>, lines <const>, page <const> = start()
    local ann <close> = by_lines(lines, "ann")
    ann:expect "* ann has come"
    local bob <close> = by_page(page, "bob")
    bob:expect "* bob has come"
    ann:expect "* bob has come"
    ann:say("\27[2J\7bell \xFF\xFE end", "\u{9B}2J \u{E9}")
    bob:expect "ann: [2J bell ?? end"
    bob:expect "ann: 2J \u{E9}"
  end)
end)
