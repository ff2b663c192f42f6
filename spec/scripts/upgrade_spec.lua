local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local workers <const> = require "spec.fixtures.workers"

local function greeted(address)
  local conn <const> = assert(net.connect(address, { timeout = 20 }))
  return conn, conn:read_line()
end

local function echoes(conn, text)
  conn:write(text)
  return conn:read(#text) == text
end

--- Upgrades, and returns the new supervisor's pid.
local function upgrade(process)
  local output <const>, code <const> = process:command "upgrade"
  assert.equal(0, code, output)
  return math.tointeger(tonumber(output:match "^upgraded: the supervisor is (%d+) now\n$"))
end

local function write_file(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

describe("perigee upgrade", function()
  helper.leaves_nothing(before_each, after_each)

  it("puts another supervisor in the place of the first, which ends with its last connection", function()
    local text <const> = workers.ECHO:gsub("service.worker", '"before"')
    local process <close>, address <const> = workers.serve(text, "--workers 2")
    local old <close>, first <const> = greeted(address)
    write_file(process.script, (text:gsub("before", "after")))
    local pid <const> = upgrade(process)
    assert.equal(pid, process:serving().pid)
    for _ = 1, 10 do
      local new <close>, second <const> = greeted(address)
      assert.same({ "before", "after" }, { first, second })
      assert.is_true(echoes(new, "new"))
    end
    assert.is_true(echoes(old, "old"))
    assert.is_false(process:has_ended())
    old:close()
    assert.equal(0, process:wait())
    assert.same({ ("stopped %d\n"):format(pid), 0 }, { process:command "stop" })
    assert.is_nil(net.connect(address))
  end)

  for _, mode in ipairs { "--workers 2", "--workers 2 --balance", "--process-per-client" } do
    it("harms no client who waits to be accepted, with " .. mode, function()
      local process <close>, address <const> = workers.serve(workers.ECHO, mode)
      local clients <const> = {}
      for i = 1, 30 do
        clients[i] = assert(net.connect(address, { timeout = 20 }))
        if i % 10 == 0 then upgrade(process) end
      end
      for i, conn in ipairs(clients) do
        assert.truthy(conn:read_line(), i)
        assert.is_true(echoes(conn, "all is well"))
        conn:close()
      end
      assert.equal(0, process:wait())
    end)
  end

  it("fails no request of a busy client", function()
    local process <close>, address <const> = workers.serve(workers.HTTP, "--workers 2")
    local load <close> = helper.start("wrk -t1 -c16 -d3 " .. address)
    for _ = 1, 3 do upgrade(process) end
    assert.equal(0, load:wait())
    local output <const> = load:output()
    assert.is_nil(output:find "Socket errors" or output:find "Non%-2xx", output)
    assert.is_true(tonumber(output:match "(%d+) requests in") > 0)
  end)

  it("tells a client of HTTP who is kept by its next answer, and closes one who is silent", function()
    local process <close>, address <const> = workers.serve(workers.HTTP, "--workers 1 --drain 2")
    local plain <const> = address:gsub("http:", "tcp:")
    local kept <close> = assert(net.connect(plain))
    local silent <close> = assert(net.connect(plain))
    for _, conn in ipairs { kept, silent } do
      conn:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      assert.is_nil(conn:read_until("worker 1"):find "close")
    end
    upgrade(process)
    kept:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    local answer <const> = kept:read_all()
    assert.truthy(answer:find "^HTTP/1.1 200 OK\r\n" and answer:find "\r\nConnection: close\r\n")
    assert.equal("", silent:read_all())
    assert.equal(0, process:wait())
  end)

  it("lets datagrams be answered that are under way", function()
    local text <const> = [[
      require "perigee.net".serve("udp://127.0.0.1:0", function(message)
        print("began")
        require "perigee.task".sleep(0.3)
        return message
      end)
    ]]
    local process <close>, address <const> = workers.serve(text, "--workers 1")
    local socket <close> = assert(net.udp(nil, { connect = address, timeout = 20 }))
    socket:send "slowly"
    process:wait_for "began"
    upgrade(process)
    assert.equal("slowly", socket:receive())
    socket:send "again"
    assert.equal("again", socket:receive())
    assert.equal(0, process:wait())
  end)

  it("keeps a Unix socket's file, and its own", function()
    local path <const> = helper.temporary_name()
    local process <close> = workers.serve(workers.ECHO:gsub("tcp://127.0.0.1:0", "unix:" .. path), "--workers 2")
    local pid <const> = upgrade(process)
    assert.equal(0, process:wait())
    local conn <close> = greeted("unix:" .. path)
    assert.is_true(echoes(conn, "still there"))
    conn:close()
    assert.equal(pid, process:serving().pid)
    process:command "stop"
    assert.is_nil(system.file_kind(path))
    assert.is_nil(system.file_kind(process.control))
  end)

  it("changes nothing when the new scripts do not load, and says why", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 2")
    local before <const> = process:serving()
    local text <const> = 'require "perigee.net".serve("tcp://127.0.0.1:0", print) error "not today"'
    write_file(process.script, text)
    local output <const>, code <const> = process:command "upgrade"
    assert.same({ ("perigee: upgrade: %s:1: not today\n"):format(process.script), 1 }, { output, code })
    process:wait_for 'the upgrade has failed: everything stays as it was reason="upgrade: [^\n]*not today"'
    local after <const> = process:serving()
    for number = 1, 2 do assert.equal(before.workers[number].pid, after.workers[number].pid) end
    local conn <close> = greeted(address)
    assert.is_true(echoes(conn, "as before"))
  end)

  it("changes nothing when the new binary does not run", function()
    local directory <close> = helper.directory { ["false"] = "#!/bin/sh\nexit 3\n" }
    local binary <const> = tostring(directory) .. "/perigee"
    os.execute(("cp %s %s && chmod +x %s/false"):format(helper.binary, binary, directory))
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 1", nil, binary)
    os.execute(("mv %s/false %s"):format(directory, binary))
    local output <const>, code <const> = process:command "upgrade"
    assert.same({ "perigee: upgrade: the new process has ended with status 3\n", 1 }, { output, code })
    local conn <close> = greeted(address)
    assert.is_true(echoes(conn, "as before"))
    os.execute("kill -9 " .. process:serving().workers[1].pid) -- its successor is of the binary that runs
    helper.eventually(function() return process:status().workers[1].restarts == 1 end)
    process:serving()
  end)

  it("is what SIGUSR2 does", function()
    local process <close> = workers.serve(workers.ECHO, "--workers 1")
    process:signal "USR2"
    process:wait_for "upgraded: the connections that are left are drained successor=%d+"
    assert.equal(0, process:wait())
    assert.not_equal(process.pid, process:serving().pid)
  end)

  it("is not for a process without a supervisor", function()
    local process <close> = workers.serve(workers.ECHO, "")
    local output <const>, code <const> = process:command "upgrade"
    assert.same({ "perigee: upgrade: this process has no supervisor: run it with --workers\n", 1 }, { output, code })
  end)
end)
