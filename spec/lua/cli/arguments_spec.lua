local arguments <const> = require "perigee.cli.arguments"
local near <const> = require "perigee.cli.near"

local RUN <const> = {
  name = "run",
  summary = "Loads scripts as services and runs them until they end or are told to stop.",
  options = {
    { name = "workers", short = "w", value = "N|auto", help = "processes beside each other", default = "1" },
    { name = "watch", help = "reload a script when its file changes" },
    { name = "set", value = "SCRIPT.OPTION=VALUE", repeated = true, help = "an option of a script" },
    { name = "log", choices = { "text", "json" }, default = "text", help = "the form of the log" },
    { name = "drain", value = "SECONDS", convert = arguments.number, help = "for connections to end" },
    { name = "dry-run", help = "do nothing" },
  },
  positionals = { { name = "scripts", shown = "SCRIPT", many = true, help = "the services" } },
}

local PERIGEE <const> = {
  name = "perigee",
  summary = "A scriptable network server.",
  options = { { name = "version", help = "show the version" } },
  commands = {
    RUN,
    { name = "test", positionals = {
      { name = "arguments", many = true, optional = true, verbatim = true },
    } },
    { name = "new", summary = "Makes a runnable service with its spec.", positionals = {
      { name = "kind", choices = { "tcp", "http", "rpc" } }, { name = "name" },
      { name = "folder", optional = true },
    } },
    { name = "cert", positionals = { { name = "host" } }, options = {
      { name = "days", value = "N", required = true, convert = arguments.integer },
    } },
  },
}

local function parse(specification, ...)
  return assert(arguments.parse(specification, { ... }))
end

local function run_result(fields)
  local result <const> = { workers = "1", log = "text", set = {}, scripts = { "a.lua" } }
  for name, value in pairs(fields) do result[name] = value end
  return result
end

local function assert_refused(expected, specification, ...)
  local result <const>, message <const> = arguments.parse(specification, { ... })
  assert.is_nil(result)
  assert.equal(expected, message)
end

describe("a command line", function()
  it("gives options their values after a space or an equals sign", function()
    assert.same(run_result { workers = "4" }, parse(RUN, "--workers", "4", "a.lua"))
    assert.same(run_result { workers = "4" }, parse(RUN, "a.lua", "--workers=4"))
    assert.same(run_result { workers = "4" }, parse(RUN, "-w", "4", "a.lua"))
  end)

  it("has flags, with _ for - in the result", function()
    assert.same(run_result { watch = true, dry_run = true }, parse(RUN, "--watch", "a.lua", "--dry-run"))
  end)

  it("collects what is repeated, in order", function()
    assert.same(run_result { set = { "a.b=c", "d=", "--e" } },
      parse(RUN, "--set", "a.b=c", "a.lua", "--set=d=", "--set=--e"))
  end)

  it("does not keep what it collected for the next one", function()
    parse(RUN, "--set", "a.b=c", "a.lua")
    assert.same({}, parse(RUN, "a.lua").set)
  end)

  it("collects positionals, among them a single dash", function()
    assert.same(run_result { scripts = { "a.lua", "-", "b.lua" } }, parse(RUN, "a.lua", "-", "b.lua"))
  end)

  it("takes everything after -- as positionals", function()
    assert.same(run_result { watch = true, scripts = { "--workers", "-h", "--", "x" } },
      parse(RUN, "--watch", "--", "--workers", "-h", "--", "x"))
  end)

  it("takes negative numbers and the empty text for values", function()
    assert.equal(-5, parse(RUN, "--drain", "-5", "a").drain)
    assert.equal(1.5, parse(RUN, "--drain=1.5", "a").drain)
    assert.equal("", parse(RUN, "--workers=", "a").workers)
    assert.equal("", parse(RUN, "--workers", "", "a").workers)
  end)

  it("is told what a command is, with the options before and after it", function()
    local result <const> = parse(PERIGEE, "--version", "run", "--watch", "a.lua")
    assert.same(run_result { version = true, command = "run", watch = true }, result)
  end)

  it("leaves optional positionals out", function()
    assert.same({ command = "new", kind = "tcp", name = "x" }, parse(PERIGEE, "new", "tcp", "x"))
    assert.same({ command = "new", kind = "tcp", name = "x", folder = "y" },
      parse(PERIGEE, "new", "tcp", "x", "y"))
    assert.same({ command = "test", arguments = {} }, parse(PERIGEE, "test"))
  end)

  it("passes everything on where positionals are verbatim", function()
    assert.same({ command = "test", arguments = { "--help", "-o", "TAP", "--", "spec" } },
      parse(PERIGEE, "test", "--help", "-o", "TAP", "--", "spec"))
  end)
end)

