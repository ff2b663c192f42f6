local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local workers <const> = require "spec.fixtures.workers"

-- For scripts that end their process at once: what they leave is no leak.
local LEAVES_MEMORY <const> = "ASAN_OPTIONS=detect_leaks=0 "

local function connect(address)
  return assert(net.connect(address, { timeout = 20 }))
end

--- A client, and the number of the worker that serves it.
local function greeted(address)
  local conn <const> = connect(address)
  return conn, math.tointeger(tonumber(conn:read_line()))
end

--- Connects until each of the workers has a client: clients by worker.
local function one_client_each(address, count)
  local clients <const>, have = {}, 0
  helper.eventually(function()
    local conn <const>, number <const> = greeted(address)
    if clients[number] then
      conn:close()
    else
      clients[number], have = conn, have + 1
    end
    return have == count
  end)
  return clients
end

local function echoes(conn, text)
  conn:write(text)
  return conn:read(#text) == text
end

local function close_all(clients)
  for _, conn in pairs(clients) do conn:close() end
end

local function pid_of(status, number)
  return status.workers[number].pid
end

local function kill(pid)
  os.execute("kill -9 " .. pid)
end

describe("workers", function()
  helper.leaves_nothing(before_each, after_each)

  it("serve one port together, also one that the system chose", function()
    local _ <close>, address <const> = workers.serve(workers.ECHO, "--workers 2")
    local clients <const> = one_client_each(address, 2)
    assert.is_true(echoes(clients[1], "one") and echoes(clients[2], "two"))
    close_all(clients)
  end)

  it("that are killed take only their own connections along, and are started again", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 2")
    local before <const> = process:serving()
    local clients <const> = one_client_each(address, 2)
    kill(pid_of(before, 1))
    assert.is_nil(clients[1]:read(1))
    assert.is_true(echoes(clients[2], "still here"))
    local after <const> = process:status_when(function(status)
      return status.workers[1].restarts == 1 and status.workers[1].state == "serving"
    end)
    assert.equal(pid_of(before, 2), pid_of(after, 2))
    assert.same({ 1, 0 }, { after.workers[1].restarts, after.workers[2].restarts })
    process:wait_for "worker ended.*signal=SIGKILL worker=1"
    close_all(clients)
    close_all(one_client_each(address, 2))
  end)

  it("that are killed lose none of the clients who wait to be accepted", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 1")
    local stopped <const> = pid_of(process:serving(), 1)
    os.execute("kill -STOP " .. stopped)
    local waiting <const> = {}
    for i = 1, 20 do waiting[i] = connect(address) end
    kill(stopped)
    for _, conn in ipairs(waiting) do
      assert.equal("1", conn:read_line())
      assert.is_true(echoes(conn, "served after all"))
    end
    close_all(waiting)
  end)

  it("share a Unix socket, which is removed at the end", function()
    local path <const> = helper.temporary_name()
    local text <const> = workers.ECHO:gsub("tcp://127.0.0.1:0", "unix:" .. path)
    local process <close>, address <const> = workers.serve(text, "--workers 2")
    assert.equal("unix:" .. path, address)
    close_all(one_client_each(address, 2))
    assert.same({ ("stopped %d\n"):format(process.pid), 0 }, { process:command "stop" })
    assert.equal(0, process:wait())
    assert.is_nil(system.file_kind(path))
  end)

  it("answer datagrams", function()
    local text <const> = [[require "perigee.net".serve("udp://127.0.0.1:0", function(message) return message end)]]
    local process <close>, address <const> = workers.serve(text, "--workers 2")
    for i = 1, 20 do
      local socket <close> = assert(net.udp(nil, { connect = address, timeout = 20 }))
      socket:send("datagram " .. i)
      assert.equal("datagram " .. i, socket:receive())
    end
    assert.is_false(process:has_ended())
  end)

  it("get the failure of a bind as if they had bound themselves", function()
    local taken <close> = assert(net.serve("tcp://127.0.0.1:0", function() end))
    local text <const> = ('print(pcall(require "perigee.net".serve, "%s", print))'):format(taken.address)
    for _, arguments in ipairs { "", "--workers 2" } do
      local process <close> = workers.start(text, arguments)
      process:wait_for(("false\tlisten on %s: Address already in use"):format(taken.address))
    end
  end)

  it("cannot serve one address twice", function()
    local text <const> = [[
      local net <const> = require "perigee.net"
      local path <const> = "unix:@perigee-spec-" .. math.random(1 << 40)
      net.serve(path, print)
      print(pcall(net.serve, path, print))
    ]]
    local process <close> = workers.start(text, "--workers 1")
    process:wait_for "false\tlisten on unix:@perigee%-spec%-%d+: Address already in use\n"
  end)

  it("can serve an address again that they have closed", function()
    local text <const> = [[
      local net <const> = require "perigee.net"
      local first <const> = net.serve("tcp://127.0.0.1:0", print)
      local at <const> = tostring(first.address)
      first:close()
      net.serve("tcp://127.0.0.1:0", function(conn) conn:write "again" end)
      print("same", at == tostring(net.serve("tcp://127.0.0.1:0", print).address))
    ]]
    local process <close>, address <const> = workers.serve(text, "--workers 2")
    process:wait_for "same\tfalse"
    assert.equal("again", connect(address):read_all())
  end)
end)

describe("scripts that cannot be loaded by workers", function()
  helper.leaves_nothing(before_each, after_each)

  it("end the supervisor with 1, and their error is told once", function()
    local process <close> = workers.start('error "no such thing"', "--workers 3")
    assert.equal(1, process:wait())
    local _, count <const> = process:output():gsub("no such thing", "")
    assert.equal(1, count, process:output())
  end)

  it("are told of when the process ends while they are loaded", function()
    local process <close> = workers.start("os.exit(7)", "--workers 1", LEAVES_MEMORY)
    assert.equal(1, process:wait())
    assert.truthy(process:output():find("the worker ended before its scripts were loaded exit=7", 1, true))
  end)

  it("may end by themselves", function()
    local process <close> = workers.start("print 'done'", "--workers 2")
    assert.equal(0, process:wait())
    local _, count <const> = process:output():gsub("done\n", "")
    assert.equal(2, count)
  end)
end)

describe("a worker that dies again and again", function()
  helper.leaves_nothing(before_each, after_each)

  it("is a crash loop, which is told of and slowed down", function()
    local text <const> = workers.ECHO .. [[
      local task <const> = require "perigee.task"
      task.spawn(function() task.sleep(0.02) os.exit(9) end)
    ]]
    local process <close> = workers.serve(text, "--workers 1", LEAVES_MEMORY)
    for _, seconds in ipairs { "0.1", "0.2", "0.4" } do
      process:wait_for("crash loop: [^\n]* exit=9 [^\n]*seconds=" .. seconds .. " worker=1\n")
    end
    process:status_when(function(status) return status.workers[1].state == "waiting" end)
    process:signal "TERM"
    assert.equal(0, process:wait())
  end)
end)

describe("the clients of a worker that cannot be started", function()
  helper.leaves_nothing(before_each, after_each)

  it("are served by the others meanwhile", function()
    local text <const> = workers.ECHO .. [[
      local task <const> = require "perigee.task"
      if service.worker == 1 then task.spawn(function() task.sleep(0.02) os.exit(9) end) end
    ]]
    local process <close>, address <const> = workers.serve(text, "--workers 2")
    process:wait_for "crash loop: [^\n]*seconds=1.6 worker=1\n"
    local clients <const> = {}
    for i = 1, 20 do
      local conn <const>, number <const> = greeted(address)
      clients[i] = conn
      assert.equal(2, number)
      assert.is_true(echoes(conn, "all is well"))
    end
    close_all(clients)
  end)
end)

describe("a supervisor", function()
  helper.leaves_nothing(before_each, after_each)

  it("stops its workers gracefully when it is told to", function()
    local text <const> = [[
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
        conn:write "began\n"
        conn:read_line()
        conn:write "finished\n"
      end)
    ]]
    for _, signal in ipairs { "TERM", "INT" } do
      local process <close>, address <const> = workers.serve(text, "--workers 2")
      local conn <close> = connect(address)
      assert.equal("began", conn:read_line())
      process:signal(signal)
      process:wait_for("stopping signal=SIG" .. signal)
      helper.eventually(function() return not net.connect(address) end)
      conn:write "\n"
      assert.equal("finished", conn:read_line())
      assert.equal(0, process:wait())
    end
  end)

  it("kills what does not end", function()
    local text <const> = workers.HTTP .. [[
      require "perigee.service".on_stop(function() print "stuck" while true do end end)
    ]]
    local process <close> = workers.serve(text, "--workers 1 --drain 0")
    process:signal "TERM"
    process:wait_for "the worker does not end: it is killed worker=1"
    assert.equal(0, process:wait())
  end)

  it("that is killed leaves no worker behind", function()
    local process <close> = workers.serve(workers.ECHO, "--workers 2")
    local status <const> = process:serving()
    process:signal "KILL"
    for _, worker in ipairs(status.workers) do
      helper.eventually(function() return not io.open(("/proc/%d/stat"):format(worker.pid)) end)
    end
  end)

  it("shows its workers", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 2")
    local clients <const> = one_client_each(address, 2)
    local status <const> = process:serving()
    assert.same({ { service = "service", address = address } }, status.listeners)
    for number, worker in ipairs(status.workers) do
      assert.same({ number, 0, 1 }, { worker.worker, worker.restarts, worker.connections })
      assert.is_true(worker.memory > 1000000 and worker.age >= 0)
    end
    local text <const> = process:command "status"
    assert.truthy(text:find(("perigee %d: serving"):format(process.pid), 1, true))
    assert.truthy(text:find("\n  service  " .. address .. "\n", 1, true))
    assert.truthy(text:find("\n +1 +%d+ +serving +%d+s +0 +1 +0 +%d+%.%d MiB"))
    close_all(clients)
  end)

  it("keeps its control socket from others, and says so when there is none", function()
    local process <close> = workers.serve(workers.ECHO, "--workers 1")
    assert.equal("srw-------", helper.run("ls -l " .. process.control):match "^%S+")
    local output <const>, code <const> = helper.run(helper.binary .. " status --control /nowhere/at.all")
    assert.same({ "perigee: connect to unix:/nowhere/at.all: No such file or directory\n", 1 }, { output, code })
    process:signal "TERM"
    process:wait()
    assert.is_nil(system.file_kind(process.control))
  end)

  it("does not start when another one has its control socket", function()
    local process <close> = workers.serve(workers.ECHO, "--workers 1")
    local output <const>, code <const> = helper.run(("%s run --workers 1 --control %s %s"):format(helper.binary,
      process.control, process.script))
    assert.equal(1, code)
    assert.truthy(output:find "no control socket reason=\"listen on unix:[^ ]+: Address already in use\"")
    assert.equal("serving", process:serving().state)
  end)
end)
