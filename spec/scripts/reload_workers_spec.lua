local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local task <const> = require "perigee.task"
local workers <const> = require "spec.fixtures.workers"

--- A script that says which worker serves, and a text.
local function says(text, url, options)
  return ([[
    require "perigee.net".serve("%s", function(conn)
      conn:write(require "perigee.service".worker, " %s")
    end, %s)
  ]]):format(url or "tcp://127.0.0.1:0", text, options or "nil")
end

local function ask(address)
  local conn <close> = assert(net.connect(address, { timeout = 20 }))
  return (conn:read_all())
end

--- What each of two workers says.
local function ask_both(address)
  local said <const> = {}
  helper.eventually(function()
    local number <const>, text <const> = (ask(address) or ""):match "^(%d+) (.*)$"
    if number then said[math.tointeger(tonumber(number))] = text end
    return said[1] and said[2]
  end)
  return said
end

local function refuses(address)
  local conn <const>, _ <const>, code <const> = net.connect(address, { timeout = 20 })
  if conn then conn:close() end
  return conn == nil and code
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local function reload(process, text, words)
  if text then write(process.script, text) end
  return process:command("reload " .. (words or ""))
end

local function reloaded(process, text, words)
  local output <const>, status <const> = reload(process, text, words)
  if status ~= 0 then error(output, 2) end
  return output
end

local function refused(process, text, words)
  local output <const>, status <const> = reload(process, text, words)
  assert.equal(1, status)
  return output
end

local function restart(process, number)
  local before <const> = process:serving()
  os.execute("kill -9 " .. before.workers[number].pid)
  process:status_when(function(status)
    local worker <const> = status.workers[number]
    return worker.restarts > before.workers[number].restarts and worker.state == "serving"
  end)
end

local MODES <const> = { ["--workers 2"] = "shared sockets", ["--workers 2 --balance"] = "balanced clients" }

