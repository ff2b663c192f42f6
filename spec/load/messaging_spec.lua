--- A queue's traffic while workers, the whole server and Redis are killed at random, and a bus whose Redis is
--- restarted. PERIGEE_LOAD_SECONDS=60 runs it in full.

local backends <const> = require "spec.fixtures.backends"
local buses <const> = require "perigee.bus"
local helper <const> = require "spec.helper"
local logs <const> = require "perigee.log"
local members <const> = require "spec.fixtures.members"
local net <const> = require "perigee.net"
local queues <const> = require "perigee.queue"
local task <const> = require "perigee.task"
local workers <const> = require "spec.fixtures.workers"

local SECONDS <const> = tonumber(os.getenv "PERIGEE_LOAD_SECONDS" or 4)
local CLIENTS <const>, PAUSE <const> = 8, 0.005 -- seconds between two jobs of a client
local IN_FULL <const> = os.getenv "PERIGEE_LOAD_SECONDS" ~= nil

--- A service that puts each line of its clients into the queue, and says "ok" when it is in. Its workers do the jobs,
--- and write a line to a log when they take one, before they say that it is done, and when that is acknowledged, each
--- with one write(2).
local SERVICE <const> = [[
local net <const>, service <const> = require "perigee.net", require "perigee.service"
local task <const> = require "perigee.task"
local options <const> = service.options { url = "", listen = "", log = "" }
local jobs <const> = assert(require("perigee.queue").open(options.url, "traffic", { lease = 1, attempts = 1000 }))
local log <const> = assert(io.open(options.log, "a"))
log:setvbuf "no"
net.serve(options.listen, function(conn)
  for line in conn:lines() do
    local id <const>, message <const> = jobs:put(line)
    conn:write(id and "ok\n" or "failed: " .. message .. "\n")
  end
end)
task.spawn(jobs.work, jobs, function(text, job)
  log:write(("took %s %d\n"):format(text, job.deliveries))
  task.sleep(math.random() * 0.004)
  log:write(("ending %s\n"):format(text))
  local done <const>, _ <const>, code <const> = job:done()
  log:write(("%s %s\n"):format(done and "done" or code, text))
end, { parallel = 4, delay = 0 })
]]

local function free_port()
  local server <close> = assert(net.serve("tcp://127.0.0.1:0", function() end))
  return server.address.port
end

---@class spec.Traffic
---@field address string of the service
---@field log string path of what its workers have written
---@field url string of the queue
---@field service spec.Supervised?
---@field acknowledged table<string, true> jobs that were put for sure
---@field count integer of them
---@field kills table<string, integer>
local Traffic <const> = {}
Traffic.__index = Traffic

function Traffic:start()
  self.service = workers.start(SERVICE, ("--workers 2 --drain 0 --log-level error --set service.url=%s"
    .. " --set service.listen=%s --set service.log=%s"):format(self.url, self.address, self.log))
end

local function new_traffic(url)
  local self <const> = setmetatable({ url = url, log = helper.temporary_name(), acknowledged = {}, count = 0,
    address = "tcp://127.0.0.1:" .. free_port(), kills = { worker = 0, server = 0, redis = 0 } }, Traffic)
  self:start()
  return self
end

function Traffic:__close()
  getmetatable(self.service).__close(self.service)
  os.remove(self.log)
end

