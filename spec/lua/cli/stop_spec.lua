--- perigee run and its signals.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local PROLOGUE <const> = [[
local net <const>, service <const> = require "perigee.net", require "perigee.service"
local task <const> = require "perigee.task"
local function tell(text) return setmetatable({}, { __close = function() print(text) end }) end
]]

--- A service that begins its work at the first line, and ends it at the second.
local WORK <const> = PROLOGUE .. [[
net.serve("tcp://127.0.0.1:0", function(conn)
  local _ <close> = tell "cleaned up"
  conn:read_line()
  conn:write "begun\n"
  conn:read_line()
  conn:write "finished\n"
end)
]]

local function begin_work(process)
  local conn <const> = assert(net.connect(process:wait_for "address=(%S+)", { timeout = 20 }))
  conn:write "begin\n"
  assert.equal("begun", conn:read_line())
  return conn
end

for name, number in pairs { TERM = 15, INT = 2 } do
  describe("SIG" .. name, function()
    helper.leaves_nothing(before_each, after_each)

    it("stops a service that has no connections, with 0", function()
      local directory <close> = helper.directory { ["a.lua"] = WORK }
      local process <close> = helper.start(("%s run %s/a.lua"):format(helper.binary, directory))
      process:wait_for "listening"
      process:signal(name)
      assert.equal(0, process:wait())
      assert.matches("info  perigee  stopping signal=SIG" .. name .. "\n$", process:output())
    end)

    it("cancels background tasks at once, and cleans up after them", function()
      local directory <close> = helper.directory { ["a.lua"] = PROLOGUE .. [[
net.serve("tcp://127.0.0.1:0", print)
task.spawn(function()
  local _ <close> = tell "cleaned up"
  while true do task.sleep(1) end
end)
]] }
      local process <close> = helper.start(("%s run --drain 600 %s/a.lua"):format(helper.binary, directory))
      process:wait_for "listening"
      process:signal(name)
      assert.equal(0, process:wait())
      assert.matches("cleaned up", process:output())
      assert.is_nil(process:output():find("draining", 1, true))
    end)

    it("cancels background tasks when the last connection has ended, which may live by them", function()
      local directory <close> = helper.directory { ["a.lua"] = PROLOGUE .. [[
local wanted <const>, ready <const> = task.channel(1), task.channel(1)
task.spawn(function()
  local _ <close> = tell "cleaned up"
  while true do ready:send(wanted:receive():upper()) end
end)
net.serve("tcp://127.0.0.1:0", function(conn)
  for line in conn:lines() do
    wanted:send(line)
    conn:write(ready:receive(), "\n")
  end
end)
]] }
      local process <close> = helper.start(("%s run --drain 600 %s/a.lua"):format(helper.binary, directory))
      local conn <close> = assert(net.connect(process:wait_for "address=(%S+)", { timeout = 20 }))
      for _, word in ipairs { "before", "after" } do
        conn:write(word, "\n")
        assert.equal(word:upper(), conn:read_line())
        if word == "before" then process:signal(name) end
        process:wait_for(word == "before" and "draining" or "listening")
      end
      conn:close()
      assert.equal(0, process:wait())
      assert.matches("cleaned up\n$", process:output())
    end)

    it("lets a connection finish its work, and accepts no other", function()
      local directory <close> = helper.directory { ["a.lua"] = WORK }
      local process <close> = helper.start(("%s run %s/a.lua"):format(helper.binary, directory))
      local conn <close> = begin_work(process)
      process:signal(name)
      process:wait_for "info  perigee  draining clients=1 seconds=10\n"
      assert.equal("refused", (select(3, net.connect(conn.peer))))
      conn:write "finish\n"
      assert.equal("finished", conn:read_line())
      conn:close()
      assert.equal(0, process:wait())
      assert.matches("cleaned up\n$", process:output())
    end)

    it("cancels what is left after the drain time, and ends with 0", function()
      local directory <close> = helper.directory { ["a.lua"] = WORK }
      local process <close> = helper.start(("%s run --drain 0.05 %s/a.lua"):format(helper.binary, directory))
      local conn <close> = begin_work(process)
      process:signal(name)
      assert.equal(0, process:wait())
      assert.matches("warn  perigee  the drain deadline has passed: tasks are cancelled tasks=1\ncleaned up\n$",
        process:output())
      assert.is_nil((conn:read(1)))
    end)

    it("ends the process at once when it comes again", function()
      local directory <close> = helper.directory { ["a.lua"] = WORK }
      local process <close> = helper.start(("%s run --drain 1000 %s/a.lua"):format(helper.binary, directory))
      local conn <close> = begin_work(process)
      process:signal(name)
      process:wait_for "draining"
      process:signal(name)
      assert.equal(128 + number, process:wait())
      assert.is_nil((conn:read(1)))
    end)
  end)