describe("a wrong command line", function()
  it("has an unknown option, and perhaps a near one was meant", function()
    assert_refused("unknown option '--wrokers' (did you mean '--workers'?)", RUN, "--wrokers=4", "a.lua")
    assert_refused("unknown option '--wat' (did you mean '--watch'?)", RUN, "--wat", "a.lua")
    assert_refused("unknown option '--hlep' (did you mean '--help'?)", RUN, "--hlep")
    assert_refused("unknown option '--colour'", RUN, "--colour", "red", "a.lua")
    assert_refused("unknown option '-x'", RUN, "-x", "a.lua")
    assert_refused("unknown option '--=x'", RUN, "--=x", "a.lua")
  end)

  it("has an option without its value", function()
    assert_refused("option --workers needs a value: --workers N|auto", RUN, "a.lua", "--workers")
    assert_refused("option --log needs a value: --log VALUE", RUN, "--log", "--watch", "a.lua")
    assert_refused("option -w needs a value: -w N|auto", RUN, "-w")
  end)

  it("has a flag with a value", function()
    assert_refused("option --watch takes no value, got 'yes'", RUN, "--watch=yes", "a.lua")
  end)

  it("has an option twice that may be given once", function()
    assert_refused("option --watch is given twice", RUN, "--watch", "--watch", "a.lua")
    assert_refused("option --workers is given twice", RUN, "--workers=1", "--workers=1", "a.lua")
  end)

  it("has a value that is none of the choices", function()
    assert_refused("option --log: text or json expected, got 'jsn' (did you mean 'json'?)", RUN, "--log=jsn")
    assert_refused("KIND: tcp or http or rpc expected, got 'quic'", PERIGEE, "new", "quic", "x")
  end)

  it("has a value that is no number where one is needed", function()
    assert_refused("option --drain: a number expected, got 'soon'", RUN, "--drain", "soon", "a")
    assert_refused("option --drain: a number expected, got '1e999'", RUN, "--drain", "1e999", "a")
    assert_refused("option --days: a whole number expected, got '1.5'", PERIGEE, "cert", "--days", "1.5", "h")
    assert_refused("option --days: a whole number expected, got '99999999999999999999'", PERIGEE, "cert",
      "--days=99999999999999999999", "h")
  end)

  it("has too few or too many positionals", function()
    assert_refused("SCRIPT... is missing", RUN, "--watch")
    assert_refused("NAME is missing", PERIGEE, "new", "tcp")
    assert_refused("one argument too many: 'z'", PERIGEE, "new", "tcp", "x", "y", "z")
  end)

  it("lacks a required option", function()
    assert_refused("option --days is missing", PERIGEE, "cert", "localhost")
    assert.equal(30, parse(PERIGEE, "cert", "localhost", "--days", "30").days)
  end)

  it("has no command or an unknown one", function()
    assert_refused("a command is missing: run, test, new, cert", PERIGEE)
    assert_refused("unknown command 'rnu' (did you mean 'run'?)", PERIGEE, "rnu", "a.lua")
    assert_refused("unknown command 'serve'", PERIGEE, "serve")
    assert_refused("unknown option '--watch'", PERIGEE, "--watch", "run", "a.lua")
  end)
end)

