local helper <const> = require "spec.helper"
local screens <const> = require "spec.fixtures.screen"
local system <const> = require "core.system"

local SCRIPT <const> = [[
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local rooms <const> = service.state("rooms", function() return { lobby = { topic = "all" }, long_room = 1 } end)
local greeting = "hello"
local function greet(name) return greeting .. ", " .. name end
net.serve("tcp://127.0.0.1:0", function(conn)
  for line in conn:lines() do conn:write(greet(line), " of ", service.worker, "\n") end
end)
]]

--- What runs, and the console's command for it. The state directory is the test's.
local function serve(files, arguments)
  local directory <const> = helper.directory(files)
  local socket <const> = tostring(directory) .. "/control"
  local names <const> = {}
  for name in pairs(files) do names[#names + 1] = ("%s/%s"):format(directory, name) end
  table.sort(names)
  local process <const>, address <const> = helper.serve(("--control %s %s %s"):format(socket, arguments or "",
    table.concat(names, " ")))
  local running <const> = setmetatable({ process = process, address = address, directory = tostring(directory) },
    { __close = function()
      getmetatable(process).__close(process)
      getmetatable(directory).__close(directory)
    end })
  running.command = ("XDG_STATE_HOME=%s/state %s console --control %s"):format(directory, helper.binary, socket)
  return running
end

--- Lines by a pipe: what was written to standard output and to standard error, and the status.
local function pipe(running, lines, arguments)
  local base <const> = running.directory .. "/piped"
  local file <close> = assert(io.open(base, "w"))
  file:write(lines)
  file:flush()
  local errors <const>, status <const> = helper.run(("%s %s < %s > %s.out"):format(running.command, arguments or "",
    base, base))
  local output <close> = assert(io.open(base .. ".out"))
  return output:read "a", errors, status
end

local function evaluate(running, expression, arguments)
  return helper.run(("%s -e '%s' %s"):format(running.command, expression, arguments or ""))
end

local function ask(address, line)
  local conn <close> = assert(require "perigee.net".connect(address, { timeout = 20 }))
  conn:write(line, "\n")
  return conn:read_line()
end

describe("perigee console, without a terminal,", function()
  helper.leaves_nothing(before_each, after_each)

  it("evaluates the lines of standard input inside the service", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local output <const>, errors <const>, status <const> = pipe(running, [[
      rooms.lobby.topic
      x = 20
      for i = 1, 2 do
        print(i)
      end
      x + 1, greet "ann"
    ]], "chat")
    assert.same({ '"all"\n1\n2\n21\n"hello, ann"\n', "", 0 }, { output, errors, status })
  end)

  it("ends with status 1 when a line has failed, and does the others", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local output <const>, errors <const>, status <const> = pipe(running, "greet()\n1 +\n1\nerror 'oh'\n")
    assert.same({ "2\n", 1 }, { output, status })
    assert.matches("^perigee: %S+/chat.lua:5: attempt to concatenate a nil value %(local 'name'%)\n", errors)
    assert.matches("stack traceback:\n\t%S+/chat.lua:5: in .-\nperigee: console:1: oh\n$", errors)
    local _, long <const>, failed <const> = pipe(running, ("x"):rep(70000) .. "\n")
    assert.same({ "perigee: the input is too long: it may have 60000 bytes\n", 1 }, { long, failed })
    local _, missing <const>, short <const> = pipe(running, "if x then\n")
    assert.same({ "perigee: the end is missing: console:1: 'end' expected near <eof>\n", 1 }, { missing, short })
  end)

  it("evaluates an expression of the command line", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    assert.same({ "3\n", 0 }, { evaluate(running, "1 + 2", "chat") })
    assert.same({ "perigee: console:1: oh\n", 1 }, { evaluate(running, 'error "oh"') })
    assert.matches("the end is missing", (evaluate(running, "1 +")))
  end)

  it("mends a service that runs", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    assert.equal("hello, ann of 0", ask(running.address, "ann"))
    assert.same({ "", 0 }, { evaluate(running, 'greeting = "good evening"') })
    assert.equal("good evening, ann of 0", ask(running.address, "ann"))
    assert.same({ "", 0 }, { evaluate(running, 'function greet(name) return name:upper() end') })
    assert.equal("ANN of 0", ask(running.address, "ann"))
  end)

  it("stops a line that runs away", function()
    local running <close> = serve({ ["chat.lua"] = SCRIPT }, "--stop-after 0.2 --memory 64M")
    local function failure(expression)
      local output <const>, status <const> = evaluate(running, expression)
      assert.equal(1, status)
      return output
    end
    assert.matches("^perigee: console:1: ran for [%d.]+ s without yielding\n$", failure "while true do end")
    assert.matches("^perigee: ran for [%d.]+ s without yielding\n$",
      failure "while true do pcall(function() while true do end end) end")
    assert.matches("not enough memory", failure 'return ("x"):rep(1e9)')
    assert.matches("too large", failure 'return ("x"):rep(1e10)')
    assert.equal("hello, ann of 0", ask(running.address, "ann"))
  end)

  it("keeps no old generation once it has ended", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    pipe(running, "kept, table_of = greet, _G\n.reload\nkept 'ann'\n")
    local status <const> = running.command:gsub(" console ", " status --json ")
    helper.eventually(function()
      evaluate(running, "collectgarbage() collectgarbage()")
      return helper.run(status):find('"alive":[]', 1, true)
    end)
  end)

  it("reloads, and shows why it could not", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local path <const> = running.directory .. "/chat.lua"
    local function write(text)
      local file <close> = assert(io.open(path, "w"))
      file:write(text)
    end
    write(SCRIPT:gsub("hello", "servus"))
    assert.same({ "reloaded chat: generation 2\n", "", 0 }, { pipe(running, ".reload chat\n") })
    assert.equal('"servus, ann"\n', (pipe(running, "greet 'ann'")))
    assert.same({ "reloaded chat: generation 3\n", "", 0 }, { pipe(running, "reload()") })
    write(SCRIPT .. "\nerror 'not today'\n")
    local output <const>, errors <const>, status <const> = pipe(running, "reload()\n.reload\ngreet 'ann'")
    assert.same({ '"servus, ann"\n', 1 }, { output, status })
    local _, count <const> = errors:gsub("chat.lua:10: not today\n.-stack traceback:\n.-chat.lua:10: in main chunk", "")
    assert.equal(2, count, errors)
  end)

  it("asks which service, and knows its commands", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT, ["other.lua"] = SCRIPT }
    local lines <const> = { "greet 'ann'", ".services", ".service other", "greet 'bob'", ".servise x",
      ".service nobody", ".worker 2", ".quit", "'not reached'" }
    local output <const>, errors <const>, status <const> = pipe(running, table.concat(lines, "\n"))
    assert.matches("^  chat +generation 1 .-\n  other +generation 1 .-\n\"hello, bob\"\n$", output)
    assert.equal("perigee: say which service: there are chat, other\n"
      .. "perigee: there is no command '.servise' (did you mean '.service'?); .help lists them\n"
      .. "perigee: there is no service 'nobody'; there is chat, other\n"
      .. "perigee: the process has no workers\n", errors)
    assert.equal(1, status)
    assert.matches("^perigee: there is no service 'nobody'", (evaluate(running, "1", "nobody")))
  end)

  it("evaluates in one worker, and stays with it", function()
    local running <close> = serve({ ["chat.lua"] = SCRIPT }, "--workers 2")
    local lines <const> = "service.worker\nservice.worker\n.worker 2\nservice.worker\n"
    assert.same({ "1\n1\n2\n", "", 0 }, { pipe(running, lines) })
    assert.equal("2\n", (evaluate(running, "service.worker", "--worker 2")))
    assert.equal("perigee: there is no worker 3; there is 1, 2\n", (evaluate(running, "1", "--worker 3")))
  end)

  it("says when the process is gone", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local output <const>, errors <const>, status <const> = pipe(running, "io.open('/dev/null'):close() os.exit(3)\n1\n")
    assert.same({ "", 1 }, { output, status })
    assert.matches("^perigee: the process does not answer any more: ", errors)
    assert.matches("^perigee: ", (evaluate(running, "1")))
  end)

  it("has libedit in no process but the console at a terminal", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    assert.equal("", (evaluate(running, "local x = 1")))
    local maps <close> = assert(io.open(("/proc/%d/maps"):format(running.process.pid)))
    local text <const> = maps:read "a"
    assert.truthy(text:find("perigee", 1, true))
    assert.is_nil(text:find("libedit", 1, true))
  end)

  it("says when nothing runs", function()
    local nowhere <close> = helper.directory { ["none"] = "" }
    local output <const>, status <const> = helper.run(("PERIGEE_CONTROL_DIRECTORY=%s %s console -e 1"):format(nowhere,
      helper.binary))
    local wanted <const> = "perigee: nothing runs: no control socket is in %s; --control PATH names one\n"
    assert.same({ wanted:format(nowhere), 1 }, { output, status })
  end)

  it("writes what was printed as it was", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    assert.equal("\27[1mbold\n", (pipe(running, "print '\\27[1mbold'")))
  end)
end)

