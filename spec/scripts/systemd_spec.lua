local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

--- A port that is free now.
local function free_port()
  local server <close> = assert(net.serve("tcp://127.0.0.1:0", function() end))
  return server.address.port
end

local function activated(text, sockets, arguments, prefix)
  local launcher <const> = ("/usr/bin/python3 spec/fixtures/systemd.py %s %s"):format(sockets, helper.binary)
  return workers.serve(text, arguments, prefix, launcher)
end

--- What a service manager is told, from when `f` is called: the path of its socket is the argument.
local function notified(f)
  local path <const> = helper.temporary_name()
  local manager <close> = helper.start("/usr/bin/python3 spec/fixtures/notified.py " .. path)
  manager:wait_for "open\n"
  f(path, manager)
  os.remove(path)
  return manager:output()
end

for what, arguments in pairs { ["a process"] = "", ["a supervisor"] = "--workers 2" } do
  describe("the sockets that systemd has opened for " .. what, function()
    helper.leaves_nothing(before_each, after_each)

    it("are served where a script serves their addresses", function()
      local port <const> = free_port()
      local at <const> = "127.0.0.1:" .. port
      local path <const> = helper.temporary_name()
      local text <const> = ([[
        local net <const> = require "perigee.net"
        net.serve({ "tcp://%s", "unix:%s" }, function(conn) conn:write "stream" end)
        net.serve("udp://%s", function() return "datagram" end)
      ]]):format(at, path, at)
      local sockets <const> = ("tcp:%s,udp:%s,unix:%s"):format(at, at, path)
      local process <close> = activated(text, sockets, arguments)
      for _, address in ipairs { "tcp://" .. at, "unix:" .. path } do
        local conn <close> = assert(net.connect(address, { timeout = 20 }))
        assert.equal("stream", conn:read_all())
      end
      local socket <close> = assert(net.udp(nil, { connect = "udp://" .. at, timeout = 20 }))
      socket:send "anybody?"
      assert.equal("datagram", socket:receive())
      process:signal "TERM"
      assert.equal(0, process:wait())
      assert.is_true(os.remove(path), "systemd minds the file")
    end)

    it("may be bound to [::], where a script says 0.0.0.0", function()
      local port <const> = free_port()
      local text <const> = ('require "perigee.net".serve("tcp://0.0.0.0:%d", function() end)'):format(port)
      local process <close>, address <const> = activated(text, "tcp::::" .. port, arguments)
      local conn <close> = assert(net.connect("tcp://127.0.0.1:" .. port, { timeout = 20 }))
      assert.equal("", conn:read_all())
      assert.truthy(address:find(":" .. port, 1, true))
      assert.is_false(process:has_ended())
    end)

    it("are for the process that it has started alone", function()
      local process <close>, address <const> = workers.serve(workers.ECHO, arguments, "LISTEN_FDS=1 LISTEN_PID=1 ")
      local conn <close> = assert(net.connect(address, { timeout = 20 }))
      assert.truthy(conn:read_line())
      assert.is_false(process:has_ended())
    end)
  end)

  describe("the service manager of " .. what, function()
    helper.leaves_nothing(before_each, after_each)

    it("is told when it serves, lives and stops", function()
      local told <const> = notified(function(path, manager)
        local process <close> = activated(workers.ECHO, "''", arguments,
          ("NOTIFY_SOCKET=%s WATCHDOG_USEC=20000 "):format(path))
        manager:wait_for "READY=1"
        manager:wait_for "WATCHDOG=1\nWATCHDOG=1\n"
        process:signal "TERM"
        manager:wait_for "STOPPING=1"
        assert.equal(0, process:wait())
      end)
      assert.is_true(told:find "READY=1" < told:find "STOPPING=1")
    end)
  end)
end

describe("the service manager of a supervisor", function()
  helper.leaves_nothing(before_each, after_each)

  it("is told by an upgrade who the supervisor is now", function()
    local path_of
    notified(function(path, manager)
      path_of = path
      local process <close> = activated(workers.ECHO, "''", "--workers 1", ("NOTIFY_SOCKET=%s "):format(path))
      manager:wait_for "READY=1"
      local pid <const> = process:command "upgrade":match "(%d+)"
      manager:wait_for("RELOADING=1 MONOTONIC_USEC=%d+\n.*READY=1 MAINPID=" .. pid)
      assert.equal(0, process:wait())
      process:command "stop"
      manager:wait_for "STOPPING=1"
      assert.is_nil(manager:output():match "STOPPING=1\n.*STOPPING=1")
    end)
    assert.is_nil(io.open(path_of))
  end)
end)
