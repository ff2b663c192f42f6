--- Buses of services: they end with the version of the service that has opened them.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local workers <const> = require "spec.fixtures.workers"

--- A service that says each line of a client on the bus, and tells a client what it hears, after the version's name.
local function talking(version)
  return ([[
    local net <const>, task <const> = require "perigee.net", require "perigee.task"
    local bus <const> = assert(require("perigee.bus").open "local:")
    local said <const> = bus:subscribe "said"
    local heard <const> = {}
    task.spawn(function()
      for text in said do heard[#heard + 1] = "%s heard " .. text end
    end)
    net.serve("tcp://127.0.0.1:0", function(conn)
      for line in conn:lines() do
        if line == "?" then conn:write(table.concat(heard, ", "), "\n")
        else
          bus:publish("said", line)
          conn:write "ok\n"
        end
      end
    end)
  ]]):format(version)
end

local function ask(address, line)
  local conn <close> = assert(net.connect(address, { timeout = 20 }))
  conn:write(line, "\n")
  return (conn:read_line())
end

local function members_of(pid)
  local listing <const> = helper.run(("ls -l /proc/%d/fd"):format(pid))
  local meeting <const> = listing:match "%-> (/dev/shm/perigee%-%d+%-%x+)/lock"
  local names <const> = {}
  for _, name in ipairs(meeting and system.list(meeting .. "/members") or {}) do
    if name:find "%.sock$" then names[#names + 1] = name end
  end
  return names
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

describe("a service with a bus", function()
  helper.leaves_nothing(before_each, after_each)

  it("goes on with the bus of its new version after a reload, and the old one is closed", function()
    local process <close>, address <const> = workers.serve(talking "one", "--drain 0 --reload-drain 0")
    assert.equal("ok", ask(address, "first"))
    assert.equal("one heard first", ask(address, "?"))
    write(process.script, talking "two")
    assert.equal("reloaded service: generation 2\n", (process:command "reload"))
    assert.equal("ok", ask(address, "second"))
    assert.equal("two heard second", ask(address, "?"))
    assert.equal(1, #members_of(process.pid))
  end)

  it("keeps its bus when a new version cannot be loaded", function()
    local process <close>, address <const> = workers.serve(talking "one", "--drain 0")
    write(process.script, talking "two" .. "error 'not today'")
    for _ = 1, 3 do assert.equal(1, (select(2, process:command "reload"))) end
    assert.equal("ok", ask(address, "still here"))
    assert.equal("one heard still here", ask(address, "?"))
    assert.equal(1, #members_of(process.pid))
  end)

  it("hears what is said to another worker", function()
    local process <close>, address <const> = workers.serve(talking "it", "--workers 3")
    assert.equal("ok", ask(address, "to all"))
    for _ = 1, 20 do
      helper.eventually(function() return ask(address, "?") == "it heard to all" end)
    end
    assert.equal(3, #members_of(process.pid))
  end)

  it("ends when its script has ended, though the bus is open", function()
    local directory <close> = helper.directory { ["ending.lua"] = [[
      local bus <const> = assert(require("perigee.bus").open "local:")
      local queue <const> = assert(require("perigee.queue").open("local:", "x"))
      local subscription <const> = bus:subscribe "x"
      bus:publish("x", "said")
      print(subscription:receive())
      queue:put "left"
      local job <const> = queue:take()
      print(job.text)
    ]] }
    local output <const>, status <const> = helper.run(("%s run --log-level warn %s/ending.lua"):format(helper.binary,
      tostring(directory)))
    assert.same({ "said\tx\tnil\nleft\n", 0 }, { output, status })
  end)
end)
