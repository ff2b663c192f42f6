local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local workers <const> = require "spec.fixtures.workers"

local CLIENTS <const> = 24 -- so many that the kernel would have chosen each worker

--- A script that says which worker serves, and a text, and then echoes.
local function says(text, url)
  return ([[
    local net <const>, service <const> = require "perigee.net", require "perigee.service"
    net.serve("%s", function(conn)
      conn:write(service.worker, " %s\n")
      conn:pipe(conn)
    end)
  ]]):format(url or "tcp://127.0.0.1:0", text)
end

local ALONE <const> = 'require "perigee.service".in_one_worker()\n'

local function alone(...)
  return ALONE .. says(...)
end

local function greeted(address)
  local conn <const> = assert(net.connect(address, { timeout = 20 }))
  return conn, conn:read_line()
end

--- Asserts that many clients, all connected at once, hear the same.
local function assert_all_hear(expected, address)
  local clients <const> = {}
  for i = 1, CLIENTS do clients[i] = assert(net.connect(address, { timeout = 20 })) end
  for _, conn in ipairs(clients) do
    assert.equal(expected, conn:read_line())
    conn:close()
  end
end

--- Connects until each of two workers has said something else.
local function both_hear(address)
  local said <const> = {}
  helper.eventually(function()
    local conn <close>, line <const> = greeted(address)
    local number <const>, text <const> = line:match "^(%d+) (.*)$"
    said[math.tointeger(tonumber(number))] = text
    return conn and said[1] and said[2]
  end)
  return said
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local function reloaded(process, text)
  write(process.script, text)
  local output <const>, status <const> = process:command "reload"
  if status ~= 0 then error(output, 2) end
end

local function pid_of(process, number)
  return process:status().workers[number].pid
end

local function restart(process, number)
  local before <const> = process:serving().workers[number]
  os.execute("kill -9 " .. before.pid)
  process:status_when(function(status)
    local worker <const> = status.workers[number]
    return worker.restarts > before.restarts and worker.state == "serving"
  end)
end