describe("the help", function()
  it("has all options, positionals and defaults in columns", function()
    assert.equal([[
usage: perigee run SCRIPT... [options]

Loads scripts as services and runs them until they end or are told to stop.

arguments:
  SCRIPT...                      the services

options:
  -w, --workers N|auto           processes beside each other (default: 1)
  --watch                        reload a script when its file changes
  --set SCRIPT.OPTION=VALUE ...  an option of a script
  --log text|json                the form of the log (default: text)
  --drain SECONDS                for connections to end
  --dry-run                      do nothing
  -h, --help                     show this help
]], arguments.help(RUN, "perigee run"))
  end)

  it("has the commands of a program", function()
    assert.equal([[
usage: perigee COMMAND ... [options]

A scriptable network server.

commands:
  run         Loads scripts as services and runs them until they end or are told
              to stop.
  test
  new         Makes a runnable service with its spec.
  cert

options:
  --version   show the version
  -h, --help  show this help
]], arguments.help(PERIGEE))
  end)

  it("shows what is optional, and puts what is too long on a line of its own", function()
    local text <const> = arguments.help { name = "p", options = {
      { name = "a-very-long-name-for-an-option", value = "VALUE", help = "explained" },
    }, positionals = { { name = "file", optional = true, many = true } } }
    assert.matches("^usage: p %[FILE%.%.%.%] %[options%]\n", text)
    assert.matches("\n  %-%-a%-very%-long%-name%-for%-an%-option VALUE\n +explained\n", text)
  end)

  it("is no wider than 80 columns and has no blanks at the ends of lines", function()
    local words <const> = ("word "):rep(60)
    local options <const> = { { name = "o", help = words } }
    local text <const> = arguments.help { name = "p", summary = words, options = options }
    for line in text:gmatch "[^\n]*" do
      assert.is_true(#line <= 80, line)
      assert.is_nil(line:find " $")
    end
  end)

  it("is what --help and -h ask for, before anything is missed", function()
    for _, option in ipairs { "--help", "-h" } do
      assert.equal(arguments.help(PERIGEE), parse(PERIGEE, option).help)
      assert.equal(arguments.help(RUN, "perigee run"), parse(PERIGEE, "run", "--watch", option).help)
    end
  end)
end)

describe("a specification", function()
  local function assert_raises(expected, specification)
    local ok <const>, message <const> = pcall(function() local _ = arguments.parse(specification, {}) end)
    assert.is_false(ok)
    assert.matches("arguments_spec%.lua:%d+: bad argument 'specification' %(", message)
    assert.truthy(message:find("(" .. expected .. " expected)", 1, true), message)
  end

  it("raises at the caller's line when it makes no sense", function()
    assert_raises("a name", nil)
    assert_raises("a name", {})
    assert_raises("an option's name", { name = "p", options = { { name = "--x" } } })
    assert_raises("one letter as short of x", { name = "p", options = { { name = "x", short = "xx" } } })
    assert_raises("no second option x", { name = "p", options = { { name = "x" }, { name = "x" } } })
    assert_raises("no second option help", { name = "p", options = { { name = "help" } } })
    assert_raises("no second option a", { name = "p", options = { { name = "a" } }, commands = {
      { name = "c", options = { { name = "a" } } },
    } })
    assert_raises("nothing after a, which takes many", { name = "p", positionals = {
      { name = "a", many = true }, { name = "b" },
    } })
    assert_raises("nothing required after the optional a", { name = "p", positionals = {
      { name = "a", optional = true }, { name = "b" },
    } })
    assert_raises("commands or positionals, not both", { name = "p", positionals = {}, commands = {} })
  end)

  it("may use a name in two commands", function()
    local command <const> = { name = "c", options = { { name = "a" } } }
    local other <const> = { name = "d", options = { { name = "a" } } }
    assert.same({ command = "d", a = true }, parse({ name = "p", commands = { command, other } }, "d", "--a"))
  end)

  it("needs a list of arguments beside it", function()
    local ok <const>, message <const> = pcall(function() local _ = arguments.parse(RUN) end)
    assert.is_false(ok)
    assert.matches("arguments_spec%.lua:%d+: bad argument 'argv' %(table expected, got nil%)", message)
  end)
end)

describe("the nearest word", function()
  local words <const> = { "run", "reload", "status", "console", "check" }

  it("has one letter more, less, other or swapped", function()
    for unknown, word in pairs {
      runn = "run", reloa = "reload", ststus = "status", conosle = "console", chekc = "check", rn = "run",
    } do
      assert.equal(word, near.find(unknown, words))
    end
  end)

  it("begins with what was written", function()
    assert.equal("status", near.find("st", words))
    assert.equal("console", near.find("con", words))
  end)

  it("is none when nothing is near", function()
    for _, unknown in ipairs { "", "x", "stop", "walk", "deploy" } do
      assert.is_nil(near.find(unknown, words))
    end
  end)
end)
