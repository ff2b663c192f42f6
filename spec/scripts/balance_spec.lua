local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local workers <const> = require "spec.fixtures.workers"

--- A client, and the number of the worker, or the process, that serves it.
local function greeted(address)
  local conn <const> = assert(net.connect(address, { timeout = 20 }))
  return conn, math.tointeger(tonumber(conn:read_line()))
end

local function connections_of(process)
  local counts <const> = {}
  for i, worker in ipairs(process:status().workers) do counts[i] = worker.connections end
  return counts
end

local function close_all(clients)
  for _, conn in ipairs(clients) do conn:close() end
end

local function is_alive(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  return file ~= nil
end

describe("--balance", function()
  helper.leaves_nothing(before_each, after_each)

  it("gives each connection to the worker that has the fewest", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 3 --balance")
    local clients <const>, of = {}, { {}, {}, {} }
    for i = 1, 9 do
      local conn <const>, number <const> = greeted(address)
      clients[i] = conn
      table.insert(of[number], conn)
    end
    assert.same({ 3, 3, 3 }, { #of[1], #of[2], #of[3] })
    close_all(of[2])
    helper.eventually(function() return connections_of(process)[2] == 0 end)
    for _ = 1, 3 do
      local conn <const>, number <const> = greeted(address)
      assert.equal(2, number)
      clients[#clients + 1] = conn
    end
    close_all(clients)
  end)

  it("serves HTTP and Unix sockets too", function()
    local path <const> = helper.temporary_name()
    local text <const> = workers.HTTP .. ('http.serve("unix:%s", app)'):format(path)
    local process <close>, address <const> = workers.serve(text, "--workers 2 --balance")
    assert.truthy(helper.run("curl -s " .. address):find "^worker [12]$")
    assert.truthy(helper.run("curl -s --unix-socket " .. path .. " http://localhost/"):find "^worker [12]$")
    process:signal "TERM"
    process:wait()
    assert.is_nil(system.file_kind(path))
  end)

  it("lets clients wait while there is no worker", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 1 --balance")
    local first <close>, number <const> = greeted(address)
    assert.equal(1, number)
    local pid <const> = process:serving().workers[1].pid
    os.execute("kill -9 " .. pid)
    assert.is_nil(first:read(1))
    helper.eventually(function() return not is_alive(pid) end) -- what is passed to a process that dies, dies with it
    local clients <const> = {}
    for i = 1, 10 do clients[i] = greeted(address) end
    assert.equal(10, #clients)
    close_all(clients)
  end)

  it("gives a worker no more than the service's max_connections", function()
    local text <const> = workers.ECHO:gsub("end%)\n$", "end, { max_connections = 1 })\n")
    local process <close>, address <const> = workers.serve(text, "--workers 2 --balance")
    local first <const>, second <const> = greeted(address), greeted(address)
    local third <close> = assert(net.connect(address, { timeout = 20 }))
    helper.eventually(function() return #process:status().workers == 2 end)
    assert.same({ 1, 1 }, connections_of(process))
    first:close()
    assert.truthy(third:read_line())
    second:close()
  end)

  it("needs --workers", function()
    local output <const>, code <const> = helper.run(helper.binary .. " run --balance scripts/echo.lua")
    assert.same({ "perigee: --balance needs --workers\n", 2 }, { output, code })
  end)
end)

describe("--process-per-client", function()
  helper.leaves_nothing(before_each, after_each)

  local SERVE_PID <const> = workers.ECHO:gsub("service.worker", 'require "perigee.process".pid')

  it("gives each connection a process of its own, which ends with it", function()
    local process <close>, address <const> = workers.serve(SERVE_PID, "--process-per-client")
    local first <close>, one <const> = greeted(address)
    local second <close>, two <const> = greeted(address)
    assert.not_equal(one, two)
    assert.is_true(is_alive(one) and is_alive(two))
    first:close()
    helper.eventually(function() return not is_alive(one) end)
    second:write "still here"
    assert.equal("still here", second:read(10))
    assert.is_false(process:has_ended())
  end)

  it("starts no more processes than it may", function()
    local process <close>, address <const> = workers.serve(SERVE_PID, "--process-per-client --processes 2")
    local first <const>, second <const> = greeted(address), greeted(address)
    local third <close> = assert(net.connect(address, { timeout = 20 }))
    helper.eventually(function() return #process:status().workers == 2 end)
    first:close()
    assert.truthy(third:read_line())
    second:close()
  end)

  it("goes on when such a process dies", function()
    local process <close>, address <const> = workers.serve(SERVE_PID, "--process-per-client")
    local conn <close>, pid <const> = greeted(address)
    os.execute("kill -9 " .. pid)
    assert.is_nil(conn:read(1))
    process:wait_for("worker ended pid=" .. pid .. " signal=SIGKILL")
    local other <close> = greeted(address)
    assert.is_true(other.is_open)
  end)

  it("cannot serve datagrams", function()
    local process <close> = workers.start('require "perigee.net".serve("udp://127.0.0.1:0", print)',
      "--process-per-client")
    assert.equal(1, process:wait())
    assert.truthy(process:output():find("datagrams cannot be served by a process for each client", 1, true))
  end)
end)