local function has_ended(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  return not file or file:read "a":find "%) Z "
end

--- Upgrades, and waits until the old processes get no clients any more.
local function upgrade(process)
  local pid <const> = process:serving().pid
  local output <const>, status <const> = process:command "upgrade"
  assert.equal(0, status, output)
  helper.eventually(function() return has_ended(pid) end)
  process:serving()
end

for _, mode in ipairs { "--workers 2", "--workers 2 --balance" } do
  describe(("a script in one worker, with %s,"):format(mode), function()
    helper.leaves_nothing(before_each, after_each)

    local function serve(text, more)
      local process <const>, address <const> = workers.serve(text, ("--drain 0 %s %s"):format(mode, more or ""))
      process:serving()
      return process, address
    end

    it("is served by the first alone, as the log and the status say", function()
      local process <close>, address <const> = serve(alone "one")
      assert_all_hear("1 one", address)
      process:wait_for("listening address=" .. address .. " workers=1\n")
      local status <const> = process:serving()
      assert.same({ nil, true }, { status.workers[1].services[1].elsewhere, status.workers[2].services[1].elsewhere })
      assert.same({}, status.workers[2].listeners)
      assert.equal(0, status.workers[2].services[1].tasks)
      assert.matches("\nservice %(worker 1%) +1 ", (process:command "status"))
    end)

    it("is served again when that is killed, with those who have waited", function()
      local process <close>, address <const> = serve(alone "one")
      local pid <const> = pid_of(process, 1)
      os.execute("kill -STOP " .. pid)
      local waiting <const> = {}
      if not mode:find "balance" then -- what is passed to a process that is killed then is lost
        for i = 1, CLIENTS do waiting[i] = assert(net.connect(address, { timeout = 20 })) end
      end
      os.execute("kill -9 " .. pid)
      for _, conn in ipairs(waiting) do
        assert.equal("1 one", conn:read_line())
        conn:close()
      end
      process:status_when(function(status) return status.workers[1].restarts == 1 end)
      assert_all_hear("1 one", process:serving() and address)
      restart(process, 2)
      assert_all_hear("1 one", address)
    end)

    it("is reloaded as others are", function()
      local process <close>, address <const> = serve(alone "one")
      for i = 2, 4 do
        reloaded(process, alone(i))
        assert_all_hear("1 " .. i, address)
      end
      restart(process, 1)
      assert_all_hear("1 4", address)
      reloaded(process, alone("five", address))
      restart(process, 2)
      assert_all_hear("1 five", address)
    end)

    it("may begin to be, and cease, at the same address", function()
      local process <close>, address <const> = serve(says "one")
      for _ = 1, 2 do
        both_hear(address)
        reloaded(process, alone "two")
        assert_all_hear("1 two", address)
        restart(process, 2)
        assert_all_hear("1 two", address)
        restart(process, 1)
        assert_all_hear("1 two", address)
        reloaded(process, says "three")
        assert.same({ "three", "three" }, both_hear(address))
        restart(process, 1)
        restart(process, 2)
        assert.same({ "three", "three" }, both_hear(address))
      end
    end)

    it("may begin to be and cease while clients come", function()
      local process <close>, address <const> = serve(says "one")
      local is_over, count = false, 0
      local coming <const> = task.spawn(function()
        while not is_over do
          local conn <close>, line <const> = greeted(address)
          assert(conn and line)
          count = count + 1
        end
        return true
      end)
      for i = 1, 4 do
        local before <const> = count
        reloaded(process, (i % 2 == 1 and alone or says)(i))
        helper.eventually(function() return count > before + 20 end)
      end
      is_over = true
      assert(coming:join())
    end)

    it("leaves those who are elsewhere when it begins to be in one the time to end", function()
      local process <close>, address <const> = serve(says "one")
      local conn, line
      helper.eventually(function()
        if conn then conn:close() end
        conn, line = greeted(address)
        return line == "2 one"
      end)
      reloaded(process, alone "two")
      conn:write "still there"
      assert.equal("still there", conn:read(11))
      conn:close()
    end)

    it("is left as it is by a reload that fails in the first, and by --dry-run", function()
      local process <close>, address <const> = serve(alone "one")
      write(process.script, alone "two" .. "error 'not today'")
      local output <const>, status <const> = process:command "reload"
      assert.equal(1, status)
      assert.matches("service.lua:7: not today", output)
      assert_all_hear("1 one", address)
      write(process.script, alone "two" .. says "more")
      local plan <const> = process:command "reload --dry-run"
      assert.matches("listener +" .. address:gsub("%p", "%%%0") .. " +kept", plan)
      assert.matches("listener +%S+ +opened", plan)
      assert_all_hear("1 one", address)
    end)

    it("is left to the first when others fail that are to begin to serve it", function()
      local process <close>, address <const> = serve(alone "one")
      for _ = 1, 2 do
        write(process.script, says "two" .. "if service.worker == 2 then error 'not me' end")
        local output <const>, status <const> = process:command "reload"
        assert.equal(1, status)
        assert.matches("not me", output)
        assert_all_hear("1 one", address)
        write(process.script, says "two")
        assert.equal("service: 2 changes", (process:command "reload --dry-run"):match "^[^\n]*")
        assert_all_hear("1 one", address)
        restart(process, 1)
        assert_all_hear("1 one", address)
      end
      reloaded(process, says "three")
      assert.same({ "three", "three" }, both_hear(address))
    end)

    it("serves those who come while others are prepared to serve it too", function()
      local process <close>, address <const> = serve(alone "one")
      write(process.script, says "two" .. [[
        local task <const> = require "perigee.task"
        while service.worker == 2 and not io.open(service.path "go") do task.sleep(0.01) end
        if service.worker == 2 then error "not me" end
      ]])
      local reloading <const> = task.spawn(function() return process:command "reload" end)
      process:status_when(function(status) return #status.workers[2].listeners == 1 end)
      assert_all_hear("1 one", address)
      write(tostring(process.directory) .. "/go", "")
      assert.matches("not me", (reloading:join()))
      assert_all_hear("1 one", address)
    end)

    it("keeps its address when the first is killed while others cannot load what they are to serve too", function()
      local wait_while_slow <const> = [[
        local slow <const> = require "perigee.service".path "slow"
        while io.open(slow) do require "perigee.task".sleep(0.01) end
      ]]
      local process <close>, address <const> = serve(ALONE .. wait_while_slow .. says "one")
      local slow <const>, go <const> = tostring(process.directory) .. "/slow", tostring(process.directory) .. "/go"
      write(process.script, says "two" .. [[
        local task <const> = require "perigee.task"
        while service.worker == 2 and not io.open(service.path "go") do task.sleep(0.01) end
        if service.worker == 2 then error "not me" end
      ]])
      local reloading <const> = task.spawn(function() return process:command "reload" end)
      process:status_when(function(status) return #status.workers[2].listeners == 1 end)
      write(slow, "")
      os.execute("kill -9 " .. pid_of(process, 1))
      process:status_when(function(status)
        return status.workers[1].restarts == 1 and status.workers[1].tasks -- it answers
      end)
      write(go, "")
      assert.matches("not me", (reloading:join()))
      os.remove(slow)
      process:serving()
      assert_all_hear("1 one", address)
    end)

    it("keeps its clients waiting while the first cannot be started, and is mended by a reload", function()
      local process <close>, address <const> = serve(alone "one" ..
        "if io.open(service.path 'broken') then error 'no' end")
      local broken <const> = tostring(process.directory) .. "/broken"
      write(broken, "")
      os.execute("kill -9 " .. pid_of(process, 1))
      process:wait_for "crash loop: [^\n]*seconds=0.4 worker=1\n"
      local clients <const> = {}
      for i = 1, CLIENTS do clients[i] = assert(net.connect(address, { timeout = 20 })) end
      reloaded(process, alone("two", address))
      for _, conn in ipairs(clients) do
        assert.equal("1 two", conn:read_line())
        conn:close()
      end
      process:serving()
      assert_all_hear("1 two", address)
      reloaded(process, says("three", address))
      assert.same({ "three", "three" }, both_hear(address))
    end)

    it("may begin to be while the first cannot be started", function()
      local process <close>, address <const> = serve(says "one" ..
        "if service.worker == 1 and io.open(service.path 'broken') then error 'no' end")
      write(tostring(process.directory) .. "/broken", "")
      os.execute("kill -9 " .. pid_of(process, 1))
      process:wait_for "crash loop: [^\n]*worker=1\n"
      assert_all_hear("2 one", address)
      reloaded(process, alone("two", address))
      assert_all_hear("1 two", address)
      restart(process, 1)
      assert_all_hear("1 two", address)
    end)

    it("is served at a Unix socket", function()
      local path <const> = helper.temporary_name()
      local process <close>, address <const> = serve(alone("one", "unix:" .. path))
      assert_all_hear("1 one", address)
      restart(process, 1)
      assert_all_hear("1 one", address)
      reloaded(process, says("two", "unix:" .. path))
      both_hear(address)
      reloaded(process, alone("three", "unix:" .. path))
      assert_all_hear("1 three", address)
    end)

    it("answers datagrams", function()
      local text <const> = [[
        local net <const>, service <const> = require "perigee.net", require "perigee.service"
        net.serve("udp://127.0.0.1:0", function(message) return message .. service.worker end)
      ]]
      local process <close>, address <const> = serve(text)
      local function assert_first_answers()
        for i = 1, CLIENTS do
          local socket <close> = assert(net.udp(nil, { connect = address, timeout = 20 }))
          socket:send(tostring(i))
          assert.equal(i .. "1", socket:receive())
        end
      end
      reloaded(process, ALONE .. text)
      assert_first_answers()
      restart(process, 1)
      assert_first_answers()
      upgrade(process)
      assert_first_answers()
    end)

    it("survives upgrades, also those in which it begins or ceases to be", function()
      local process <close>, address <const> = serve(says "one")
      for i, form in ipairs { alone, alone, says } do
        write(process.script, form(i))
        upgrade(process)
        if form == alone then assert_all_hear("1 " .. i, address) end
      end
      assert.same({ "3", "3" }, both_hear(address))
    end)

    it("stands beside others, which all serve", function()
      local directory <close> = helper.directory { ["all.lua"] = says "all" }
      local process <close>, address <const> = serve(alone "one", tostring(directory) .. "/all.lua")
      local other <const> = process:wait_for "info +all +listening address=(%S+) workers=2"
      local first <const> = process:wait_for "info +service +listening address=(%S+) workers=1"
      assert.truthy(address)
      assert.same({ "all", "all" }, both_hear(other))
      assert_all_hear("1 one", first)
    end)
  end)
end

describe("service.in_one_worker", function()
  helper.leaves_nothing(before_each, after_each)

  it("ends nothing where there are no workers", function()
    local process <close>, address <const> = workers.serve(alone "one", "")
    assert_all_hear("0 one", address)
    process:signal "TERM"
    assert.equal(0, process:wait())
  end)

  it("leaves workers idle in which nothing else is served, until the first has ended by itself", function()
    local text <const> = ALONE .. [[
      local service <const>, task <const> = require "perigee.service", require "perigee.task"
      while not io.open(service.path "end") do task.sleep(0.01) end
      print "done"
    ]]
    local process <close> = workers.start(text, "--workers 3")
    process:wait_for "worker started [^\n]*worker=3\n"
    process:status_when(function(status)
      return status.workers[2] and status.workers[2].state == "serving" and status.workers[3].state == "serving"
    end)
    assert.same({ 0, 0 }, { process:status().workers[2].restarts, process:status().workers[3].restarts })
    write(tostring(process.directory) .. "/end", "")
    assert.equal(0, process:wait())
    local _, count <const> = process:output():gsub("done\n", "")
    assert.equal(1, count)
  end)

  it("has what came before it end in the other workers", function()
    local text <const> = [[
      local service <const>, task <const> = require "perigee.service", require "perigee.task"
      local options <const> = service.options { name = "x" }
      service.on_stop(function() print("stopped in " .. service.worker) end)
      task.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() print("ended in " .. service.worker) end })
        task.sleep(1000)
      end)
      task.sleep(0)
    ]]
    local process <close> = workers.serve(text .. alone "one", "--workers 2 --set service.name=y")
    process:wait_for "ended in 2\n"
    assert.same({}, process:status().workers[2].listeners)
    process:command "stop"
    process:wait()
    assert.matches("stopped in 1\n", process:output())
    assert.is_nil(process:output():find "stopped in 2" or process:output():find "error")
  end)

  it("cannot be caught: nothing is served then", function()
    local text <const> = 'pcall(require "perigee.service".in_one_worker)\n' .. says "one"
    local process <close>, address <const> = workers.serve(text, "--workers 2")
    assert_all_hear("1 one", address)
    assert.same({}, process:serving().workers[2].listeners)
  end)

  it("may stand before the options", function()
    local text <const> = ALONE .. 'require "perigee.service".options { a = 1 }\n' .. says "one"
    local _ <close>, address <const> = workers.serve(text, "--workers 2 --set service.a=2")
    assert_all_hear("1 one", address)
  end)

  it("cannot come after what is served, also without workers", function()
    for _, arguments in ipairs { "", "--workers 2" } do
      local process <close> = workers.start(says "one" .. ALONE, arguments)
      assert.equal(1, process:wait())
      assert.matches("service.lua:%d+: in_one_worker is to be called before anything is served", process:output())
    end
  end)

  it("cannot come after the main chunk", function()
    local text <const> = [[
      local service <const> = require "perigee.service"
      require "perigee.task".spawn(function()
        require "perigee.task".sleep(0.01)
        print(pcall(service.in_one_worker))
      end)
    ]]
    local process <close> = workers.start(text, "")
    process:wait_for "false\t.-in_one_worker is to be called while the main chunk runs"
  end)

  it("fails with a process for each client, and says why", function()
    local process <close> = workers.start(alone "one", "--process-per-client")
    assert.equal(1, process:wait())
    assert.matches("service.lua:1: in_one_worker: with %-%-process%-per%-client each client has a process of its " ..
      "own, and the clients of [^ ]+service.lua are to meet in one: run it with %-%-workers, or without both",
      process:output())
  end)

  it("ends the supervisor when the only worker that would serve cannot load", function()
    local process <close> = workers.start(ALONE .. "error 'no such thing'", "--workers 3")
    assert.equal(1, process:wait())
    local _, count <const> = process:output():gsub("no such thing", "")
    assert.equal(1, count, process:output())
  end)

  it("gives a worker that is started again the files that the first has read", function()
    local text <const> = ALONE .. [[
      local said <const> = require "said"
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn) conn:write("1 ", said, "\n") end)
    ]]
    local files <const> = { ["said.lua"] = "return 'one'" }
    local process <close>, address <const> = workers.serve(text, "--workers 3", nil, nil, files)
    write(tostring(process.directory) .. "/said.lua", "error 'never loaded'")
    restart(process, 1)
    assert_all_hear("1 one", address)
  end)

  it("passes perigee check", function()
    local directory <close> = helper.directory { ["one.lua"] = alone "one" }
    local output <const>, status <const> = helper.run(("%s check %s/one.lua"):format(helper.binary, directory))
    assert.same({ tostring(directory) .. "/one.lua: ok\n", 0 }, { output, status })
  end)

  it("does nothing in a spec", function()
    assert.is_nil(require "perigee.service".in_one_worker())
  end)
end)
