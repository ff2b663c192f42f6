local helper <const> = require "spec.helper"
local queues <const> = require "perigee.queue"
local redis <const> = require "spec.fixtures.redis"
local stores <const> = require "perigee.store"

-- A reply of another type ended the task that had asked for a job: who wanted it waited for ever, whatever his time
-- was. Other methods raised an error of Perigee's own lines.
describe("a queue or store at a server that is no Redis", function()
  helper.leaves_nothing(before_each, after_each)

  local REPLIES <const> = { null = "$-1\r\n", text = "$2\r\nhi\r\n", float = ",1.5\r\n", boolean = "#t\r\n",
    empty = "*0\r\n", list = "*2\r\n$1\r\na\r\n$1\r\nb\r\n", map = "%1\r\n+a\r\n:1\r\n" }

  for name, reply in pairs(REPLIES) do
    it("fails with a clear error, when that is " .. name, function()
      local _ <close>, url <const> = redis.fake(function(conn, reader)
        for _ in reader:messages() do conn:write(reply) end
      end)
      local queue <close> = assert(queues.open(url, "jobs"))
      local store <close> = assert(stores.open(url))
      local pattern <const> = "redis://127.0.0.1:%d+ does not answer as a Redis does"
      helper.assert_failure("protocol", "^put: " .. pattern, queue:put "a")
      helper.assert_failure("protocol", "^take: " .. pattern, queue:take())
      helper.assert_failure("protocol", "^take: " .. pattern, queue:take(0))
      helper.assert_failure("protocol", "^count: " .. pattern, queue:count())
      helper.assert_failure("protocol", "^retry: " .. pattern, queue:retry(1))
      helper.assert_failure("protocol", "^keys: " .. pattern, store:keys())
    end)
  end
end)
