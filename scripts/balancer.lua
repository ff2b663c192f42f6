--- Balancer: accepts clients, and passes each one's socket to the worker with the fewest of them (document 000, 11.11).
--- Workers are programs of their own, in any language, that connect to a Unix socket: each client comes to them as a
--- byte of value 1 with a descriptor, which is what Python's multiprocessing.reduction.recv_handle receives.
---   perigee run scripts/balancer.lua
---   perigee run examples/balancer/worker.lua & /usr/bin/python3 examples/balancer/worker.py @perigee-balancer &
---   printf 'hi\n' | nc -q1 127.0.0.1 15500
--- With --workers of perigee run, the first of those serves it alone: it knows all workers that are meant here.
--- A worker may write one byte whenever it is done with a client. Of one that does not, all clients count: they get
--- theirs in turn.

local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options {
  listen = "tcp://127.0.0.1:15500", workers = "unix:@perigee-balancer",
  waiting = 1000, -- clients that are accepted while no worker is free to take one; more wait in the kernel's backlog
  patience = 60.0, -- seconds that a client waits for a worker
  stuck = 10.0, -- seconds that a worker may leave its socket full
}

service.in_one_worker()

---@class balancer.Worker
---@field conn perigee.Connection
---@field pid integer
---@field given integer clients; to begin with, as many as the others have at least
---@field done integer clients
---@field turn integer when it was given its last client, counted in clients
---@field sending boolean a client is being passed to it

---@type table<balancer.Worker, true>
local workers <const> = {}

---@type perigee.Channel[] of the clients that wait for a worker
local gates = {}

local turn = 0

local function load_of(worker)
  return worker.given - worker.done
end

local function is_before(a, b)
  if load_of(a) ~= load_of(b) then return load_of(a) < load_of(b) end
  return a.turn < b.turn
end

--- The worker with the fewest clients that can take one more now; of several, the one that has waited longest.
local function find_least()
  local least
  for worker in pairs(workers) do
    if not worker.sending and (not least or is_before(worker, least)) then least = worker end
  end
  return least
end

--- Clients that wait for a worker look again.
local function open_gates()
  local opened <const> = gates
  gates = {}
  for _, gate in ipairs(opened) do gate:send(true) end
end

local function wait_for_worker()
  local gate <const> = task.channel(1)
  table.insert(gates, gate)
  gate:receive()
  return find_least()
end

local function drop(worker, why)
  if not workers[worker] then return end
  workers[worker] = nil
  worker.conn:close()
  log.info("worker left", { pid = worker.pid, clients = load_of(worker), why = why })
end

--- A worker that takes none is dropped; it keeps the clients that it has.
local function pass(worker, client)
  worker.sending = true
  local _ <close> = setmetatable({}, { __close = function()
    worker.sending = false
    open_gates()
  end })
  local sent <const>, message <const> = worker.conn:send_fd(client)
  if not sent then return drop(worker, message) end
  turn = turn + 1
  worker.given, worker.turn = worker.given + 1, turn
  return true
end

local function balance(client)
  local worker
  repeat worker = find_least() or wait_for_worker() until worker and pass(worker, client)
  return true
end

--- Only programs of the same user get clients.
local function is_trusted(conn)
  local a <close>, b = net.pair()
  local mine <const>, its <const> = a.peer_credentials, conn.peer_credentials
  b:close()
  return its and (its.uid == mine.uid or its.uid == 0)
end

--- Counts what the worker is done with, until it ends. One that reports has no need of a head start.
local function hear(worker, head_start)
  while workers[worker] do
    local bytes <const>, message <const>, code <const> = worker.conn:read_some()
    if bytes then
      worker.given, head_start = worker.given - head_start, 0
      worker.done = math.min(worker.given, worker.done + #bytes)
    elseif code ~= "timeout" then
      drop(worker, message)
    end
  end
end

local function serve_worker(conn)
  if not is_trusted(conn) then return log.refusal("a worker of another user", conn.peer_credentials) end
  conn.timeout = options.stuck
  local least <const> = find_least()
  local head_start <const> = least and load_of(least) or 0
  local worker <const> = { conn = conn, pid = conn.peer_credentials.pid, given = head_start, done = 0,
    turn = 0 }
  workers[worker] = true
  log.info("worker came", { pid = worker.pid })
  open_gates()
  hear(worker, head_start)
end

net.serve(options.workers, serve_worker)
net.serve(options.listen, function(client)
  local done <const>, message <const> = task.deadline(options.patience, balance, client)
  if not done then log.refusal("no worker for a client", { peer = tostring(client.peer), why = message }) end
end, { max_connections = options.waiting })
service.on_stop(function()
  for worker in pairs(workers) do worker.conn:close() end
end)
