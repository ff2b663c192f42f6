local helper <const> = require "spec.helper"
local process <const> = require "perigee.process"
local queues <const> = require "perigee.queue"
local redis <const> = require "spec.fixtures.redis"

-- A process did not wait until the Redis had heard that it gives back its jobs: others got them when the leases ended,
-- and each stop of a service counted as an attempt.
describe("the jobs of a process that ends well", function()
  helper.leaves_nothing(before_each, after_each)

  local LEASE <const> = 1000

  local function assert_untouched(queue)
    local job <const> = assert(queue:take(10))
    assert.equal(1, job.deliveries)
    assert.is_true(job:done())
  end

  it("are given to others at once", function()
    local server <close> = redis.start()
    local queue <close> = assert(queues.open(server.url, "ends", { lease = LEASE }))
    assert(queue:put "job")
    local child <close> = assert(process.start("spec/fixtures/worker.lua",
      { arguments = { server.url, "ends", { lease = LEASE }, "hold" }, run_options = { "--log-level", "error" } }))
    assert.equal("ready", (child.channel:receive()))
    assert.same({ "took", "job", 1 }, { child.channel:receive() })
    child.channel:close()
    child:wait()
    assert_untouched(queue)
  end)

  for _, workers in ipairs { "", " --workers 2" } do
    it("are as if they had not been taken when a service is stopped:" .. workers, function()
      local server <close> = redis.start()
      local files <close> = helper.directory { ["work.lua"] = ([[
        local queue <const> = assert(require "perigee.queue".open(%q, "stops", { lease = %d }))
        require "perigee.task".spawn(queue.work, queue, function(text)
          print("began " .. text)
          require "perigee.task".sleep(1000)
        end, { parallel = 10 })]]):format(server.url, LEASE) }
      local queue <close> = assert(queues.open(server.url, "stops", { lease = LEASE }))
      for number = 1, 10 do assert(queue:put(tostring(number))) end
      local running <close> = helper.start(("%s run %s/work.lua%s"):format(helper.binary, tostring(files), workers))
      helper.eventually(function() return queue:count().taken == 10 end)
      running:signal "TERM"
      running:wait()
      assert.same({ waiting = 10, taken = 0, failed = 0 }, queue:count())
      for _ = 1, 10 do assert_untouched(queue) end
    end)
  end
end)