--- The processes of the service, its supervisor first.
function Traffic:pids()
  local list <const> = { self.service.pid }
  for pid in helper.run("pgrep -P " .. self.service.pid):gmatch "%d+" do list[#list + 1] = pid end
  return list
end

function Traffic:kill_worker()
  local pids <const> = self:pids()
  if #pids < 2 then return end
  os.execute(("kill -9 %s 2>/dev/null"):format(pids[math.random(2, #pids)]))
  self.kills.worker = self.kills.worker + 1
end

function Traffic:kill_server()
  os.execute(("kill -9 %s 2>/dev/null"):format(table.concat(self:pids(), " ")))
  getmetatable(self.service).__close(self.service)
  self.kills.server = self.kills.server + 1
  self:start()
end

--- One connection of a client, until it breaks or time is over.
local function converse(self, name, number, ends)
  local conn <close> = net.connect(self.address, { timeout = 20 })
  if not conn then
    task.sleep(0.01)
    return number
  end
  while task.now() < ends do
    number = number + 1
    local job <const> = ("%s.%d"):format(name, number)
    conn:write(job, "\n")
    local answer <const> = conn:read_line()
    if not answer then return number end -- it may have been put, and may not
    if answer == "ok" then self.acknowledged[job], self.count = true, self.count + 1 end
    task.sleep(answer == "ok" and PAUSE or 0.01)
  end
  return number
end

--- Clients that put jobs until `ends`.
function Traffic:put_jobs(group, ends)
  for index = 1, CLIENTS do
    group:spawn(function()
      local number = 0
      while task.now() < ends do number = converse(self, "client" .. index, number, ends) end
    end)
  end
end

--- What the log says: jobs that are done, or may be, as their worker or the Redis was killed when it said so; what is
--- wrong, and how many were delivered again.
function Traffic:read_log()
  local ended <const>, done <const>, wrong <const>, again = {}, {}, {}, 0
  for line in io.lines(self.log) do
    local what <const>, job <const>, deliveries <const> = line:match "^(%a+) (%S+) ?(%d*)$"
    if what == "took" and done[job] then wrong[#wrong + 1] = job .. " was delivered after it was done" end
    if what == "took" and deliveries ~= "1" then again = again + 1 end
    if what == "took" then ended[job] = nil elseif what == "ending" then ended[job] = true end
    if what == "done" then
      if done[job] then wrong[#wrong + 1] = job .. " was done twice" end
      done[job] = true
    end
  end
  return ended, wrong, again
end

--- Waits until the workers have done all that was acknowledged: then the queue is empty.
function Traffic:assert_all_done()
  local left
  local finished <const> = pcall(helper.eventually, function()
    local ended <const> = self:read_log()
    left = {}
    for job in pairs(self.acknowledged) do
      if not ended[job] then left[#left + 1] = job end
    end
    if #left > 0 then task.sleep(0.2) end
    return #left == 0
  end, 60)
  local queue <close> = assert(queues.open(self.url, "traffic"))
  local count <const> = assert(queue:count())
  assert.is_true(finished, ("%d acknowledged jobs are lost: %s ...; %d wait, %d are taken, %d have failed"):format(
    #left, left[1], count.waiting, count.taken, count.failed))
  helper.eventually(function()
    local left_over <const> = assert(queue:count())
    return left_over.waiting == 0 and left_over.taken == 0
  end)
  assert.same({ waiting = 0, taken = 0, failed = 0 }, queue:count())
end

function Traffic:report(title)
  local _ <const>, wrong <const>, again <const> = self:read_log()
  assert.same({}, wrong)
  if not IN_FULL then return end
  print(("\n%s: %d s, %d jobs acknowledged, all done, %d delivered again; killed: %d workers, %d servers, %d Redis")
    :format(title, SECONDS, self.count, again, self.kills.worker, self.kills.server, self.kills.redis))
end

--- Kills now a worker, now all of the service, now Redis.
local function kill_one(self, backend)
  local chance <const> = math.random(10)
  if chance <= 6 then return self:kill_worker() end
  if chance <= 9 or not backend.server then return self:kill_server() end
  backend.server:kill()
  self.kills.redis = self.kills.redis + 1
  backend.server:start()
end

backends.each("queue", function(title, start)
  if title == "local: in memory" then return end -- it goes with the server

  describe("kill -9 during the traffic of a queue on " .. title .. " #load", function()
    helper.leaves_nothing(before_each, after_each)

    it("loses no job that was acknowledged, and delivers again what was not done", function()
      local backend <close> = start()
      local traffic <close> = new_traffic(backend.url)
      local ends <const> = task.now() + SECONDS
      task.group(function(group)
        traffic:put_jobs(group, ends)
        helper.eventually(function() return traffic.count > 0 end)
        while task.now() < ends do
          task.sleep(0.2 + math.random() * 0.5)
          kill_one(traffic, backend)
        end
      end)
      assert.is_true(traffic.count > 0 and traffic.kills.worker + traffic.kills.server > 0)
      traffic:assert_all_done()
      traffic:report(title)
    end)
  end)
end)

backends.each("bus", function(title, start)
  if title:find "^local" then return end

  describe("a bus on " .. title .. " that is restarted #load", function()
    helper.leaves_nothing(before_each, after_each)
    before_each(function() logs.configure { write = function() end } end)
    after_each(function() logs.configure { write = function(line) io.stderr:write(line) end } end)

    it("recovers by itself, here and in other processes, and tells of the gap", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url))
      local there <close> = members.start(backend.url)
      there:tell("subscribe", "news")
      local here <close> = bus:subscribe "news"
      for round = 1, IN_FULL and 5 or 2 do
        bus:publish("news", "before")
        assert.equal("before", (there:message()))
        assert.equal("before", (here:receive(20)))
        backend.server:kill()
        backend.server:start()
        local publishing <const> = task.spawn(function()
          while true do
            bus:publish("news", "after " .. round)
            task.sleep(0.02)
          end
        end)
        local text <const>, _ <const>, lost <const> = here:receive(20)
        assert.equal("after " .. round, text)
        assert.equal("disconnected", lost and lost.reason)
        local said <const>, _ <const>, gap <const> = there:message()
        assert.equal("after " .. round, said)
        assert.equal("disconnected", gap and gap.reason)
        publishing:cancel()
        publishing:join()
        bus:publish("news", "round over")
        while here:receive(20) ~= "round over" do end
        while there:message() ~= "round over" do end
      end
    end)
  end)
end)
