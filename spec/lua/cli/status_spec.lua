local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local status <const> = require "perigee.cli.status"
local workers <const> = require "spec.fixtures.workers"

local function service(generation, more)
  local result <const> = { name = "chat", path = "chat.lua", generation = generation, reloads = 3, failed_reloads = 1,
    tasks = 5, connections = 4, age = 131, alive = {} }
  for name, value in pairs(more or {}) do result[name] = value end
  return result
end

local FULL <const> = {
  pid = 4242, mode = "shared", state = "serving", age = 300001, memory = 12345678,
  listeners = { { service = "chat", address = "tcp://127.0.0.1:8800" }, { service = "files", address = "unix:/x" } },
  workers = {
    { worker = 1, pid = 4243, state = "serving", age = 300000, restarts = 0, connections = 5, requests = 12345,
      memory = 22345678, heap = 3123456, lag = 0.00012, slices = { longest = 5.04, warned = 2, stopped = 1 },
      services = {
        service(4, { alive = { { number = 3, state = "draining", seconds = 12, tasks = 3, connections = 2, holders = {
          "2 connections: tcp://127.0.0.1:5012, tcp://127.0.0.1:5013",
          "state 'rooms': rooms.lobby.clients[1] (metatable).__index.join, a function of scripts/chat.lua:62",
        } } } }),
        { name = "files", generation = 1, reloads = 0, failed_reloads = 0, tasks = 0, connections = 1, age = 300000 },
      } },
    { worker = 2, pid = 4244, state = "serving", age = 10, restarts = 12, connections = 4, requests = 7,
      memory = 1 << 20, heap = 1 << 19, lag = 0.0105, slices = { longest = 0, warned = 0, stopped = 0 },
      services = { service(3, { reloads = 2, failed_reloads = 0, age = 10 }) } },
    { worker = 3, state = "waiting", age = 0, restarts = 2 },
  },
}

describe("The text of a status", function()
  it("has what is served, services, workers, and who holds old code", function()
    assert.equal([[
perigee 4242: serving, for 3d 11h, 11.8 MiB
  chat   tcp://127.0.0.1:8800
  files  unix:/x

service  generation   since  reloads      connections  tasks
chat         3 to 4     10s  3, 1 failed            8     10
files             1  3d 11h  0                      1      0

worker   pid  state       age  restarts  connections  requests    memory     heap      lag
     1  4243  serving  3d 11h         0            5     12345  21.3 MiB  3.0 MiB   0.1 ms
     2  4244  serving     10s        12            4         7   1.0 MiB  0.5 MiB  10.5 ms
     3     -  waiting      0s         2            -         -         -        -        -

worker 1: 2 slices too long (5.0 s at most), 1 stopped

chat, generation 3 in worker 1: draining, replaced 12s ago, 2 connections, 3 tasks
  2 connections: tcp://127.0.0.1:5012, tcp://127.0.0.1:5013
  state 'rooms': rooms.lobby.clients[1] (metatable).__index.join, a function of scripts/chat.lua:62]],
      status.text(FULL))
  end)

  it("is not wider than 100 columns", function()
    for line in status.text(FULL):gmatch "[^\n]+" do assert.is_true(utf8.len(line) <= 100, line) end
  end)

  it("is short for a process alone", function()
    local text <const> = status.text { pid = 1, mode = "single", state = "loading", age = 0, listeners = {}, workers = {
      { worker = 0, restarts = 0, pid = 1, state = "loading", age = 0, connections = 0, requests = 0, memory = 1 << 20,
        slices = { longest = 0.3, warned = 1, stopped = 0 }, services = {
          { name = "a", reloads = 0, failed_reloads = 0, tasks = 1, connections = 0, alive = {} } } } } }
    assert.equal([[
perigee 1: loading, for 0s, -

service  generation  since  reloads  connections  tasks
a                 -      -  0                  0      1

pid  state    age  connections  requests   memory  heap  lag
  1  loading   0s            0         0  1.0 MiB     -    -

1 slice too long (0.3 s at most), 0 stopped]], text)
  end)
end)

describe("perigee status", function()
  helper.leaves_nothing(before_each, after_each)

  it("shows the generations of services, and who holds those that are old", function()
    local process <close>, address <const> = workers.serve(workers.ECHO, "--workers 1")
    process:serving()
    local conn <const> = assert(net.connect(address, { timeout = 20 }))
    conn:read_line()
    assert.same({ "reloaded service: generation 2\n", 0 }, { process:command "reload" })
    local output <const> = process:command "status"
    assert.matches("\nservice +2 +%d+s  1 +1      1\n", output)
    assert.matches(("\n\nservice, generation 1 in worker 1: draining, replaced 0s ago, .-1 task\n"
      .. "  a connection: tcp://127.0.0.1:%d\n$"):format(conn.address.port), output)
    local one <const> = process:status().workers[1].services[1]
    assert.same({ "service", 2, 1, 0, 1 },
      { one.name, one.generation, one.reloads, one.failed_reloads, one.connections })
    conn:close()
  end)
end)
