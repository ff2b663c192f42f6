local helper <const> = require "spec.helper"
local process <const> = require "perigee.process"
local task <const> = require "perigee.task"

local function failure_of(arguments, options)
  local child <const>, message <const>, code <const> = process.run(arguments, options)
  assert.is_nil(child)
  return message, code
end

local function zombies_of(pid)
  return helper.run(("ps -o stat= --ppid %d | grep -c Z"):format(pid)):match "%d+"
end

describe("a command that cannot be started", function()
  helper.leaves_nothing(before_each, after_each)

  it("is one that is not there", function()
    assert.same({ "run 'perigee-nowhere': no such program", "unreachable" }, { failure_of { "perigee-nowhere" } })
    assert.same({ "run '/no/where': no such program", "unreachable" }, { failure_of { "/no/where" } })
    assert.same({ "run '': no such program", "unreachable" }, { failure_of { "" } })
  end)

  it("is one that may not be executed", function()
    local directory <close> = helper.directory { data = "x" }
    local path <const> = tostring(directory) .. "/data"
    assert.same({ ("run '%s': it may not be executed"):format(path), "denied" }, { failure_of { path } })
    assert.same({ "run '/tmp': it may not be executed", "denied" }, { failure_of { "/tmp" } })
  end)

  it("is one whose interpreter is not there, or that is no program #exec", function()
    local directory <close> = helper.directory { script = "#!/no/where\n", text = "echo\n" }
    local script <const>, text <const> = tostring(directory) .. "/script", tostring(directory) .. "/text"
    os.execute(("chmod +x %s %s"):format(script, text))
    assert.equal(("run '%s': the interpreter that it names is not there"):format(script), failure_of { script })
    assert.equal(("run '%s': Exec format error"):format(text), failure_of { text })
  end)

  it("is one whose directory is not there", function()
    assert.same({ "run 'true' in '/no/where': no such directory", "unreachable" },
      { failure_of({ "true" }, { directory = "/no/where" }) })
  end)

  it("is one of a user that is not there", function()
    assert.same({ "there is no user 'perigee-nobody'", "unreachable" },
      { failure_of({ "true" }, { user = "perigee-nobody" }) })
  end)

  it("is one with more arguments than the system takes #exec", function()
    local message <const>, code <const> = failure_of { "true", ("x"):rep(4 * 1024 * 1024) }
    assert.same({ "run 'true': Argument list too long", "limit" }, { message, code })
  end)

  it("leaves no process", function()
    for _ = 1, 20 do failure_of { "perigee-nowhere" } end
    assert.equal("0", zombies_of(process.pid))
  end)
end)

describe("misuse of process.run", function()
  local kinds <const> = "a connection, listener, datagram socket, descriptor or file"
  for expected, options in pairs {
    ["there is no option 'stdinn'"] = { stdinn = "pipe" },
    [("option 'stdin' must be \"pipe\", \"inherit\", \"null\" or %s, not 'x'"):format(kinds)] = { stdin = "x" },
    ["option 'stderr' is \"stdout\", but stdout is inherited"] = { stdout = "inherit", stderr = "stdout" },
    ["option 'environment' must be a table, not 'A=1'"] = { environment = "A=1" },
    ["option 'environment': 'A' must be a string, or false for none, not table"] = { environment = { A = {} } },
    ["option 'environment': 'A=B' is no name of a variable"] = { environment = { ["A=B"] = "" } },
    ["option 'environment': a zero byte is in its item 1"] = { environment = { A = "\0" }, clear_environment = true },
    ["option 'directory' must be a string, not number"] = { directory = 7 },
    ["option 'descriptors': numbers are integers from 0 to 1023, not 1024"] = { descriptors = { [1024] = io.stdout } },
    ["option 'descriptors': 0 is given twice"] = { descriptors = { [0] = io.stdout } },
    [("option 'descriptors': 3 must be %s, not 'x'"):format(kinds)] = { descriptors = { [3] = "x" } },
    ["option 'grace' must be seconds above 0, not 0"] = { grace = 0 },
  } do
    it("raises: " .. expected, function()
      assert.has_error(function() process.run({ "true" }, options) end, expected)
    end)
  end

  for expected, arguments in pairs {
    ["bad argument 'arguments' (a list expected: the program and its arguments)"] = "ls",
    ["bad argument 'arguments' (item 2 must be a string, not table)"] = { "ls", {} },
    ["option 'arguments': a zero byte is in its item 2"] = { "ls", "a\0b" },
  } do
    it("raises: " .. expected, function()
      assert.has_error(function() process.run(arguments) end, expected)
    end)
  end

  it("is options that are no table", function()
    assert.has_error(function() process.run({ "ls" }, 7) end, "bad argument 'options' (a table expected, got number)")
  end)

  it("is a signal that there is not", function()
    local child <close> = assert(process.run { "true" })
    assert.has_error(function() child:signal "NO" end, "bad argument #1 to 'signal' (there is no signal of this name)")
    child:wait()
  end)
end)

