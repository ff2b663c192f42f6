local commands <const> = require "perigee.cli.console.commands"
local completion <const> = require "perigee.cli.console.completion"
local helper <const> = require "spec.helper"
local history <const> = require "perigee.cli.console.history"

describe("completion at the console's prompt", function()
  it("inserts what all names have", function()
    assert.equal("ms", completion.of("roo", { "rooms" }))
    assert.equal("om", completion.of("ro", { "room_count", "rooms" }))
    assert.is_nil(completion.of("x", {}))
    assert.is_nil(completion.of("rooms", { "rooms" }))
  end)

  it("shows the names when there is nothing to insert", function()
    assert.same({ nil, "room_count  rooms" }, { completion.of("room", { "room_count", "rooms" }) })
  end)

  it("shows them in as many columns as there is room for, and not all of too many", function()
    assert.equal("a  b  c\nd  e", completion.columns({ "a", "b", "c", "d", "e" }, 8))
    assert.equal("longer\nx", completion.columns({ "longer", "x" }, 3))
    local names <const> = {}
    for i = 1, 150 do names[i] = ("x%03d"):format(i) .. "-" .. i % 2 end
    table.insert(names, "y")
    local _, shown <const> = completion.of("", names)
    assert.matches("... 51 more$", shown)
  end)

  it("asks the process for names, and knows commands and services itself", function()
    local session <const> = {
      services = function() return { { name = "chat" }, { name = "echo" } } end,
      complete = function(_, text) return text == "x = ro" and { "rooms" } or {} end,
    }
    local complete <const> = completion.completer(session)
    assert.equal("oms", complete "x = ro")
    assert.equal("oad", complete ".rel")
    assert.equal("cho", complete ".service e")
    assert.is_nil(complete "nothing")
  end)
end)

describe("a line of the console", function()
  it("is a command when it begins with a dot and a word", function()
    assert.is_true(commands.is_command ".help")
    assert.is_true(commands.is_command "  .reload x")
    assert.is_false(commands.is_command ".5 + 1")
    assert.is_false(commands.is_command "a.b")
    assert.is_false(commands.is_command "...")
  end)
end)

describe("the console's history", function()
  local original <const> = os.getenv

  after_each(function() os.getenv = original end) -- luacheck: ignore

  local function at(environment)
    os.getenv = function(name) return environment[name] end -- luacheck: ignore
  end

  it("is in the state directory, or in the home directory's", function()
    at { XDG_STATE_HOME = "/state", HOME = "/home/me" }
    assert.equal("/state/perigee/console_history", history.path())
    at { XDG_STATE_HOME = "relative", HOME = "/home/me" }
    assert.equal("/home/me/.local/state/perigee/console_history", history.path())
    at {}
    assert.is_nil(history.path())
    assert.same({}, history.load())
    history.add "nowhere to go"
  end)

  it("is for its user alone", function()
    local home <close> = helper.directory { ["x"] = "" }
    at { HOME = tostring(home) }
    history.add "one"
    history.add "two"
    assert.same({ "one", "two" }, history.load())
    local modes <const> = helper.run(("stat -c %%a %s/.local/state/perigee %s"):format(home, history.path()))
    assert.equal("700\n600\n", modes)
  end)

  it("has the last thousand lines", function()
    local state <close> = helper.directory { ["perigee/console_history"] = ("a line\n"):rep(1500) .. "the last\n" }
    at { XDG_STATE_HOME = tostring(state) }
    local lines <const> = history.load()
    assert.same({ 1000, "the last" }, { #lines, lines[1000] })
    local counted <const> = helper.run(("wc -l < %s; stat -c %%a %s"):format(history.path(), history.path()))
    assert.equal("1000\n600\n", counted)
    assert.same({ "console_history\n", 0 }, { helper.run(("ls %s/perigee"):format(state)) })
  end)
end)
