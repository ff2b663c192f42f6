local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

local STOP <const> = "--drain 0 --stop-after 0.3 --memory 256M "

-- What a script can do to its process. Each is a function of one line, so that the log can be looked at for it.
local ACTS <const> = [[
local acts <const> = {}
function acts.loop() while true do end end
function acts.repeated() return ("x"):rep(10000000000) end
function acts.large() return ("x"):rep(1000000000) end
function acts.caught() while true do pcall(acts.loop) end end
function acts.inner() coroutine.wrap(function() coroutine.wrap(acts.loop)() end)() end
function acts.find() return ("a"):rep(30000):find(("a-"):rep(9) .. "b") end
function acts.finalizer() setmetatable({}, { __gc = acts.loop }) collectgarbage() end
function acts.slow() local at = os.clock() + 0.15 while os.clock() < at do end end
]]
local LINES <const> = { loop = 2, repeated = 3, large = 4, caught = 5, inner = 2 }
local MESSAGES <const> = {
  loop = "ran for %d+%.%d s without yielding", caught = "ran for %d+%.%d s without yielding",
  inner = "ran for %d+%.%d s without yielding", repeated = "resulting string too large",
  large = "not enough memory: 953.7 MiB asked for at [^ ]*service.lua:4, .* the limit is 256 MiB",
}

local TCP <const> = ACTS .. [[
require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
  for line in conn:lines() do
    if acts[line] then acts[line]() end
    conn:write(line, "\n")
  end
end)
]]

local HTTP <const> = ACTS .. [[
require "perigee.http".serve("http://127.0.0.1:0", function(request)
  local act <const> = acts[request.path:sub(2)]
  if act then act() end
  return "well"
end)
]]

--- Waits until the log says that this has failed, in its line of the script.
local function wait_until_named(process, act)
  local line <const>, message <const> = LINES[act], MESSAGES[act]
  if act == "large" then return process:wait_for("error service  " .. message) end
  local at <const> = act == "caught" and "%d+" or tostring(line)
  process:wait_for(("error service  [^ ]*service.lua:%s: %s"):format(at, message))
end

local function connect(address)
  return assert(net.connect((address:gsub("^http", "tcp")), { timeout = 20 }))
end

local function is_served(conn)
  conn:write "hello\n"
  return conn:read_line() == "hello"
end

