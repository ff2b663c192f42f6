local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local queues <const> = require "perigee.queue"
local task <const> = require "perigee.task"

-- A job that was put aside was logged as one that would be tried again.
describe("a job that always fails", function()
  helper.leaves_nothing(before_each, after_each)

  it("is logged as failed for good when it is put aside", function()
    local lines <const> = {}
    local _ <close> = setmetatable({}, { __close = function()
      log.configure { write = function(line) io.stderr:write(line) end }
    end })
    log.configure { write = function(line) lines[#lines + 1] = line end }
    local queue <close> = assert(queues.open("local:", "jobs that always fail", { attempts = 2 }))
    assert(queue:put "a")
    local working <const> = task.spawn(queue.work, queue, function() error "never" end, { delay = 0 })
    helper.eventually(function() return queue:count().failed == 1 end)
    queue:close()
    working:join(20)
    assert.equal(2, #lines)
    assert.matches("the job has failed: %S+ never deliveries=1", lines[1])
    assert.matches("the job has failed for good: %S+ never deliveries=2", lines[2])
  end)
end)
