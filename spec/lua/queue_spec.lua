--- What holds for every queue of jobs, whatever it runs on.

local backends <const> = require "spec.fixtures.backends"
local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local process <const> = require "perigee.process"
local queues <const> = require "perigee.queue"
local task <const> = require "perigee.task"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

--- Collects what is logged until it is closed.
local function logged()
  local lines <const> = setmetatable({}, { __close = function()
    log.configure { write = function(line) io.stderr:write(line) end }
  end })
  log.configure { write = function(line) lines[#lines + 1] = line end }
  return lines
end

--- Starts a process that takes jobs: see spec/fixtures/worker.lua.
local function start_worker(url, name, options, mode)
  local child <const> = assert(process.start("spec/fixtures/worker.lua", { arguments = { url, name, options, mode },
    run_options = { "--log-level", "error" } }))
  assert.equal("ready", (child.channel:receive()))
  return child
end

local numbers = 0

--- A name that no other test has: memory lasts as long as the process.
local function new_name()
  numbers = numbers + 1
  return "jobs " .. numbers
end

backends.each("queue", function(title, start)
  describe("a queue on " .. title, function()
    helper.leaves_nothing(before_each, after_each)

    --- Runs body(queue, url, name) with a queue of its own.
    local function with_queue(options, body)
      local backend <close> = start()
      local name <const> = new_name()
      local queue <close> = assert(queues.open(backend.url, name, options))
      body(queue, backend.url, name)
    end

    local function counts(waiting, taken, failed)
      return { waiting = waiting, taken = taken, failed = failed }
    end

    it("gives the jobs in their order, each once", function()
      with_queue(nil, function(queue)
        local ids <const> = {}
        for number = 1, 20 do
          ids[number] = assert(queue:put(tostring(number)))
          assert.equal(number, #ids)
        end
        for number = 1, 20 do
          local job <close> = assert(queue:take(10))
          assert.same({ tostring(number), ids[number], 1 }, { job.text, job.id, job.deliveries })
          assert.is_true(job:done())
        end
        assert_failure("timeout", "^take: ", queue:take(0))
        assert.same(counts(0, 0, 0), queue:count())
      end)
    end)

    it("takes any bytes, also none, and megabytes of them", function()
      with_queue(nil, function(queue)
        local large <const> = ("0123456789\0\255"):rep(helper.is_tiny and 1000 or 500000)
        for _, text in ipairs { "", "\0\r\n\255", large } do
          queue:put(text)
          local job <close> = assert(queue:take(10))
          assert.is_true(job.text == text)
          assert.is_true(job:done())
        end
      end)
    end)

    it("counts what waits, is taken, and has failed", function()
      with_queue({ attempts = 1 }, function(queue)
        for number = 1, 5 do queue:put(tostring(number)) end
        local held <close> = assert(queue:take(10))
        local failing <close> = assert(queue:take(10))
        assert.same(counts(3, 2, 0), queue:count())
        failing:release()
        assert.same(counts(3, 1, 1), queue:count())
        held:done()
        assert.same(counts(3, 0, 1), queue:count())
      end)
    end)

    it("wakes a taker that waits, here and in another queue object", function()
      with_queue(nil, function(queue, url, name)
        local other <close> = assert(queues.open(url, name))
        local t <const> = task.spawn(function()
          local job <close> = assert(other:take(20))
          job:done()
          return job.text
        end)
        helper.eventually(function() return t.state == "waiting" end)
        queue:put "woken"
        assert.equal("woken", (t:join(20)))
      end)
    end)

    it("serves those who wait in the order in which they have come", function()
      with_queue(nil, function(queue)
        local got <const>, tasks <const> = {}, {}
        for number = 1, 3 do
          tasks[number] = task.spawn(function()
            local job <close> = assert(queue:take(20))
            got[number] = job.text
            job:done()
          end)
          helper.eventually(function() return tasks[number].state == "waiting" end)
        end
        for number = 1, 3 do
          queue:put("job " .. number)
          tasks[number]:join(20)
        end
        assert.same({ "job 1", "job 2", "job 3" }, got)
      end)
    end)

    it("takes no job for a taker that has given up", function()
      with_queue(nil, function(queue)
        assert_failure("timeout", "^take: ", queue:take(0.01))
        assert_failure("timeout", "", task.deadline(0.01, queue.take, queue))
        local t <const> = task.spawn(queue.take, queue)
        helper.eventually(function() return t.state == "waiting" end)
        t:cancel()
        t:join()
        queue:put "kept"
        local job <close> = assert(queue:take(10))
        assert.same({ "kept", 1 }, { job.text, job.deliveries })
        job:done()
      end)
    end)

    it("delivers a job again that was given back, and counts the deliveries", function()
      with_queue(nil, function(queue)
        queue:put "again"
        for deliveries = 1, 3 do
          local job <close> = assert(queue:take(10))
          assert.same({ "again", deliveries }, { job.text, job.deliveries })
          assert.is_true(job:release())
          assert_failure("closed", "^release: job .* is not held any more$", job:release())
          assert_failure("closed", "^done: job .* is not held any more$", job:done())
        end
        local job <close> = assert(queue:take(10))
        assert.is_true(job:done())
        assert_failure("closed", "^done: ", job:done())
        assert.same(counts(0, 0, 0), queue:count())
      end)
    end)

    it("gives a job back whose variable is closed, or that is collected, without it being done", function()
      with_queue(nil, function(queue)
        queue:put "left"
        do
          local job <close> = assert(queue:take(10))
          assert.equal(1, job.deliveries)
        end
        do
          local job = assert(queue:take(10))
          assert.equal(2, job.deliveries)
          job = nil -- luacheck: ignore
        end
        collectgarbage()
        collectgarbage()
        local job <close> = assert(queue:take(10))
        assert.same({ "left", 3 }, { job.text, job.deliveries })
        job:done()
      end)
    end)

    it("delivers a delayed job later", function()
      with_queue(nil, function(queue)
        queue:put("later", { delay = 0.2 })
        queue:put "now"
        local now <close> = assert(queue:take(10))
        assert.equal("now", now.text)
        assert_failure("timeout", "", queue:take(0))
        assert.same(counts(1, 1, 0), queue:count())
        local later <close> = assert(queue:take(10))
        assert.equal("later", later.text)
        assert.is_true(later:release(0.05))
        assert_failure("timeout", "", queue:take(0))
        local again <close> = assert(queue:take(10))
        assert.same({ "later", 2 }, { again.text, again.deliveries })
        again:done()
        now:done()
      end)
    end)

    it("puts a job aside that was delivered too often, until it is retried", function()
      with_queue({ attempts = 2 }, function(queue)
        local id <const> = queue:put "bad"
        for _ = 1, 2 do
          local job <close> = assert(queue:take(10))
          job:release()
        end
        assert_failure("timeout", "", queue:take(0))
        assert.same({ { id = id, text = "bad", deliveries = 2 } }, queue:failed())
        assert.same({ true, false }, { queue:retry(id), (queue:retry(id)) })
        assert.same({}, queue:failed())
        local job <close> = assert(queue:take(10))
        assert.same({ "bad", 1 }, { job.text, job.deliveries })
        job:done()
      end)
    end)

    it("extends the lease of a job that is being worked at", function()
      with_queue({ lease = 0.3 }, function(queue, url, name)
        queue:put "long"
        local job <close> = assert(queue:take(10))
        local other <close> = assert(queues.open(url, name, { lease = 0.3 }))
        assert_failure("timeout", "", other:take(1))
        assert.is_true(job:done())
      end)
    end)

    it("is gone through by for, which gives back what was not done", function()
      with_queue(nil, function(queue)
        for number = 1, 4 do queue:put(tostring(number)) end
        local seen <const> = {}
        for job in queue:jobs() do
          seen[#seen + 1] = job.text
          if job.text ~= "2" or job.deliveries > 1 then job:done() end
          if #seen == 5 then break end
        end
        table.sort(seen)
        assert.same({ "1", "2", "2", "3", "4" }, seen)
        assert.same(counts(0, 0, 0), queue:count())
      end)
    end)

    it("has its work done by several tasks, and again when that fails", function()
      local lines <close> = logged()
      with_queue(nil, function(queue)
        local done <const>, failed = {}, 0
        for number = 1, 20 do queue:put(tostring(number)) end
        local working <const> = task.spawn(queue.work, queue, function(text, job)
          if tonumber(text) % 5 == 0 and job.deliveries == 1 then
            failed = failed + 1
            error "not today"
          end
          task.sleep(0.001)
          done[#done + 1] = text
        end, { parallel = 4, delay = 0.01 })
        helper.eventually(function() return #done == 20 and queue:count().taken == 0 end)
        queue:close()
        working:join(20)
        assert.equal("returned", working.state)
        assert.equal(4, failed)
        assert.matches("error.*the job has failed: spec/lua/queue_spec.lua:%d+: not today deliveries=1", lines[1])
      end)
    end)

    it("does not count a delivery that was interrupted, as a service does that stops", function()
      with_queue({ attempts = 2 }, function(queue)
        queue:put "long"
        for _ = 1, 5 do
          local begun <const> = task.channel(1)
          local working <const> = task.spawn(queue.work, queue, function()
            begun:send(true)
            task.sleep(60)
          end)
          begun:receive()
          working:cancel()
          working:join()
        end
        local looping <const> = task.spawn(function()
          for _ in queue:jobs() do task.sleep(60) end
        end)
        helper.eventually(function() return queue:count().taken == 1 end)
        looping:cancel()
        looping:join()
        local job <const> = queue:take(20)
        assert.same({ "long", 1 }, { job.text, job.deliveries })
        job:done()
      end)
    end)

    it("logs once for each job that it has failed for good, as its takers were killed", function()
      local options <const> = { attempts = 1, lease = 0.2 }
      with_queue(options, function(queue, url, name)
        local lines <close> = logged()
        local ids <const>, children <const> = {}, {}
        for number = 1, 2 do
          ids[number] = assert(queue:put(tostring(number)))
          children[number] = start_worker(url, name, options, "hold")
          assert.equal("took", (children[number].channel:receive()))
        end
        for _, child in ipairs(children) do
          child:kill()
          child:wait()
          child:close()
        end
        local other <close> = assert(queues.open(url, name, options))
        helper.eventually(function() return not queue:take(0) and not other:take(0) and queue:count().failed == 2 end)
        assert.equal(2, #lines)
        for _, id in ipairs(ids) do
          assert.matches("error.*a job has failed for good: who had taken it has ended each time deliveries=1 job=" ..
            id, table.concat(lines))
        end
      end)
    end)

    it("gives back a job that comes in the moment in which its taker is cancelled", function()
      with_queue({ lease = 60 }, function(queue)
        for _, turns in ipairs { 0, 1, 2, 3, 5, 10 } do
          local taking <const> = task.spawn(queue.take, queue)
          task.sleep(0)
          assert(queue:put "job")
          for _ = 1, turns do task.sleep(0) end
          taking:cancel()
          local taken <const> = taking:join()
          if taken then taken:close() end
          local again <const> = assert(queue:take(20))
          assert.equal(taken and 2 or 1, again.deliveries)
          again:done()
        end
        assert.same(counts(0, 0, 0), queue:count())
      end)
    end)

    it("ends what waits when it is closed, and gives back what is taken", function()
      with_queue(nil, function(queue, url, name)
        queue:put "held"
        local job <const> = assert(queue:take(10))
        local t <const> = task.spawn(queue.take, queue)
        helper.eventually(function() return t.state == "waiting" end)
        queue:close()
        assert.equal("closed", (select(3, t:join(20))))
        assert_failure("closed", "^put: the queue is closed$", queue:put "x")
        assert_failure("closed", "^take: the queue is closed$", queue:take())
        assert_failure("closed", "^done: ", job:done())
        local other <close> = assert(queues.open(url, name))
        local again <close> = assert(other:take(10))
        assert.same({ "held", 1 }, { again.text, again.deliveries })
        again:done()
      end)
    end)

    it("keeps queues of other names apart", function()
      with_queue(nil, function(queue, url)
        local other <close> = assert(queues.open(url, new_name()))
        queue:put "mine"
        assert_failure("timeout", "", other:take(0))
        assert.same(counts(0, 0, 0), other:count())
        local job <close> = assert(queue:take(10))
        job:done()
      end)
    end)

    it("gives each job to one of several processes", function()
      with_queue(nil, function(queue, url, name)
        local first <close> = start_worker(url, name, nil, "done")
        local second <close> = start_worker(url, name, nil, "done")
        for number = 1, 10 do queue:put(tostring(number)) end
        local seen <const> = {}
        task.group(function(group)
          for _, child in ipairs { first, second } do
            group:spawn(function()
              for kind, text, result in child.channel:messages() do
                if kind == "took" then
                  assert(result == 1)
                  seen[#seen + 1] = tonumber(text)
                  child.channel:send "go on"
                end
                if #seen == 10 then break end
              end
            end)
          end
          helper.eventually(function() return #seen == 10 end)
          first.channel:close()
          second.channel:close()
        end)
        table.sort(seen)
        assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, seen)
      end)
    end)

    it("delivers a job again whose taker was killed", function()
      with_queue({ lease = 0.5 }, function(queue, url, name)
        local victim <close> = start_worker(url, name, { lease = 0.5 }, "hold")
        queue:put "orphan"
        assert.same({ "took", "orphan", 1 }, { victim.channel:receive() })
        victim:kill()
        victim:wait()
        local job <close> = assert(queue:take(20))
        assert.same({ "orphan", 2 }, { job.text, job.deliveries })
        assert.is_true(job:done())
      end)
    end)

    it("tells a taker that was stopped too long that the job is not his any more", function()
      with_queue({ lease = 0.5 }, function(queue, url, name)
        local sleeper <close> = start_worker(url, name, { lease = 0.5 }, "done")
        queue:put "late"
        assert.same({ "took", "late", 1 }, { sleeper.channel:receive() })
        sleeper:signal "SIGSTOP"
        local job <close> = assert(queue:take(20))
        assert.same({ "late", 2 }, { job.text, job.deliveries })
        sleeper:signal "SIGCONT"
        sleeper.channel:send "go on"
        assert.same({ "did", "late", nil }, { sleeper.channel:receive() })
        assert.is_true(job:done())
        sleeper.channel:close()
      end)
    end)

    it("refuses misuse at the line of the script", function()
      with_queue(nil, function(queue)
        local at <const> = "^spec/lua/queue_spec.lua:%d+: "
        assert_misuse(at .. "bad argument 'text' %(a string expected, got table: encode it, with perigee.codec.json",
          function() queue:put {} end)
        assert_misuse(at .. "bad argument 'delay' %(seconds of 0 or more expected, got %-1%)",
          function() queue:put("x", { delay = -1 }) end)
        assert_misuse(at .. "there is no option 'when'", function() queue:put("x", { when = 1 }) end)
        assert_misuse(at .. "bad argument 'seconds' %(seconds of 0 or more expected, got soon%)",
          function() queue:take "soon" end)
        assert_misuse(at .. "bad argument 'f' %(a function expected, got nil%)", function() queue:work() end)
        assert_misuse(at .. "option 'parallel' must be a positive integer, not 0",
          function() queue:work(print, { parallel = 0 }) end)
        assert_misuse(at .. "bad argument 'id'", function() queue:retry() end)
        assert.same(counts(0, 0, 0), queue:count())
      end)
    end)
  end)
end)

describe("opening a queue", function()
  it("refuses URLs, names and options that it does not know", function()
    local at <const> = "^spec/lua/queue_spec.lua:%d+: "
    assert_misuse(at .. "bad argument 'url'", function() queues.open(7, "x") end)
    assert_misuse(at .. "bad argument 'url' %(local:, .* expected, got 'file:/x'%)",
      function() queues.open("file:/x", "x") end)
    assert_misuse(at .. "bad argument 'name' %(a name for the queue expected%)", function() queues.open "local:" end)
    assert_misuse("option 'lease' must be seconds above 0, not 0", queues.open, "local:", "x", { lease = 0 })
    assert_misuse("option 'attempts' must be a positive integer, not 1.5", queues.open, "local:", "x",
      { attempts = 1.5 })
    assert_misuse("there is no option 'sizes'", queues.open, "local:", "x", { sizes = 1 })
  end)
end)
