--- The command line as a whole, by the binary itself.

local helper <const> = require "spec.helper"

local function perigee(arguments)
  return helper.run(helper.binary .. " " .. (arguments or ""))
end

describe("perigee", function()
  helper.leaves_nothing(before_each, after_each)

  it("shows its help without arguments, as wrong usage", function()
    local output <const>, status <const> = perigee()
    assert.matches("^usage: perigee COMMAND", output)
    assert.equal(2, status)
  end)

  for _, arguments in ipairs { "help", "--help", "-h" } do
    it("names its commands with " .. arguments, function()
      local output <const>, status <const> = perigee(arguments)
      for _, command in ipairs { "run", "check", "test", "version", "help" } do
        assert.matches("\n  " .. command .. " +%l", output)
      end
      assert.equal(0, status)
    end)
  end

  it("tells the options of a command", function()
    local output <const>, status <const> = perigee "run --help"
    assert.matches("^usage: perigee run SCRIPT%.%.%. %[options%]\n", output)
    for _, option in ipairs { "set", "log", "log%-level", "drain" } do assert.matches("%-%-" .. option, output) end
    assert.equal(0, status)
  end)

  for _, arguments in ipairs { "version", "--version" } do
    it("tells its version with " .. arguments, function()
      local output <const>, status <const> = perigee(arguments)
      assert.matches("^perigee %d+%.%d+%.%d+ %(Lua 5%.4%.%d+, libev %d+%.%d+, OpenSSL 3[^)]*%)\n$", output)
      assert.equal(0, status)
    end)
  end

  for arguments, message in pairs {
    ["rn x.lua"] = "unknown command 'rn' %(did you mean 'run'%?%)",
    ["run"] = "SCRIPT%.%.%. is missing",
    ["check"] = "SCRIPT%.%.%. is missing",
    ["run x.lua --lgo json"] = "unknown option '%-%-lgo' %(did you mean '%-%-log'%?%)",
    ["run x.lua --log xml"] = "option %-%-log: text or json expected, got 'xml'",
    ["run x.lua --log-level all"] = "option %-%-log%-level: debug or info or warn or error expected, got 'all'",
    ["run x.lua --drain soon"] = "option %-%-drain: seconds of 0 or more, got 'soon'",
    ["run x.lua --drain -1"] = "option %-%-drain: seconds of 0 or more, got '%-1'",
    ["run x.lua --set"] = "option %-%-set needs a value: %-%-set SERVICE%.NAME=VALUE",
    ["run x.lua --set x=1"] = "%-%-set 'x=1': it is not of the form SERVICE%.NAME=VALUE",
    ["run x.lua --set y.n=1"] = "%-%-set 'y%.n=1': no script here is the service 'y'",
  } do
    it("is used wrongly with: " .. arguments, function()
      local output <const>, status <const> = perigee(arguments)
      assert.matches("^perigee: " .. message .. "\n$", output)
      assert.equal(2, status)
    end)
  end

  it("reads its library from disk where PERIGEE_LUA says, and the rest of it from itself", function()
    local directory <close> = helper.directory {
      ["lua/perigee/greeting.lua"] = 'return "hello from disk"',
      ["greet.lua"] = 'print(require "perigee.greeting", require "perigee.net".serve)',
    }
    local command <const> = ("PERIGEE_LUA=%s/lua %s run %s/greet.lua"):format(directory, helper.binary, directory)
    local output <const>, status <const> = helper.run(command)
    assert.matches("^hello from disk\tfunction: 0x%x+\n$", output)
    assert.equal(0, status)
  end)

  it("reads an error in a library on disk by its file and line", function()
    local files <const> = { ["perigee/greeting.lua"] = "\nlocal x =", ["x.lua"] = 'require "perigee.greeting"' }
    local directory <close> = helper.directory(files)
    local command <const> = ("PERIGEE_LUA=%s %s run %s/x.lua"):format(directory, helper.binary, directory)
    local output <const>, status <const> = helper.run(command)
    assert.matches("/perigee/greeting.lua:2: unexpected symbol near <eof>", output)
    assert.equal(1, status)
  end)
end)

describe("perigee test", function()
  helper.leaves_nothing(before_each, after_each)

  local function test(body)
    local directory <close> = helper.directory { ["some_spec.lua"] = body }
    return perigee("test --output=TAP " .. tostring(directory))
  end

  it("ends with 0 when all passed: a spec can wait and use sockets", function()
    local output <const>, status <const> = test [[
      local net <const>, task <const> = require "perigee.net", require "perigee.task"
      it("talks", function()
        local a <close>, b = net.pair()
        task.spawn(function() task.sleep(0.001) b:write "hi\n" end)
        assert.equal("hi", a:read_line())
        b:close()
      end)
    ]]
    assert.matches("\nok 1 %- talks\n", "\n" .. output)
    assert.equal(0, status)
  end)

  it("ends with 1 when one failed", function()
    local output <const>, status <const> = test 'it("fails", function() assert.is_true(false) end)'
    assert.matches("not ok 1 %- fails\n", output)
    assert.equal(1, status)
  end)
end)