for arguments, called in pairs(MODES) do
  describe(("a reload of workers with %s"):format(called), function()
    helper.leaves_nothing(before_each, after_each)

    local function serve(text, more)
      local process <const>, address <const> = workers.serve(text, ("--drain 0 %s %s"):format(arguments, more or ""))
      process:serving()
      return process, address
    end

    it("reaches all, at the same address, again and again", function()
      local process <close>, address <const> = serve(says "one")
      for i = 2, 6 do
        assert.equal(("reloaded service: generation %d\n"):format(i), reloaded(process, says(i)))
        assert.same({ tostring(i), tostring(i) }, ask_both(address))
      end
    end)

    it("reaches none when one fails", function()
      local process <close>, address <const> = serve(says "one")
      local output <const> = refused(process, says "two" ..
        "\nif require 'perigee.service'.worker == 2 then error 'not me' end")
      assert.matches("service.lua:5: not me\n.*in main chunk", output)
      assert.same({ "one", "one" }, ask_both(address))
      refused(process, says "two" .. "\nif require 'perigee.service'.worker == 1 then error 'not me' end")
      assert.same({ "one", "one" }, ask_both(address))
      reloaded(process, says "three")
      assert.same({ "three", "three" }, ask_both(address))
    end)

    it("asks one that is being started again, too", function()
      local waits <const> = says "one" .. [[
        local service <const>, task <const> = require "perigee.service", require "perigee.task"
        while service.worker == 2 and io.open(service.path "wait") do task.sleep(0.002) end
      ]]
      local process <close>, address <const> = serve(waits, "--log-level debug")
      local gate <const> = tostring(process.directory) .. "/wait"
      write(gate, "")
      os.execute("kill -9 " .. process:status().workers[2].pid)
      process:status_when(function(status) return status.workers[2].state == "loading" end)
      write(process.script, says "two" .. "\nif require 'perigee.service'.worker == 2 then error 'not me' end")
      local output, status
      local asking <const> = task.spawn(function() output, status = process:command "reload" end)
      process:wait_for "control command=reload"
      os.remove(gate)
      asking:join()
      assert.equal(1, status)
      assert.matches("service.lua:5: not me", output)
      assert.same({ "one", "one" }, ask_both(address))
    end)

    it("reaches none when one is killed while it loads", function()
      local process <close>, address <const> = serve(says "one")
      local output <const> = refused(process, says "two" ..
        "\nif require 'perigee.service'.worker == 2 then os.execute 'kill -9 $PPID' require 'perigee.task'.sleep(60)" ..
        "\nend")
      assert.matches("the worker has ended", output)
      process:serving()
      assert.same({ "one", "one" }, ask_both(address))
      reloaded(process, says "three")
      assert.same({ "three", "three" }, ask_both(address))
    end)

    it("reaches one that was killed when it had loaded, and is started again meanwhile", function()
      local process <close>, address <const> = serve(says "one")
      local go <const> = tostring(process.directory) .. "/go"
      write(process.script, says "two" .. [[
        local service <const>, task <const> = require "perigee.service", require "perigee.task"
        if service.worker == 2 then print "two is ready" end
        while service.worker == 2 and not io.open(service.path "go") do task.sleep(0.002) end
      ]])
      local reloading <const> = task.spawn(function() return process:command "reload" end)
      process:wait_for "two is ready"
      os.execute("kill -9 " .. process:status().workers[1].pid)
      process:status_when(function(status)
        return status.workers[1].restarts == 1 and status.workers[1].state == "serving"
      end)
      write(go, "")
      assert.matches("reloaded", (reloading:join()))
      helper.eventually(function() return table.concat(ask_both(address), " ") == "two two" end)
      assert.equal(1, process:serving().workers[1].restarts)
    end)

    it("leaves a worker that is started again the code of its siblings, whatever the files are", function()
      local process <close>, address <const> = serve(says "one")
      write(process.script, "error 'never loaded'")
      restart(process, 1)
      assert.same({ "one", "one" }, ask_both(address))
      reloaded(process, says "two")
      write(process.script, says "three")
      restart(process, 2)
      assert.same({ "two", "two" }, ask_both(address))
      refused(process, "= 1")
      restart(process, 1)
      assert.same({ "two", "two" }, ask_both(address))
    end)

    it("leaves workers that are started again what they require and load while they serve", function()
      local text <const> = [[
        local service <const> = require "perigee.service"
        require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
          conn:write(service.worker, " ", require "late", dofile(service.path "data.lua"))
        end)
      ]]
      local process <close>, address <const> = serve(text)
      local directory <const> = tostring(process.directory)
      write(directory .. "/late.lua", "return 'late'")
      write(directory .. "/data.lua", "return ' data'")
      restart(process, 1)
      assert.same({ "late data", "late data" }, ask_both(address))
      reloaded(process)
      assert.same({ "late data", "late data" }, ask_both(address))
      restart(process, 2)
      assert.same({ "late data", "late data" }, ask_both(address))
    end)

    it("lets a worker load modules that the others do not", function()
      local text <const> = says "VERSION" .. [[
        local service <const> = require "perigee.service"
        if service.worker == 2 then assert(require "second") end
      ]]
      local process <close>, address <const> = serve(says "one")
      write(tostring(process.directory) .. "/second.lua", "return true")
      reloaded(process, (text:gsub("VERSION", "two")))
      assert.same({ "two", "two" }, ask_both(address))
      restart(process, 2)
      assert.same({ "two", "two" }, ask_both(address))
    end)

    it("opens and closes addresses in all of them", function()
      local process <close>, first <const> = serve(says "one")
      reloaded(process, says("kept", first) .. says "new")
      local second <const> = process:wait_for "reloaded generation=2.-listening address=(%S+)"
      assert.same({ "kept", "kept" }, ask_both(first))
      assert.same({ "new", "new" }, ask_both(second))
      reloaded(process, says("left", second))
      assert.equal("refused", refuses(first))
      assert.same({ "left", "left" }, ask_both(second))
      restart(process, 1)
      assert.same({ "left", "left" }, ask_both(second))
      reloaded(process, says("back", first) .. says("left", second))
      assert.same({ "back", "back" }, ask_both(first))
    end)

    it("closes those that a version which failed has opened", function()
      local process <close>, first <const> = serve(says "one")
      local probe <const> = assert(net.serve("tcp://127.0.0.1:0", print))
      local free <const> = tostring(probe.address)
      probe:close()
      refused(process, says("one", first) .. says("new", free) ..
        "\nif require 'perigee.service'.worker == 2 then error 'no' end")
      assert.equal("refused", refuses(free))
      assert.same({ "one", "one" }, ask_both(first))
      reloaded(process, says("two", first) .. says("new", free))
      assert.same({ "new", "new" }, ask_both(free))
    end)

    it("closes those that could not be served after all", function()
      local process <close>, first <const> = serve(says "one")
      local probe <const> = assert(net.serve("tcp://127.0.0.1:0", print))
      local free <const> = tostring(probe.address)
      probe:close()
      refused(process, says("one", first) .. says("new", free, "{ max_connections = 0 }"))
      assert.equal("refused", refuses(free))
      reloaded(process, says("two", first) .. says("new", free))
      assert.same({ "new", "new" }, ask_both(free))
    end)

    it("opens ports that the system chooses in any order, also for workers that are started again", function()
      local process <close>, first <const> = serve(says "one")
      reloaded(process, says("kept", first) .. says "new")
      local second <const> = process:wait_for "reloaded generation=2.-listening address=(%S+)"
      restart(process, 1)
      assert.same({ "kept", "kept" }, ask_both(first))
      assert.same({ "new", "new" }, ask_both(second))
      reloaded(process, says "any" .. says("named", first))
      restart(process, 2)
      assert.same({ "named", "named" }, ask_both(first))
      assert.same({ "any", "any" }, ask_both(second))
      reloaded(process, says("c", second) .. says "a" .. says "b")
      restart(process, 1)
      assert.same({ "c", "c" }, ask_both(second))
    end)

    it("moves an address from one service to another, also for workers that are started again", function()
      local directory <close> = helper.directory { ["a.lua"] = says "a" .. says "moved by a", ["b.lua"] = says "b" }
      local here <const> = tostring(directory)
      local process <close> = workers.start(says "unused",
        ("--drain 0 %s %s/a.lua %s/b.lua"):format(arguments, here, here))
      process:wait_for "b +listening"
      process:wait_for "a +listening.*a +listening"
      process:serving()
      local kept <const>, moved <const> = process:output():match
        "a +listening address=(%S+).-a +listening address=(%S+)"
      write(here .. "/a.lua", says("a", kept))
      write(here .. "/b.lua", says "b" .. says("b has it", moved))
      reloaded(process)
      assert.same({ "b has it", "b has it" }, ask_both(moved))
      restart(process, 1)
      restart(process, 2)
      assert.same({ "b has it", "b has it" }, ask_both(moved))
      assert.same({ "a", "a" }, ask_both(kept))
      write(here .. "/a.lua", says("a", kept) .. says("a again", moved))
      write(here .. "/b.lua", says "b")
      reloaded(process)
      restart(process, 1)
      assert.same({ "a again", "a again" }, ask_both(moved))
    end)

    it("has more connections when the new version allows more", function()
      local text <const> = [[
        require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
          conn:write "here\n"
          conn:read_all()
        end, { max_connections = %d })
      ]]
      local process <close>, address <const> = serve(text:format(1))
      reloaded(process, text:format(4))
      local conns <const> = {}
      for i = 1, 4 do
        conns[i] = assert(net.connect(address, { timeout = 20 }))
        assert.equal("here", conns[i]:read_line())
      end
      for _, conn in ipairs(conns) do conn:close() end
    end)

    it("keeps Unix sockets and their files, and removes those that have gone", function()
      local path <const> = helper.temporary_name()
      local process <close>, address <const> = serve(says("one", "unix:" .. path))
      reloaded(process, says("two", "unix:" .. path))
      assert.same({ "two", "two" }, ask_both(address))
      reloaded(process, says "elsewhere")
      assert.is_nil((system.file_kind(path)))
    end)

    it("gives datagrams to the new code", function()
      local echo <const> = [[
        require "perigee.net".serve("udp://127.0.0.1:0", function(message) return message .. " VERSION" end)
      ]]
      local process <close>, address <const> = serve((echo:gsub("VERSION", "one")))
      local socket <close> = assert(net.udp())
      socket:send("a", address)
      assert.equal("a one", (socket:receive(20)))
      reloaded(process, (echo:gsub("VERSION", "two")))
      socket:send("b", address)
      assert.equal("b two", (socket:receive(20)))
    end)

    it("of one service changes nothing of the other, not even when a worker is started again", function()
      local directory <close> = helper.directory { ["a.lua"] = says "a1", ["b.lua"] = [[
        local o = require 'perigee.service'.options { text = "b1" }
        require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
          conn:write(require "perigee.service".worker, " ", o.text)
        end)]], ["c.conf"] = "b.text = 'given'\n" }
      local here <const> = tostring(directory)
      local process <close> = workers.start(says "unused",
        ("--drain 0 %s --config %s/c.conf %s/a.lua %s/b.lua"):format(arguments, here, here, here))
      process:wait_for "listening"
      process:serving()
      local a <const> = process:wait_for "a +listening address=(%S+)"
      local b <const> = process:wait_for "b +listening address=(%S+)"
      assert.same({ "given", "given" }, ask_both(b))
      write(here .. "/a.lua", says "a2")
      write(here .. "/b.lua", "error 'no'")
      write(here .. "/c.conf", "b.nothing = 'wrong'\n")
      reloaded(process, nil, "a")
      restart(process, 1)
      assert.same({ "a2", "a2" }, ask_both(a))
      assert.same({ "given", "given" }, ask_both(b))
    end)

    it("asked for by signal, and by a signal to a worker, is one of all", function()
      local process <close>, address <const> = serve(says "one")
      write(process.script, says "two")
      process:signal "HUP"
      process:wait_for "reloaded generation=2"
      assert.same({ "two", "two" }, ask_both(address))
      write(process.script, "error 'no'")
      process:signal "HUP"
      process:wait_for "not reloaded: %S+service.lua:1: no"
      assert.same({ "two", "two" }, ask_both(address))
    end)

    it("goes on with the others when a worker is killed at once after it", function()
      local process <close>, address <const> = serve(says "one")
      for i = 1, 3 do
        local pid <const> = process:serving().workers[i % 2 + 1].pid
        local killing <const> = task.spawn(os.execute, "kill -9 " .. pid)
        reload(process, says(i))
        killing:join()
        process:serving()
        reloaded(process, says(i))
        assert.same({ tostring(i), tostring(i) }, ask_both(address))
      end
    end)
  end)
