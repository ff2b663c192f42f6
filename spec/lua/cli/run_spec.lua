local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local NET <const> = 'local net <const>, task <const> = require "perigee.net", require "perigee.task"\n'
local ECHO <const> = 'net.serve("tcp://127.0.0.1:0", function(conn) conn:pipe(conn) end)\n'

--- Runs scripts to their end; `arguments` begin with the scripts.
local function run(files, arguments)
  local directory <close> = helper.directory(files)
  return helper.run(('binary=$(realpath %s); cd %s; "$binary" run %s'):format(helper.binary, directory, arguments))
end

--- Starts scripts of a directory.
local function start(directory, arguments)
  local paths <const> = arguments:gsub("(%w+%.lua)", tostring(directory) .. "/%1")
  return helper.start(("%s run --drain 0 %s"):format(helper.binary, paths))
end

local function ask(address, text)
  local conn <close> = assert(net.connect(address, { timeout = 20 }))
  conn:write(text)
  conn:shutdown()
  return conn:read_all()
end

describe("perigee run", function()
  helper.leaves_nothing(before_each, after_each)

  it("serves several scripts, and tells where", function()
    local directory <close> = helper.directory { ["a.lua"] = NET .. ECHO, ["b.lua"] = NET .. ECHO }
    local process <close> = start(directory, "a.lua b.lua")
    for _, name in ipairs { "a", "b" } do
      local address <const> = process:wait_for("info  " .. name .. "  listening address=(%S+)\n")
      assert.equal("hello", ask(address, "hello"))
    end
  end)

  it("ends with 0 when all tasks of all scripts have ended", function()
    local files <const> = {
      ["a.lua"] = NET .. 'task.spawn(function() task.sleep(0.01) print "spawned" end)',
      ["b.lua"] = NET .. 'task.sleep(0.005) print "main"',
    }
    assert.same({ "main\nspawned\n", 0 }, { run(files, "a.lua b.lua") })
  end)

  it("goes on while a server is open, and ends when the last one is closed", function()
    local text <const> = NET .. [[
      local server
      server = net.serve("tcp://127.0.0.1:0", function(conn)
        conn:write "last words\n"
        server:close()
      end)
    ]]
    local directory <close> = helper.directory { ["a.lua"] = text }
    local process <close> = start(directory, "a.lua")
    assert.equal("last words\n", ask(process:wait_for "address=(%S+)", ""))
    assert.equal(0, process:wait())
  end)

  for what, case in pairs {
    ["does not compile"] = { "local x =", "error a  a.lua:1: unexpected symbol near <eof>\n$" },
    ["raises an error"] = { "local function f()\n  error 'no'\nend\nf()",
      "error a  a.lua:2: no\n    stack traceback:\n.*a.lua:2: in local 'f'\n      a.lua:4: in main chunk\n$" },
    ["cannot listen"] = { NET .. 'net.serve("tcp://192.0.2.1:1", print)',
      "error a  a.lua:2: listen on tcp://192.0.2.1:1: Cannot assign requested address\n" },
    ["asserts what failed"] = { NET .. 'assert(net.connect "unix:@perigee-nobody")',
      "error a  a.lua:2: connect to unix:@perigee%-nobody: .*a.lua:2: in main chunk\n$" },
  } do
    it("ends with 1, and tells why, when a script " .. what, function()
      local output <const>, status <const> = run({ ["a.lua"] = case[1] }, "a.lua")
      assert.matches(case[2], output)
      assert.equal(1, status)
    end)
  end

  it("ends with 1 when a script is not there", function()
    local output <const>, status <const> = run({ ["a.lua"] = "" }, "b.lua")
    assert.matches("error b  cannot open b.lua: No such file or directory\n$", output)
    assert.equal(1, status)
  end)

  it("runs none of the scripts when one does not load", function()
    local files <const> = { ["good.lua"] = NET .. ECHO, ["bad.lua"] = "error 'no'" }
    local output <const>, status <const> = run(files, "good.lua bad.lua")
    assert.matches("error bad  bad.lua:1: no\n", output)
    assert.equal(1, status)
  end)

  it("ends with 1 when two scripts claim one port", function()
    local taken <close> = assert(net.serve("tcp://127.0.0.1:0", print))
    local address <const> = tostring(taken.address)
    taken:close()
    local text <const> = NET .. ('net.serve("%s", print)'):format(address)
    local output <const>, status <const> = run({ ["a.lua"] = text, ["b.lua"] = text }, "a.lua b.lua")
    assert.matches("error b  b.lua:2: listen on " .. address .. ": Address already in use\n", output)
    assert.equal(1, status)
  end)

  it("gives options to their service, each of the type of its default", function()
    local text <const> = [[
      local options = require "perigee.service".options
        { text = "a", whole = 1, real = 0.5, on = false, off = true, list = { "x" }, kept = "default" }
      print(options.text, math.type(options.whole), options.whole, options.real, options.on, options.off,
        table.concat(options.list, "|"), options.kept)
    ]]
    assert.same({ "b=c d\tinteger\t7\t2.0\ttrue\tfalse\tone|two\tdefault\n", 0 },
      { run({ ["a.lua"] = text, ["b.lua"] = "" }, "a.lua b.lua --set 'a.text=b=c d' --set a.whole=7 --set a.real=2 "
        .. "--set a.on=yes --set=a.off=0 --set 'a.list=one, two'") })
  end)

  it("logs one JSON object a line with --log json", function()
    local files <const> = { ["a.lua"] = NET .. ECHO .. [[
      require "perigee.log".warn("two\nlines \"quoted\" \xff", { count = 3, where = "ö" })
      task.spawn(function() error "in the background" end):join()
      error "ended" ]] }
    local output <const>, status <const> = run(files, "--log json a.lua")
    assert.equal(1, status)
    local logged <close> = helper.directory { log = output }
    local lines <const> = helper.python([[
import json, sys
for line in open(sys.argv[1] + '/log'):
    event = json.loads(line)
    print(event['level'], event['service'], ascii(event['message']), event.get('count'), 'traceback' in event)
]], tostring(logged))
    assert.equal("warn a 'two\\nlines \"quoted\" \\ufffd' 3 False\nerror a 'a.lua:5: ended' None True\n", lines)
  end)

  it("logs no less than --log-level says", function()
    local text <const> = 'local log = require "perigee.log" log.debug "d" log.info "i" log.warn "w" log.error "e"'
    local function logged(level)
      local words <const> = {}
      for word in run({ ["a.lua"] = text }, "--log-level " .. level .. " a.lua"):gmatch "a  (%a)\n" do
        words[#words + 1] = word
      end
      return table.concat(words)
    end
    assert.same({ "diwe", "iwe", "we", "e" }, { logged "debug", logged "info", logged "warn", logged "error" })
  end)
end)