describe("perigee console, at a terminal,", function()
  helper.leaves_nothing(before_each, after_each)

  it("edits lines, and brings back those of before", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    do
      local screen <close> = screens.start(running.command)
      screen:expect "^perigee %d+: chat %(generation 1%)%. %.help lists the commands, Ctrl%-D ends\nchat>$"
      screen:type "greet 'gröer'"
      screen:press("Left", "Left", "Left", "BSpace")
      screen:say "oß"
      screen:expect "\nchat> greet 'großer'\n\"hello, großer\"\nchat>$"
      screen:press("Up", "Enter")
      screen:expect "\n\"hello, großer\"\nchat> greet 'großer'\n\"hello, großer\"\nchat>$"
      screen:press "C-d"
      screen:expect "\nexit=0$"
    end
    assert.equal("greet 'großer'\ngreet 'großer'\n", helper.run(("cat %s/state/perigee/console_history")
      :format(running.directory)))
    assert.equal("600\n", (helper.run(("stat -c %%a %s/state/perigee/console_history"):format(running.directory))))
    local later <close> = screens.start(running.command)
    later:expect "chat>$"
    later:press "Up"
    later:expect "chat> greet 'großer'$"
  end)

  it("completes names", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local screen <close> = screens.start(running.command)
    screen:expect "chat>$"
    screen:type "roo"
    screen:press "Tab"
    screen:expect "chat> rooms$"
    screen:type ".lo"
    screen:press "Tab"
    screen:expect "chat> rooms.lo\nlobby +long_room\nchat> rooms.lo$"
    screen:type "b"
    screen:press("Tab", ".", "Tab", "Enter")
    screen:expect "chat> rooms.lobby.topic\n\"all\"\nchat>$"
    screen:type ".rel"
    screen:press("Tab", "Space")
    screen:type "c"
    screen:press("Tab", "Enter")
    screen:expect "chat> .reload chat\nreloaded chat: generation 2\nchat>$"
  end)

  it("takes a line in several, and gives it up at Ctrl-C", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local screen <close> = screens.start(running.command)
    screen:expect "chat>$"
    screen:say "for i = 1, 2 do"
    screen:expect "chat> for i = 1, 2 do\n    >$"
    screen:press "Tab"
    screen:say "print(i)"
    screen:say "end"
    screen:expect "    >   print%(i%)\n    > end\n1\n2\nchat>$"
    screen:say "if x then"
    screen:expect "    >$"
    screen:type "nothing"
    screen:press "C-c"
    screen:expect "    > nothing\nchat>$"
    screen:say "1 + 1"
    screen:expect "chat> 1 %+ 1\n2\nchat>$"
  end)

  for arguments, prompt in pairs { [""] = "chat>", ["--workers 2"] = "chat/1>" } do
    it("interrupts what is evaluated " .. arguments, function()
      local running <close> = serve({ ["chat.lua"] = SCRIPT }, arguments)
      local screen <close> = screens.start(running.command)
      screen:expect(prompt .. "$")
      local begun <const> = running.directory .. "/begun"
      screen:say(("io.open('%s', 'w'):close() task.sleep(1000)"):format(begun))
      helper.eventually(function() return system.file_kind(begun) end)
      screen:press "C-c"
      screen:expect("%^C\ninterrupted\n" .. prompt .. "$")
      screen:say "'still here'"
      screen:expect('"still here"\n' .. prompt .. "$")
    end)
  end

  it("shows errors and what was printed, and obeys neither", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local screen <close> = screens.start(running.command)
    screen:expect "chat>$"
    screen:say "print '\\27[2Jx' error '\\27[2Jy'"
    screen:expect "\n\\x1B%[2Jx\nconsole:1: \\x1B%[2Jy\nchat>$"
    screen:say "greet()"
    screen:expect "chat.lua:5: attempt to concatenate.-stack traceback:\n.-chat.lua:5: in .-\nchat>$"
  end)

  it("says when the process is gone", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local screen <close> = screens.start(running.command)
    screen:expect "chat>$"
    running.process:signal "TERM"
    running.process:wait()
    screen:say "1"
    screen:expect "\nperigee: the process does not answer any more: .*\nexit=1$"
  end)

  it("takes lines as they come where there is no libedit", function()
    local running <close> = serve { ["chat.lua"] = SCRIPT }
    local hidden <close> = helper.directory { ["libedit.so.2"] = "this is none" }
    local screen <close> = screens.start(("LD_LIBRARY_PATH=%s %s"):format(hidden, running.command))
    screen:expect "chat>$"
    screen:say "1 + 1"
    screen:expect "chat> 1 %+ 1\n2\nchat>$"
    screen:type "not this"
    screen:press "C-c"
    screen:expect "chat> not this%^C\nchat>$"
    screen:press "C-d"
    screen:expect "exit=0$"
  end)
end)