end

describe("a stop", function()
  helper.leaves_nothing(before_each, after_each)

  --- Runs a script until it has said "ready" or listens, then stops it; its output from there.
  local function stop(text, options)
    local directory <close> = helper.directory { ["a.lua"] = PROLOGUE .. text }
    local process <close> = helper.start(("%s run %s %s/a.lua"):format(helper.binary, options or "", directory))
    process:wait_for "ready\n"
    process:signal "TERM"
    local status <const> = process:wait()
    return process:output():match "signal=SIGTERM\n(.*)", status
  end

  it("calls what on_stop registered, in order, and lets it wait", function()
    local output <const>, status <const> = stop [[
      net.serve("tcp://127.0.0.1:0", print)
      service.on_stop(function() task.sleep(0.01) print "first" end)
      service.on_stop(function() print "second" end)
      print "ready"
    ]]
    assert.same({ "first\nsecond\n", 0 }, { output, status })
  end)

  it("calls on_stop when connections get no time", function()
    local output <const>, status <const> = stop([[
      service.on_stop(function() print "saved" end)
      net.serve("tcp://127.0.0.1:0", print)
      print "ready"
    ]], "--drain 0")
    assert.same({ "saved\n", 0 }, { output, status })
  end)

  it("has closed the servers when on_stop is called, and its connections are alive", function()
    local text <const> = WORK .. "service.on_stop(function() print 'stopping' end)"
    local directory <close> = helper.directory { ["a.lua"] = text }
    local process <close> = helper.start(("%s run %s/a.lua"):format(helper.binary, directory))
    local conn <close> = begin_work(process)
    process:signal "TERM"
    process:wait_for "stopping\n"
    assert.equal("refused", (select(3, net.connect(conn.peer))))
    conn:write "finish\n"
    assert.equal("finished", conn:read_line())
    conn:close()
    assert.equal(0, process:wait())
  end)

  it("logs an error in on_stop with its lines, and calls the others", function()
    local output <const>, status <const> = stop [[
      net.serve("tcp://127.0.0.1:0", print)
      service.on_stop(function() error "cannot save" end)
      service.on_stop(function() print "second" end)
      print "ready"
    ]]
    assert.matches("error a  [^\n]*a.lua:5: cannot save\n    stack traceback:\n.*a.lua:5: in [^\n]*\nsecond\n$", output)
    assert.equal(0, status)
  end)

  it("does not wait for an on_stop longer than the drain time", function()
    local output <const>, status <const> = stop([[
      net.serve("tcp://127.0.0.1:0", print)
      service.on_stop(function() local _ <close> = tell "left" task.sleep(1000) end)
      print "ready"
    ]], "--drain 0.05")
    assert.matches("^left\n.*warn  perigee  the drain deadline has passed: on_stop is cancelled\n", output)
    assert.equal(0, status)
  end)

  it("reaches a script whose main chunk is still running", function()
    local output <const>, status <const> = stop([[
      local _ <close> = tell "left"
      print "ready"
      task.sleep(1000)
    ]], "--drain 0")
    assert.matches("left\n$", output)
    assert.equal(0, status)
  end)

  it("still sends what a handler wrote before it ended", function()
    local size <const> = helper.is_tiny and 30000 or 8000000
    local directory <close> = helper.directory { ["a.lua"] = PROLOGUE .. ([[
      net.serve("tcp://127.0.0.1:0", function(conn)
        conn.high_water = 1 << 30
        conn:write(("x"):rep(%d))
        print "written"
      end, { send_buffer = 4096 })
    ]]):format(size) }
    local process <close> = helper.start(("%s run %s/a.lua"):format(helper.binary, directory))
    local conn <close> = assert(net.connect(process:wait_for "address=(%S+)", { timeout = 20, receive_buffer = 4096 }))
    process:wait_for "written\n"
    process:signal "TERM"
    process:wait_for "signal=SIGTERM"
    assert.equal(size, #conn:read_all())
    conn:close()
    assert.equal(0, process:wait())
  end)
end)