end

describe("a reload with a process for each client", function()
  helper.leaves_nothing(before_each, after_each)

  local TEXT <const> = [[
    require "perigee.net".serve("ADDRESS", function(conn)
      for line in conn:lines() do conn:write("VERSION ", line, "\n") end
    end)
  ]]

  local function text(version, address)
    return (TEXT:gsub("VERSION", version):gsub("ADDRESS", address or "tcp://127.0.0.1:0"))
  end

  local function exchange(conn, line)
    conn:write(line, "\n")
    return (conn:read_line())
  end

  local function is_ready(process)
    process:status_when(function(status)
      for _, worker in ipairs(status.workers) do
        if worker.state == "serving" and worker.connections == 0 then return true end
      end
    end)
  end

  it("is for the clients to come; those that are there go on with what they have", function()
    local process <close>, address <const> = workers.serve(text "one", "--drain 0 --process-per-client")
    local old <close> = assert(net.connect(address, { timeout = 20 }))
    assert.equal("one a", exchange(old, "a"))
    is_ready(process)
    reloaded(process, text "two")
    local new <close> = assert(net.connect(address, { timeout = 20 }))
    assert.equal("two b", exchange(new, "b"))
    assert.equal("one c", exchange(old, "c"))
    local next <close> = assert(net.connect(address, { timeout = 20 }))
    assert.equal("two d", exchange(next, "d"))
  end)

  it("changes nothing when it fails", function()
    local process <close>, address <const> = workers.serve(text "one", "--drain 0 --process-per-client")
    is_ready(process)
    assert.matches("service.lua:4: no", refused(process, text "two" .. "error 'no'"))
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    assert.equal("one a", exchange(conn, "a"))
    is_ready(process)
    local other <close> = assert(net.connect(address, { timeout = 20 }))
    assert.equal("one b", exchange(other, "b"))
  end)

  it("opens addresses", function()
    local process <close>, first <const> = workers.serve(text "one", "--drain 0 --process-per-client")
    local old <close> = assert(net.connect(first, { timeout = 20 }))
    assert.equal("one a", exchange(old, "a"))
    is_ready(process)
    reloaded(process, text("two", first) .. text "new")
    local second <const> = process:wait_for "reloaded generation=2.-listening address=(%S+)"
    local new <close> = assert(net.connect(second, { timeout = 20 }))
    assert.equal("new b", exchange(new, "b"))
    is_ready(process)
    reloaded(process, text("three", second))
    assert.equal("one c", exchange(old, "c"))
    local last <close> = assert(net.connect(second, { timeout = 20 }))
    assert.equal("three d", exchange(last, "d"))
  end)

  it("closes addresses for everybody although clients are there", function()
    local process <close>, first <const> = workers.serve(text "one", "--drain 0 --process-per-client")
    local old <close> = assert(net.connect(first, { timeout = 20 }))
    assert.equal("one a", exchange(old, "a"))
    is_ready(process)
    reloaded(process, text("two", first) .. text "new")
    local second <const> = process:wait_for "reloaded generation=2.-listening address=(%S+)"
    reloaded(process, text("three", second))
    assert.equal("refused", refuses(first))
    assert.equal("one c", exchange(old, "c"))
  end)
end)
