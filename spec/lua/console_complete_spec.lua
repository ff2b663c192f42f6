local complete <const> = require "perigee.console.complete"
local evaluate <const> = require "perigee.console.evaluate"
local fixture <const> = require "spec.fixtures.console"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local SCRIPT <const> = [[
local rooms <const> = { lobby = { topic = "all" }, long_one = 1, ["not a name"] = 2, [1] = { first = 1 } }
local Client <const> = { greet = function() end, name = "class" }
Client.__index = Client
local client <const> = setmetatable({ nick = "ann" }, Client)
local guarded <const> = setmetatable({ own = 1 }, { __index = function() error "it was called" end })
started = true
keep(function() return rooms, client, guarded, conn end)
]]

describe("completion", function()
  local run

  after_each(function() evaluate.interrupt(run, { session = "one", forget = true }) end)

  helper.leaves_nothing(before_each, after_each)

  before_each(function()
    run = fixture.run({ chat = SCRIPT }, { history = { first_line = "x" } })
  end)

  local function names(text)
    local answer <const> = complete.complete(run, { session = "one", text = text })
    assert.is_true(answer.ok, answer.message)
    return answer.names
  end

  it("knows variables, state, locals, globals, the library and keywords", function()
    evaluate.evaluate(run, { session = "one", source = "my_variable = 1" })
    assert.same({ "my_variable" }, names "my_v")
    assert.same({ "history" }, names "print(hist")
    assert.same({ "rooms" }, names "local x = #roo")
    assert.same({ "started" }, names "star")
    assert.same({ "return" }, names "ret")
    assert.same({ "table", "task" }, names "ta")
    assert.same({ "reload", "repeat", "require", "return" }, names "re")
    assert.is_true(#names "" > 40)
  end)

  it("knows fields, however deep, that are names", function()
    assert.same({ "lobby", "long_one" }, names "rooms.lo")
    assert.same({ "topic" }, names "x = rooms.lobby.")
    assert.same({ "topic" }, names "rooms['lobby'].t")
    assert.same({ "first" }, names "rooms[1].")
    assert.same({ "find", "format" }, names "string.f")
    assert.same({ "first_line" }, names "f(history.")
  end)

  it("knows methods, after a colon functions alone", function()
    assert.same({ "greet" }, names "client:")
    assert.same({ "greet", "name", "nick" }, names "client.")
    assert.same({ "rep", "reverse" }, names "history.first_line:re")
  end)

  it("knows the methods of what C has made", function()
    local ours <close>, other <const> = net.pair()
    local theirs <close> = other
    run.services[1].generation.environment.conn = ours
    assert.same({ "write" }, names "conn:writ")
    assert.same({ "read_line" }, names "conn:read_l")
    assert.is_true(theirs.is_open)
  end)

  it("calls nothing", function()
    assert.same({ "own" }, names "guarded.")
    assert.same({}, names "guarded.missing.")
  end)

  it("has nothing for what is no name, or is not there", function()
    for _, text in ipairs { "nobody.x", "f().x", "rooms.lobby.topic.nothing.x", "('x'):re", "12", "1." } do
      assert.same({}, names(text), text)
    end
    assert.same({ "rooms" }, names "'a'..roo")
  end)

  it("is of a session, a service and a text", function()
    assert.equal("there is no service 'other'; there is chat",
      complete.complete(run, { session = "one", service = "other", text = "x" }).message)
    assert.equal("the request has no session", complete.complete(run, { text = "x" }).message)
    assert.equal("the request has no text", complete.complete(run, { session = "one" }).message)
  end)
end)