describe("many commands", function()
  helper.leaves_nothing(before_each, after_each)

  it("leave no zombie, whether they are waited for or not", function()
    local count <const> = helper.is_tiny and 100 or 1000
    for index = 1, count do
      local child <const> = assert(process.run({ "true" }, { stdout = "null" }))
      if index % 2 == 0 then assert.same({ exit = 0 }, child:wait()) end
      if index % 50 == 0 then task.sleep(0) end
    end
    helper.eventually(function() return task.counts().children == 0 end)
    assert.equal("0", zombies_of(process.pid))
  end)

  it("run at once", function()
    local children <const> = {}
    for index = 1, 50 do children[index] = assert(process.run({ "cat" }, { stdin = "pipe" })) end
    assert.equal(50, task.counts().children)
    for index, child in ipairs(children) do
      child.stdin:write(index)
      child.stdin:close()
    end
    for index, child in ipairs(children) do assert.equal(tostring(index), child.stdout:read_all()) end
    for _, child in ipairs(children) do child:wait() end
  end)
end)

describe("a process with few descriptors", function()
  it("says so when it can start no more, and starts more when it can", function()
    local output <const>, status <const> = helper.run(("ulimit -n 40; %s run --log-level warn "
      .. "spec/fixtures/few_processes.lua"):format(helper.binary))
    assert.matches("^failed: .* Too many open files\tlimit\n", output)
    assert.matches("\nas before\nagain: ok\n$", output)
    assert.equal(0, status)
  end)
end)

describe("a server that ends", function()
  it("ends what it has started, and gives it no descriptor of its own parent", function()
    local directory <close> = helper.directory { ["parent.lua"] = [[
      local process <const> = require "perigee.process"
      local text <const> = "test ! -e /proc/self/fd/9 && echo closed; exec sleep 1000"
      local child <const> = process.run { "/bin/sh", "-c", text }
      print(child.stdout:read_line(), child.pid)
      child:wait()
    ]] }
    local started <close> = helper.start(("sh -c 'exec 9</dev/null; exec %s run --drain 0 %s/parent.lua'"):format(
      helper.binary, directory))
    local pid <const> = started:wait_for "closed%s(%d+)"
    started:signal "TERM"
    assert.equal(0, started:wait())
    helper.eventually(function()
      local file <close> = io.open("/proc/" .. pid .. "/stat")
      return not file or file:read("a"):find ") Z"
    end)
  end)
end)

describe("a kernel without descriptors of processes", function()
  it("tells of their end by a signal", function()
    local output <const>, status <const> = helper.run(("/usr/bin/python3 spec/fixtures/without_calls.py %s run "
      .. "--log-level error spec/fixtures/unwatched_processes.lua"):format(helper.binary))
    assert.same({ "100 have ended\n1 is killed\n0 zombies\n[0, 1, 2]\n", 0 }, { output, status })
  end)
end)