local function get(address, path)
  local conn <close> = connect(address)
  conn:write("GET ", path, " HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
  return conn:read_all() or ""
end

describe("a script that runs away", function()
  helper.leaves_nothing(before_each, after_each)

  it("loses its connection's task, and others are served", function()
    local process <close>, address <const> = workers.serve(TCP, STOP)
    local other <close> = connect(address)
    for _, act in ipairs { "loop", "repeated", "large", "caught", "inner" } do
      local conn <close> = connect(address)
      conn:write(act, "\n")
      assert.is_nil((conn:read_line()))
      assert.is_true(is_served(other), act)
      wait_until_named(process, act)
    end
  end)

  it("gets its HTTP client an answer, and others are served", function()
    local process <close>, address <const> = workers.serve(HTTP, STOP)
    for _, act in ipairs { "loop", "repeated", "large", "caught", "inner" } do
      assert.matches("^HTTP/1.1 500 ", get(address, "/" .. act))
      assert.matches("\r\n\r\nwell$", get(address, "/"))
      wait_until_named(process, act)
    end
  end)

  for _, act in ipairs { "loop", "large" } do
    it("loses the task in which it does so now and then: " .. act, function()
      local script <const> = TCP .. ([[
        local task <const> = require "perigee.task"
        task.spawn(function()
          task.sleep(0.01)
          acts.%s()
        end)
      ]]):format(act)
      local process <close>, address <const> = workers.serve(script, STOP)
      wait_until_named(process, act)
      local conn <close> = connect(address)
      assert.is_true(is_served(conn))
    end)

    it("is not loaded when it does so at once: " .. act, function()
      local process <close> = workers.start(ACTS .. ("acts.%s()\n"):format(act), STOP)
      assert.equal(1, process:wait())
      wait_until_named(process, act)
    end)

    it("is not loaded by workers either: " .. act, function()
      local process <close> = workers.start(ACTS .. ("acts.%s()\n"):format(act), STOP .. "--workers 2")
      assert.equal(1, process:wait())
      wait_until_named(process, act)
    end)
  end

  it("is told of when it only takes long", function()
    local process <close>, address <const> = workers.serve(TCP, "--drain 0 --warn-after 0.05")
    local conn <close> = connect(address)
    conn:write "slow\n"
    assert.equal("slow", conn:read_line())
    process:wait_for("warn  service  a task ran for 0.%d+ s without yielding\n%s+stack traceback:\n" ..
      "%s+[^\n]*service.lua:9: in")
    assert.equal(1, process:status().workers[1].slices.warned)
  end)

  it("is not told of with --warn-after 0, nor stopped with --stop-after 0", function()
    local process <close>, address <const> = workers.serve(TCP, "--drain 0 --warn-after 0 --stop-after 0")
    local conn <close> = connect(address)
    conn:write "slow\nbye\n"
    assert.equal("slow", conn:read_line())
    assert.equal("bye", conn:read_line())
    assert.is_nil(process:output():find "without yielding")
  end)
end)

describe("a loop that no hook can stop", function()
  helper.leaves_nothing(before_each, after_each)

  it("is told of by a process that is alone", function()
    local process <close>, address <const> = workers.serve(TCP, STOP)
    local conn <close> = connect(address)
    conn:write "find\n"
    process:wait_for("error perigee  the loop has been silent for %d+%.%d s[^\n]*\n" ..
      "    %[C%]: in method 'find'\n    [^\n]*service.lua:7: in")
    process:signal "KILL"
    process:wait()
  end)

  it("is told of in JSON", function()
    local process <close> = workers.start(TCP, STOP .. "--log json")
    local conn <close> = connect(process:wait_for '"address":"([^"]+)"')
    conn:write "find\n"
    local event <const> = assert(json.decode(process:wait_for "({[^\n]*the loop has been silent[^\n]*})\n"))
    assert.equal("error", event.level)
    assert.matches("^%[C%]: in method 'find'\n[^\n]*service.lua:7: in", event.traceback)
    process:signal "KILL"
    process:wait()
  end)

  it("is stopped in a finalizer", function()
    local process <close>, address <const> = workers.serve(TCP, STOP)
    local conn <close> = connect(address)
    conn:write "finalizer\n"
    conn:read_line()
    process:wait_for "warn  service  a task ran for %d+%.%d+ s without yielding: it was stopped\n.-in metamethod '__gc'"
    local other <close> = connect(address)
    assert.is_true(is_served(other))
  end)

  it("gets its worker killed and replaced, and the stack is logged", function()
    local process <close> = workers.start(TCP, STOP .. "--workers 1 --log json")
    local address <const> = process:wait_for '"message":"listening","address":"([^"]+)"'
    local before <const> = process:serving().workers[1].pid
    local conn <close> = connect(address)
    conn:write "find\n"
    assert.is_nil((conn:read_line()))
    local line <const> = process:wait_for "({[^\n]*the worker is stuck: it is killed[^\n]*})\n"
    local event <const> = assert(json.decode(line))
    assert.equal(before, event.pid)
    assert.equal(1, event.worker)
    assert.matches("%[C%]: in method 'find'\n[^\n]*service.lua:7: in", event.traceback)
    local after <const> = process:status_when(function(status)
      return status.workers[1].state == "serving" and status.workers[1].pid ~= before and status
    end)
    assert.equal(1, after.workers[1].restarts)
    local other <close> = connect(address)
    assert.is_true(is_served(other))
  end)
end)
