local dashboard <const> = require "perigee.cli.dashboard"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local rates <const> = require "perigee.cli.rates"
local screen <const> = require "spec.fixtures.screen"
local workers <const> = require "spec.fixtures.workers"

local function status_of(list, mode)
  return { pid = 1, state = "serving", age = 5, memory = 1 << 20, mode = mode or "shared", workers = list }
end

local function texts_of(lines)
  local texts <const> = {}
  for i, line in ipairs(lines) do texts[i] = line.text end
  return texts
end

--- A sample that has its own times of the processor.
local function sample(at, list, processor, mode)
  return { at = at, status = status_of(list, mode), processor = processor }
end

describe("The rates of a process", function()
  it("are the differences of two samples, each second", function()
    local before <const> = sample(10, { { pid = 7, requests = 100, accepted = 5, datagrams = 0 } }, { [7] = 1.5 })
    local after <const> = sample(12, { { pid = 7, requests = 300, accepted = 5, datagrams = 3 } }, { [7] = 2.5 })
    assert.same({ requests = 100.0, accepted = 0.0, datagrams = 1.5, processor = 0.5 },
      rates.of_worker(after.status.workers[1], before, after))
  end)

  it("are unknown of a worker that was started again, and of one that is silent", function()
    local before <const> = sample(10, { { pid = 7, requests = 100 } }, { [7] = 1.5 })
    local after <const> = sample(12, { { pid = 8, requests = 300 }, { pid = 7 }, {} }, { [8] = 2.5 })
    for _, worker in ipairs(after.status.workers) do assert.same({}, rates.of_worker(worker, before, after)) end
    assert.same({}, rates.of_worker(after.status.workers[1], nil, after))
  end)

  it("count the time of the processor that a process has used", function()
    local before <const> = rates.processor_seconds(require "core.system".pid())
    assert.is_true(before >= 0)
    helper.eventually(function()
      return rates.processor_seconds(require "core.system".pid()) > before or not ("x"):rep(1 << 20):find "y"
    end)
    assert.is_nil(rates.processor_seconds(1 << 30))
  end)
end)

describe("The lines of perigee top", function()
  local OLD <const> = { number = 1, state = "draining", seconds = 2, tasks = 1, holders = { "a connection: x" } }
  local SERVICES <const> = { { name = "chat", generation = 2, reloads = 1, failed_reloads = 0, connections = 3,
    tasks = 4, age = 61, alive = { OLD } } }

  it("have the totals, services, workers, and old code that is alive", function()
    local worker <const> = { worker = 1, pid = 7, state = "serving", connections = 3, tasks = 4, memory = 3 << 20,
      lag = 0.0015, requests = 10, accepted = 4, datagrams = 0, services = SERVICES }
    local later <const> = setmetatable({ requests = 510, accepted = 5 }, { __index = worker })
    local before <const> = sample(1, { worker, { worker = 2, state = "silent" } }, { [7] = 1 })
    assert.same({
      "perigee 1: serving, for 5s, 1.0 MiB",
      "1.0 accepted/s, 500 requests/s, 3 connections, 4 tasks, 25% cpu",
      "",
      "service  generation  since  reloads  connections  tasks",
      "chat              2  1m 1s  1                  3      4",
      "",
      "worker  pid  state    cpu  connections  accepted/s  requests/s  tasks   memory     lag",
      "     1    7  serving  25%            3         1.0         500      4  3.0 MiB  1.5 ms",
      "     2    -  silent     -            -           -           -      -        -       -",
      "",
      "chat, generation 1 in worker 1: draining, replaced 2s ago, 1 task",
      "  a connection: x",
    }, texts_of(dashboard.lines(before, sample(2, { later, { worker = 2, state = "silent" } }, { [7] = 1.25 }))))
  end)

  it("are fewer for a process alone, before something was counted", function()
    local worker <const> = { worker = 0, pid = 7, state = "serving", connections = 0, tasks = 0 }
    assert.same({
      "perigee 1: serving, for 5s, 1.0 MiB",
      "0 connections, 0 tasks, - cpu",
      "",
      "pid  state    cpu  connections  tasks  memory  lag",
      "  7  serving    -            0      0       -    -",
    }, texts_of(dashboard.lines(nil, sample(1, { worker }, {}, "single"))))
  end)

  it("are cut to the size of the window, and say so", function()
    local lines <const> = { { text = "abcdef" }, { text = "äöü", is_title = true }, { text = "3" }, { text = "4" } }
    assert.same({ { text = "abc…" }, { text = "äöü", is_title = true }, { text = "... …" } },
      { dashboard.fit(lines, 4, 3)[1], dashboard.fit(lines, 4, 3)[2], dashboard.fit(lines, 5, 3)[3] })
    assert.same({ "abcdef", "äöü", "... 2 more lines" }, texts_of(dashboard.fit(lines, 40, 3)))
    assert.same(texts_of(lines), texts_of(dashboard.fit(lines, 40, 4)))
    assert.same({}, dashboard.fit(lines, 40, 0))
  end)
end)

