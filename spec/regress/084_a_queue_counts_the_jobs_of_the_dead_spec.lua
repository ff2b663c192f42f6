local backends <const> = require "spec.fixtures.backends"
local helper <const> = require "spec.helper"
local process <const> = require "perigee.process"
local queues <const> = require "perigee.queue"

-- In a Redis the job of a process that had died was counted as taken until somebody else took it.
backends.each("queue", function(title, start)
  describe("a queue on " .. title, function()
    helper.leaves_nothing(before_each, after_each)

    it("counts a job as one that waits once its lease has ended", function()
      local place <close> = start()
      local options <const> = { lease = 0.2 }
      local queue <close> = assert(queues.open(place.url, "of the dead", options))
      assert(queue:put "job")
      local child <close> = assert(process.start("spec/fixtures/worker.lua",
        { arguments = { place.url, "of the dead", options, "hold" }, run_options = { "--log-level", "error" } }))
      assert.equal("ready", (child.channel:receive()))
      assert.same({ "took", "job", 1 }, { child.channel:receive() })
      helper.eventually(function() return queue:count().taken == 1 end)
      child:kill()
      child:wait()
      helper.eventually(function() return queue:count().waiting == 1 end)
      assert.same({ waiting = 1, taken = 0, failed = 0 }, queue:count())
      assert(assert(queue:take(10)):done())
    end)
  end)
end)
