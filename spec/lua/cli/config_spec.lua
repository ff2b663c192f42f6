local config <const> = require "perigee.cli.config"
local given <const> = require "perigee.cli.given"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

local SERVICES <const> = { chat = true, rest = true }

--- What a file with this text says; or nil, and the message without the path of the file.
local function read(text)
  local directory <close> = helper.directory { ["a.conf"] = text }
  local path <const> = tostring(directory) .. "/a.conf"
  local options <const>, message <const> = config.read(path, SERVICES)
  if options then return options end
  assert.equal(path, message:sub(1, #path))
  return nil, message:sub(#path + 2)
end

local function read_value(text)
  local options <const>, message <const> = read("chat.motd = " .. text)
  return options and options.chat.motd, message
end

describe("A file of options", function()
  it("has an option of a service in each line, blank lines, and comments", function()
    local options <const> = assert(read [[
# of the chat
chat.history = 50
  chat.listen=tcp://127.0.0.1:7   # not loopback only
rest.listen  =  http://127.0.0.1:1

   # the end]])
    assert.same({ chat = { history = "50", listen = "tcp://127.0.0.1:7" }, rest = { listen = "http://127.0.0.1:1" } },
      options)
    assert.same({}, read "")
    assert.same({ chat = { a = "1", b = "2" } }, read "\xEF\xBB\xBFchat.a = 1\r\nchat.b = 2\r\n")
  end)

  for text, value in pairs {
    ["a b  c"] = "a b  c", ["a#b"] = "a#b", ["a=b"] = "a=b", ["a #b"] = "a", [""] = "", ['""'] = "",
    ['" a # b "'] = " a # b ", ["'a\"b\\n'  # said"] = 'a"b\\n', [ [["a\"b\\c\nd\te"]] ] = 'a"b\\c\nd\te',
    [ [["\\"]] ] = "\\", ["it's"] = "it's", ["'a#b'\t"] = "a#b",
  } do
    it(("reads the value %s"):format(text), function()
      assert.equal(value, read_value(text))
    end)
  end

  for text, message in pairs {
    ['"a'] = 'the closing " is missing', ["'a"] = "the closing ' is missing", [ [["a\"]] ] = 'the closing " is missing',
    ['"a" b'] = "after the closing \" there is 'b'", ["'a'#b"] = "after the closing ' there is '#b'",
    ["#fff"] = "the value is missing: one that begins with # is to be quoted",
    [ [["\d"]] ] = [[\d is unknown: between "" there are \" \\ \n \t]],
  } do
    it(("says what is wrong with the value %s"):format(text), function()
      assert.same({ nil, "1: " .. message }, { read_value(text) })
    end)
  end

  it("says in which line something is wrong", function()
    local form <const> = "it is not of the form SERVICE.OPTION = VALUE"
    for _, line in ipairs { "chat.history", "history = 5", "chat history = 5", ".a = 1", "chat. = 1", "[chat]",
      "chat.a b = 1" } do
      assert.same({ nil, "2: " .. form }, { read("\n" .. line .. "\n") })
    end
    assert.same({ nil, "3: no script here is the service 'shop'" }, { read "\n# x\nshop.a = 1\n" })
    local _, message <const> = read "chat.a = 1\nchat.b = 1\nchat.a = 2\n"
    assert.matches("^3: chat.a is given twice, also at /.*/a.conf:1$", message)
  end)

  it("that is not there, or is none, is named", function()
    assert.same({ nil, "/nowhere/a.conf: No such file or directory" }, { config.read("/nowhere/a.conf", SERVICES) })
    assert.same({ nil, "/tmp: Is a directory" }, { config.read("/tmp", SERVICES) })
  end)

  it("is read together with --set, which wins, and read again each time", function()
    local directory <close> = helper.directory { ["a.conf"] = "chat.history = 50\nchat.limit = 7\n" }
    local arguments <const> = { scripts = { "scripts/chat.lua", "rest.lua" }, config = tostring(directory) .. "/a.conf",
      set = { "chat.history=60", "rest.listen=http://127.0.0.1:0" } }
    assert.same({ chat = { history = "60", limit = "7" }, rest = { listen = "http://127.0.0.1:0" } },
      given.read(arguments))
    local file <const> = assert(io.open(arguments.config, "w"))
    file:write "chat.limit = 8\nchat.x\n"
    file:close()
    assert.same({ nil, arguments.config .. ":2: it is not of the form SERVICE.OPTION = VALUE" },
      { given.read(arguments) })
    os.remove(arguments.config)
    assert.same({ nil, arguments.config .. ": No such file or directory" }, { given.read(arguments) })
  end)
end)

describe("perigee run --config", function()
  helper.leaves_nothing(before_each, after_each)

  local SCRIPT <const> = [[
local options <const> = require "perigee.service".options { history = 100, motd = "none" }
print(options.history, options.motd)
]]

  --- Runs the script with this file: its output, and the status.
  local function run(text, arguments)
    local directory <close> = helper.directory { ["chat.lua"] = SCRIPT, ["a.conf"] = text }
    local output <const>, status <const> = helper.run(("cd %s && %s run chat.lua --config a.conf %s"):format(directory,
      helper.binary, arguments or ""))
    return output:gsub("^%S+ error", "error"), status
  end

  it("gives a script its options, and --set wins", function()
    assert.same({ "50\thello # world\n", 0 }, { run "chat.history = 50\nchat.motd = 'hello # world'\n" })
    assert.same({ "60\tnone\n", 0 }, { run("chat.history = 50", "--set chat.history=60") })
  end)

  it("names file and line of what is wrong, also when the script says so", function()
    assert.same({ "perigee: a.conf:1: no script here is the service 'chart'\n", 2 }, { run "chart.history = 50" })
    local output <const>, status <const> = run "\nchat.histroy = 50"
    assert.equal(1, status)
    assert.matches("chat.lua:1: there is no option 'histroy' %(a.conf:2%); the options are: history, motd", output)
    assert.matches("option 'history' must be a number, not 'many' %(a.conf:1%)\n", (run "chat.history = many"))
    assert.matches("option 'history' must be a number, not 'many'\n",
      (run("chat.history = 1", "--set chat.history=many")))
  end)

  for _, mode in ipairs { "", "--workers 2" } do
    it(("is read again at a reload, as a whole or not at all %s"):format(mode), function()
      local directory <close> = helper.directory { ["a.conf"] = "service.motd = first\n" }
      local path <const> = tostring(directory) .. "/a.conf"
      local function write(text)
        local file <close> = assert(io.open(path, "w"))
        file:write(text)
      end
      local process <close>, address <const> = workers.serve([[
        local options <const> = require "perigee.service".options { motd = "none" }
        require "perigee.net".serve("tcp://127.0.0.1:0", function(conn) conn:write(options.motd) end)
      ]], ("%s --config %s"):format(mode, path))
      process:serving()
      local function motd()
        local conn <close> = assert(net.connect(address, { timeout = 20 }))
        return (conn:read_all())
      end
      assert.equal("first", motd())
      write "service.motd = 'second'\n"
      assert.same({ "reloaded service: generation 2\n", 0 }, { process:command "reload" })
      assert.equal("second", motd())
      write "\nservice.motd = 'third\n"
      assert.same({ ("perigee: not reloaded: %s:2: the closing ' is missing\n"):format(path), 1 },
        { process:command "reload" })
      write "service.modt = third\n"
      local output <const>, status <const> = process:command "reload"
      assert.equal(1, status)
      assert.matches(":1: there is no option 'modt' ", output)
      assert.equal("second", motd())
    end)
  end
end)