describe("perigee top", function()
  helper.leaves_nothing(before_each, after_each)

  it("prints a block for each look where there is no terminal", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 1")
    process:serving()
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    conn:read_line()
    local output <const>, status <const> = process:command "top --interval 0.1 --count 2"
    assert.equal(0, status)
    local _, blocks <const> = output:gsub("perigee %d+: serving, for ", "")
    assert.equal(2, blocks)
    assert.matches("\n%- accepted/s, 1 connection, 1 task, %- cpu\n", output)
    assert.matches("\n0.0 accepted/s, 1 connection, 1 task, %d+%% cpu\n", output)
    assert.matches("\nservice  +1  .-\nworker .-\n     1  %d+  serving  ", (output:gsub("\n\n", "\n")))
    assert.is_nil(output:find "\27")
  end)

  it("says when nothing runs", function()
    assert.same({ "perigee: connect to unix:/nowhere/control: No such file or directory\n", 1 },
      { helper.run(helper.binary .. " top --control /nowhere/control") })
  end)

  for _, interval in ipairs { "0", "x", "-1" } do
    it(("does not take an interval of %s"):format(interval), function()
      local output <const>, status <const> = helper.run(("%s top --interval=%s"):format(helper.binary, interval))
      assert.same({ ("perigee: option --interval: seconds from 0.1 to 86400, got '%s'\n"):format(interval), 2 },
        { output, status })
    end)
  end

  --- The command on a screen, after a line that it has to leave as it was.
  local function show(process, arguments)
    local look <const> = "stty -a | grep -o '.icanon'"
    return screen.start(("%s; echo before; %s top --control %s %s; %s"):format(look, helper.binary, process.control,
      arguments or "", look))
  end

  local BEFORE <const> = "^ icanon\nbefore\n icanon\nexit=0$"

  for what, key in pairs { q = "q", ["Ctrl-C"] = "C-c" } do
    it(("takes the screen, shows what changes, and gives it back at %s"):format(what), function()
      local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 1")
      process:serving()
      local top <close> = show(process, "--interval 0.1")
      top:expect "^perigee %d+: serving.-\n0 connections"
      local conn <const> = assert(net.connect(address, { timeout = 20 }))
      top:expect "accepted/s, 1 connection,"
      conn:close()
      top:expect "accepted/s, 0 connections,"
      assert.is_nil(top:text():find "before")
      top:press "x"
      top:press(key)
      top:expect(BEFORE)
    end)
  end

  it("follows the size of the window", function()
    local process <close> = workers.serve(workers.ECHO, "--workers 8")
    process:serving()
    local top <close> = show(process, "--interval 600")
    top:expect "     8  %d+  serving"
    top:resize(40, 10)
    top:expect "^perigee [^\n]*\n[^\n]*\n\nservice [^\n]*…\n.-%.%.%. %d+ more lines$"
    for line in top:text():gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= 40) end
    top:resize(100, 40)
    top:expect "     8  %d+  serving"
    top:press "q"
    top:expect(BEFORE)
  end)

  it("looks again at once when the space bar is pressed", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 1")
    process:serving()
    local top <close> = show(process, "--interval 600")
    top:expect "0 connections"
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    conn:read_line()
    top:press "Space"
    top:expect "1 connection,"
    top:press "q"
    top:expect(BEFORE)
  end)

  it("gives the screen back when the process ends, and when it is ended itself", function()
    local process <close> = workers.serve(workers.ECHO, "--workers 1")
    process:serving()
    local top <close> = show(process, "--interval 0.1")
    top:expect "serving"
    process:command "stop"
    top:expect "^ icanon\nbefore\nperigee: connect to unix:[^\n]*control.*\n icanon\nexit=0$"
    local other <close> = workers.serve(workers.ECHO, "--workers 1")
    other:serving()
    local second <close> = screen.start(("echo before; %s top --control %s & read _; kill %%1; wait %%1"):format(
      helper.binary, other.control))
    second:expect "serving"
    second:press "Enter"
    second:expect "^before.*exit=143$"
  end)
end)
