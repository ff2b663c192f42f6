--- Whoever can publish on the bus of chat can say anything. A line that was no text spoiled the history of its room, so
--- that nobody could come in any more; control characters went on to terminals; names that another process had taken in
--- the same moment were lost from the list, or were kept twice when they had no place for a number.

local buses <const> = require "perigee.bus"
local chat <const> = require "spec.fixtures.chat"
local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"

local LOW <const>, HIGH <const> = ("0"):rep(16), ("f"):rep(16) -- ids of other processes
local NAME <const> = ("\u{e4}"):rep(12)                        -- as long as names may be

describe("chat at a bus", function()
  helper.leaves_nothing(before_each, after_each)

  local number = 0

  local function tell(bus, id, event)
    number = number + 1
    local text <const> = type(event) == "string" and event or json.encode(event)
    assert(bus:publish("chat", ("%s %d %s"):format(id, number, text)))
  end

  local HOSTILE <const> = {
    "[1", "1", "null", "{}", { kind = 5 }, { kind = "say" }, { kind = "say", room = 5, line = "x" },
    { kind = "say", room = "lobby", line = { 1 } }, { kind = "say", room = "lobby", line = "EVIL \27[2J" },
    { kind = "say", room = "lobby", line = "EVIL\u{9b}2J" }, { kind = "say", room = "lobby", line = "EVIL\nEVIL" },
    { kind = "say", room = "no room", line = "x" }, { kind = "say", room = "lobby", line = ("EVIL"):rep(10000) },
    { kind = "come", room = "lobby", name = {}, line = "EVIL" },
    { kind = "come", room = "lobby", name = "a\0b", line = "EVIL" },
    { kind = "rename", room = "lobby", old = 1, name = "x", line = "EVIL" },
    { kind = "history", room = "lobby", lines = "EVIL" }, { kind = "history", room = "lobby", lines = { "EVIL", 5 } },
    { kind = "here", here = 5 }, { kind = "here", here = { "lobby", { "lobby", "EVIL\7" } } },
  }

  it("hears what can be, and nothing else", function()
    local directory <close> = helper.directory {}
    local url <const> = "local:" .. tostring(directory)
    local _ <close>, address <const> = chat.start("--set chat.bus=" .. url)
    local ann <close> = chat.enter(address, "ann")
    local bus <close> = assert(buses.open(url))
    assert(bus:publish("chat", "\0\255 garbage"))
    assert(bus:publish("chat", LOW .. " " .. ("9"):rep(40) .. " {}"))
    for _, event in ipairs(HOSTILE) do tell(bus, LOW, event) end
    tell(bus, LOW, { kind = "say", room = "lobby", line = "zoe: fine" })
    chat.expect(ann, "zoe: fine", "EVIL")
    tell(bus, HIGH, { kind = "go", room = "lobby", name = "ann", line = "* ann is said to have left" })
    chat.expect(ann, "* ann is said to have left", "EVIL")
    chat.ask_until(ann, "/who", "here: ann")
    local bob <close> = chat.enter(address, "bob")
    chat.ask_until(bob, "/rooms", "rooms: lobby")
    local _ <const> = bob
  end)

  it("keeps a name that another process has taken later, and gives way to one that was earlier", function()
    local directory <close> = helper.directory {}
    local url <const> = "local:" .. tostring(directory)
    local _ <close>, address <const> = chat.start("--set chat.bus=" .. url)
    local conn <close> = chat.enter(address, NAME)
    local bus <close> = assert(buses.open(url))
    tell(bus, HIGH, { kind = "come", room = "lobby", name = NAME, line = "* another has come" })
    tell(bus, HIGH, { kind = "rename", room = "lobby", old = NAME, name = "zoe", line = "* now zoe" })
    chat.expect(conn, "* now zoe")
    chat.ask_until(conn, "/who", "here: zoe, " .. NAME)
    tell(bus, LOW, { kind = "come", room = "lobby", name = NAME, line = "* one has come" })
    local given <const> = ("\u{e4}"):rep(11) .. "2"
    chat.expect(conn, ("* %s is taken by somebody who was quicker"):format(NAME))
    chat.expect(conn, ("* %s is now %s"):format(NAME, given))
    chat.ask_until(conn, "/who", ("here: zoe, %s, %s"):format(given, NAME))
  end)
end)
