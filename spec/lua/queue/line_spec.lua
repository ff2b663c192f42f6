local core <const> = require "core.task"
local helper <const> = require "spec.helper"
local lines <const> = require "perigee.queue.line"
local task <const> = require "perigee.task"

--- A line over a list of jobs. Each attempt takes a while, as that of a disk does.
local function line_over(jobs)
  local scope <const> = core.scope()
  local line
  local source <const> = { attempts = 0, most = 0, under_way = 0 }
  line = lines.new(scope, function()
    source.attempts, source.under_way = source.attempts + 1, source.under_way + 1
    source.most = math.max(source.most, source.under_way)
    local _ <close> = setmetatable({}, { __close = function() source.under_way = source.under_way - 1 end })
    local job <const> = table.remove(jobs, 1)
    local behind <const> = #jobs
    task.sleep(0)
    if source.failure then return nil, source.failure, "failed" end
    if not job then return false, source.due end
    return { text = job }, behind
  end)
  source.line = line
  return line, source, scope
end

--- Spawns so many takers, and returns them and what they get, in the order in which they get it.
local function spawn_takers(line, count, seconds)
  local takers <const>, got <const> = {}, {}
  for i = 1, count do
    takers[i] = task.spawn(function()
      local job <const>, _ <const>, code <const> = line:take(seconds)
      got[#got + 1] = i .. ":" .. (job and job.text or code)
    end)
  end
  return takers, got
end

local function join_all(takers)
  for _, taker in ipairs(takers) do taker:join() end
end

local function let_run()
  for _ = 1, 10 do task.sleep(0) end
end

describe("a line of takers", function()
  helper.leaves_nothing(before_each, after_each)

  it("gives a job at once when there is one", function()
    local line <const> = line_over { "a" }
    assert.same({ text = "a" }, (line:take()))
    line:close()
  end)

  it("waits no longer than it is to", function()
    local line <const>, source <const>, scope <const> = line_over {}
    assert.same({ nil, "take: no job came in time", "timeout" }, { line:take(0) })
    assert.equal(1, source.attempts)
    assert.same({ nil, "take: no job came in time", "timeout" }, { line:take(0.01) })
    assert.equal(2, source.attempts)
    line:close()
    scope:cancel()
  end)

  it("serves those who wait in the order in which they came", function()
    local jobs <const> = {}
    local line <const>, _ <const>, scope <const> = line_over(jobs)
    local takers <const>, got <const> = spawn_takers(line, 5)
    let_run()
    for i = 1, 5 do
      jobs[#jobs + 1] = "job " .. i
      line:expect()
    end
    join_all(takers)
    assert.same({ "1:job 1", "2:job 2", "3:job 3", "4:job 4", "5:job 5" }, got)
    line:close()
    scope:cancel()
  end)

  it("lets nobody who comes later have what somebody waits for", function()
    local jobs <const> = {}
    local line <const>, _ <const>, scope <const> = line_over(jobs)
    local takers <const>, got <const> = spawn_takers(line, 2)
    let_run()
    jobs[1] = "job"
    line:expect()
    local late <const>, late_got <const> = spawn_takers(line, 1, 0.01)
    join_all(late)
    assert.same({ "1:job" }, got)
    assert.same({ "1:timeout" }, late_got)
    jobs[1] = "another"
    line:expect()
    join_all(takers)
    assert.same({ "1:job", "2:another" }, got)
    line:close()
    scope:cancel()
  end)

  it("keeps the place of who has looked in vain", function()
    local jobs <const> = {}
    local line <const>, source <const>, scope <const> = line_over(jobs)
    local takers <const>, got <const> = spawn_takers(line, 3)
    let_run()
    line:expect() -- somebody else has taken that
    let_run()
    assert.equal(2, source.attempts)
    for i = 1, 3 do
      jobs[i] = "job"
      line:expect()
    end
    join_all(takers)
    assert.same({ "1:job", "2:job", "3:job" }, got)
    line:close()
    scope:cancel()
  end)

  it("lets as many attempt at once as there are jobs, once one has seen them", function()
    local jobs <const> = {}
    for i = 1, 20 do jobs[i] = "job" end
    local line <const>, source <const> = line_over(jobs)
    local takers <const>, got <const> = spawn_takers(line, 20)
    join_all(takers)
    assert.equal(20, #got)
    assert.equal(19, source.most)
    assert.equal(20, source.attempts)
    line:close()
  end)

  it("attempts again when a job was told of while somebody looked in vain", function()
    local jobs <const> = {}
    local line <const>, _ <const>, scope <const> = line_over(jobs)
    local takers <const>, got <const> = spawn_takers(line, 1)
    task.sleep(0) -- its attempt is under way
    jobs[1] = "job"
    line:expect()
    join_all(takers)
    assert.same({ "1:job" }, got)
    line:close()
    scope:cancel()
  end)

  it("looks when there may be a job, without being told", function()
    local jobs <const> = {}
    local line <const>, source <const>, scope <const> = line_over(jobs)
    source.due = 0.02
    local takers <const>, got <const> = spawn_takers(line, 2)
    let_run()
    jobs[1], jobs[2] = "a", "b"
    join_all(takers)
    assert.same({ "1:a", "2:b" }, got)
    line:close()
    scope:cancel()
  end)

  it("passes the turn of a taker that is cancelled on", function()
    for turns = 0, 4 do
      local jobs <const> = {}
      local line <const>, _ <const>, scope <const> = line_over(jobs)
      local takers <const>, got <const> = spawn_takers(line, 3)
      let_run()
      jobs[1], jobs[2] = "job", "job"
      line:expect()
      for _ = 1, turns do task.sleep(0) end
      takers[1]:cancel()
      line:expect()
      takers[2]:join()
      assert.equal("2:job", got[#got])
      takers[3]:cancel()
      line:close()
      scope:cancel()
    end
  end)

  it("passes a failure on to who has met it, and goes on", function()
    local jobs <const> = {}
    local line <const>, source <const>, scope <const> = line_over(jobs)
    source.failure = "the disk is gone"
    assert.same({ nil, "the disk is gone", "failed" }, { line:take() })
    source.failure, jobs[1] = nil, "job"
    assert.same({ text = "job" }, (line:take()))
    line:close()
    scope:cancel()
  end)

  it("tells those who wait that it is closed", function()
    local line <const>, _ <const>, scope <const> = line_over {}
    local takers <const>, got <const> = spawn_takers(line, 2)
    let_run()
    line:close()
    join_all(takers)
    assert.same({ "1:closed", "2:closed" }, got)
    assert.same({ nil, "take: the queue is closed", "closed" }, { line:take() })
    scope:cancel()
  end)
end)
