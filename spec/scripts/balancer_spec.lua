local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

--- The balancer: its process, the address for clients, and the name of the socket for workers.
local function start(options)
  local name <const> = ("@perigee-balancer-%d"):format(math.random(1 << 40))
  local process <const> = helper.serve(("scripts/balancer.lua --set balancer.listen=tcp://127.0.0.1:0 " ..
    "--set balancer.workers=unix:%s %s"):format(name, options or ""))
  return process, process:wait_for "listening address=(tcp://%S+)", name
end

--- Starts a worker, and waits until the balancer knows it.
local function start_worker(balancer, command)
  local process <const> = helper.start(command)
  balancer:wait_for("worker came pid=" .. process.pid .. "\n")
  return process
end

local function start_lua(balancer, name, worker)
  local command <const> = "%s run examples/balancer/worker.lua --set worker.balancer=unix:%s --set worker.name=%s"
  return start_worker(balancer, command:format(helper.binary, name, worker))
end

local function start_python(balancer, name)
  return start_worker(balancer, "/usr/bin/python3 examples/balancer/worker.py " .. name)
end

local function connect(address)
  return assert(net.connect(address, { timeout = 20 }))
end

local function ask(conn, line)
  conn:write(line, "\n")
  return assert(conn:read_line())
end

describe("the balancer script", function()
  helper.leaves_nothing(before_each, after_each)

  it("gives each client to the worker with the fewest", function()
    local balancer <close>, address <const>, name <const> = start()
    local one <close>, two = start_lua(balancer, name, "one"), start_lua(balancer, name, "two")
    local clients <const>, of <const> = {}, { one = {}, two = {} }
    for i = 1, 6 do
      clients[i] = connect(address)
      table.insert(of[ask(clients[i], "hello"):match "^(%w+): hello$"], clients[i])
    end
    assert.same({ 3, 3 }, { #of.one, #of.two })
    for _, conn in ipairs(of.one) do -- it is the one with the fewest then
      conn:shutdown()
      assert.equal("", conn:read_all())
    end
    for i = 7, 9 do
      clients[i] = connect(address)
      assert.equal("one: again", ask(clients[i], "again"))
    end
    for _, conn in ipairs(clients) do conn:close() end
    two:__close()
    assert.is_false(one:has_ended())
  end)

  it("lets clients wait until there is a worker", function()
    local balancer <close>, address <const>, name <const> = start "--set balancer.waiting=2"
    local clients <const> = {}
    for i = 1, 5 do
      clients[i] = connect(address) -- some are accepted, the others wait in the backlog
      clients[i]:write("early ", i, "\n")
    end
    local _ <close> = start_lua(balancer, name, "late")
    for i, conn in ipairs(clients) do
      assert.equal("late: early " .. i, conn:read_line())
      conn:close()
    end
  end)

  it("tells a client that has waited too long by closing it", function()
    local balancer <close>, address <const> = start "--set balancer.patience=0.05"
    local conn <close> = connect(address)
    assert.equal("", conn:read_all())
    balancer:wait_for "no worker for a client"
  end)

  it("gives the clients of a worker that dies to the others", function()
    local balancer <close>, address <const>, name <const> = start()
    local dead <close>, alive = start_lua(balancer, name, "dead"), start_lua(balancer, name, "alive")
    local on_dead
    repeat
      local conn <const> = connect(address)
      if ask(conn, "who?") == "dead: who?" then on_dead = conn else conn:close() end
    until on_dead
    dead:signal "KILL"
    assert.is_nil((on_dead:read_line()))
    on_dead:close()
    for _ = 1, 10 do
      local conn <close> = connect(address)
      conn:write "who?\n"
      local answer <const> = conn:read_line()
      if answer then assert.equal("alive: who?", answer) end -- one may have been on its way to the dead
    end
    balancer:wait_for("worker left clients=%d+ pid=" .. dead.pid)
    alive:__close()
  end)

  it("works with workers in Python, and in both languages at once", function()
    local balancer <close>, address <const>, name <const> = start()
    local python <close> = start_python(balancer, name)
    for i = 1, 3 do
      local conn <close> = connect(address)
      assert.equal("python: " .. i, ask(conn, i))
      assert.equal("python: again", ask(conn, "again"))
    end
    local lua <close> = start_lua(balancer, name, "lua")
    local a <close>, b = connect(address), connect(address)
    local answers <const> = { ask(a, "who?"), ask(b, "who?") }
    table.sort(answers)
    assert.same({ "lua: who?", "python: who?" }, answers)
    b:close()
    assert.is_false(python:has_ended() or lua:has_ended())
  end)

  it("gives workers that do not report, as the document's, their clients in turn", function()
    local balancer <close>, address <const>, name <const> = start()
    local command <const> = "/usr/bin/python3 spec/fixtures/pass_descriptors.py worker " .. name:sub(2)
    local one <close>, two = start_worker(balancer, command), start_worker(balancer, command)
    for i = 1, 6 do
      local conn <close> = connect(address)
      assert.equal("client " .. i, ask(conn, "client " .. i))
    end
    for _, worker in ipairs { one, two } do
      local _ <const>, count <const> = worker:output():gsub("GOT FD", "")
      assert.equal(3, count)
    end
    two:__close()
  end)

  it("tells its workers when it stops", function()
    local balancer <close>, _ <const>, name <const> = start()
    local lua <close>, python = start_lua(balancer, name, "lua"), start_python(balancer, name)
    balancer:signal "TERM"
    lua:wait_for "the balancer has ended"
    python:wait_for "the balancer has ended"
    assert.same({ 0, 0, 1 }, { balancer:wait(), lua:wait(), python:wait() })
    python:__close()
  end)
end)
