local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

local SCRIPT <const> = [[
local net <const>, task <const> = require "perigee.net", require "perigee.task"
net.serve("tcp://127.0.0.1:0", function(conn)
  conn:write "hello\n"
  conn:read_line()
end)
task.spawn(function()
  while true do task.sleep(3600) end
end)
]]

local function tasks_of(process)
  local output <const>, status <const> = process:command "tasks --json"
  assert.equal(0, status, output)
  return assert(json.decode(output))
end

local function find(tasks, kind)
  for _, one in ipairs(tasks) do
    if one.kind == kind then return one end
  end
end

--- A client that is being served.
local function connect(address)
  local conn <const> = assert(net.connect(address, { timeout = 20 }))
  assert.equal("hello", conn:read_line())
  return conn
end

describe("perigee tasks", function()
  helper.leaves_nothing(before_each, after_each)

  it("tells of each task what it is and where it waits", function()
    local process <close>, address <const> = workers.serve(SCRIPT, "--drain 0")
    local conn <close> = connect(address)
    local tasks <const> = tasks_of(process)
    assert.equal(2, #tasks)
    local sleeper <const>, served <const> = find(tasks, "task"), find(tasks, "connection")
    assert.same({ "service", 1, "waiting" }, { sleeper.service, sleeper.generation, sleeper.state })
    assert.matches("^sleep %(service.lua:7%)", sleeper.waits)
    assert.matches("^read_line %(service.lua:4%)", served.waits)
    assert.equal(tostring(conn.address), served.peer)
    assert.matches("service.lua:4: in function", served.traceback)
    assert.is_true(served.age >= 0 and served.age < 600)
    assert.not_equal(sleeper.id, served.id)
  end)

  it("shows them in a table, with their stacks when that is wanted", function()
    local process <close>, address <const> = workers.serve(SCRIPT, "--drain 0")
    local _ <close> = connect(address)
    local output <const> = process:command "tasks"
    assert.matches("^ID +SERVICE +GEN +AGE +KIND +PEER +WAITS\n", output)
    assert.matches("\n%d+ +service +1 +%d+s +task +%- +sleep", output)
    assert.matches("\n +[^\n]*service.lua:7: in function", (process:command "tasks --stacks"))
  end)

  it("ends one, and no other", function()
    local process <close>, address <const> = workers.serve(SCRIPT, "--drain 0")
    local first <close> = connect(address)
    local served <const> = find(tasks_of(process), "connection")
    local second <close> = connect(address)
    local output <const>, status <const> = process:command("tasks kill " .. served.id)
    assert.equal(0, status, output)
    assert.is_nil((first:read_line()))
    local left <const> = tasks_of(process)
    assert.equal(2, #left)
    assert.not_equal(served.id, find(left, "connection").id)
    assert.is_true(second.is_open)
  end)

  it("says that there is no such task", function()
    local process <close> = workers.serve(SCRIPT, "--drain 0")
    local output <const>, status <const> = process:command "tasks kill 4000000000"
    assert.equal(1, status)
    assert.matches("there is no task 4000000000", output)
  end)

  it("tells of all workers", function()
    local process <close> = workers.serve(SCRIPT, "--drain 0 --workers 2")
    process:serving()
    local seen <const> = {}
    for _, one in ipairs(tasks_of(process)) do seen[one.worker] = one.kind end
    assert.same({ "task", "task" }, seen)
    assert.matches("^WORKER +ID", (process:command "tasks"))
  end)
end)
