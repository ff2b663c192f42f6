local queues <const> = require "perigee.queue"
local redis <const> = require "spec.fixtures.redis"
local stores <const> = require "perigee.store"
local helper <const> = require "spec.helper"

-- A job or value that was longer than the client's limit of a reply was taken, and could never be read: each attempt
-- broke the connection of all who shared it, with a message of a protocol that was broken. One such job among those
-- that had failed, or some that were long together, hid them all from failed().
describe("what is too large for a reply of a Redis", function()
  helper.leaves_nothing(before_each, after_each)

  local LIMIT <const> = 200000

  it("is not taken as a job", function()
    local server <close> = redis.start()
    local queue <close> = assert(queues.open(server.url, "jobs", { limit = LIMIT }))
    helper.assert_failure("limit", "put: a job of 200000 bytes: it may have 198976 at most",
      queue:put(("x"):rep(LIMIT)))
    local longest <const> = ("x"):rep(198976)
    assert(queue:put(longest))
    local job <const> = assert(queue:take(5))
    assert.equal(longest, job.text)
    assert.is_true(job:done())
  end)

  it("is not taken as a value", function()
    local server <close> = redis.start()
    local store <close> = assert(stores.open(server.url, "s", { limit = LIMIT }))
    local long <const>, longest <const> = ("x"):rep(LIMIT), ("x"):rep(198976)
    helper.assert_failure("limit", "set: a value of 200000 bytes: it may have 198976 at most", store:set("a", long))
    assert.is_true(store:replace("a", nil, "b"))
    helper.assert_failure("limit", "replace: a value of 200000 bytes", store:replace("a", "b", long))
    assert.is_true(store:replace("a", "b", longest))
    assert.equal(longest, store:get "a")
  end)

  it("is told as that, not as a broken protocol", function()
    local server <close> = redis.start()
    local store <close> = assert(stores.open(server.url, "s", { limit = LIMIT }))
    server:cli "eval \"redis.call('set', 'perigee:store:s:a', string.rep('x', 300000))\" 0"
    helper.assert_failure("limit", "get: GET: read from %S+: more bytes than the limit allows", store:get "a")
    assert.is_nil((store:get "b"))
  end)

  it("is not all failed jobs together", function()
    local server <close> = redis.start()
    local queue <close> = assert(queues.open(server.url, "jobs", { attempts = 1, limit = 3 << 19 }))
    for number = 1, 12 do assert(queue:put(number .. ("x"):rep(150000))) end
    for _ = 1, 12 do assert(assert(queue:take(5)):release()) end
    local failed <const> = assert(queue:failed())
    assert.equal(12, #failed)
    for number, job in ipairs(failed) do
      assert.equal(number, job.id)
      assert.equal(number .. ("x"):rep(150000), job.text)
      assert.equal(1, job.deliveries)
    end
  end)
end)

-- The server's "OOM" was told as "failed", where a local: place that is full says "limit".
describe("a Redis without memory", function()
  helper.leaves_nothing(before_each, after_each)

  it("is full, as other places are, and lets go of jobs", function()
    local server <close> = redis.start()
    local queue <close> = assert(queues.open(server.url, "jobs"))
    local store <close> = assert(stores.open(server.url, "s"))
    for number = 1, 3 do assert(queue:put(tostring(number))) end
    local job <const> = assert(queue:take(5))
    server:cli "config set maxmemory 1"
    helper.assert_failure("limit", "put: .*OOM", queue:put "4")
    helper.assert_failure("limit", "set: .*OOM", store:set("a", "b"))
    assert.is_true(job:done())
    assert.is_true(assert(queue:take(5)):done())
    assert.is_true(assert(queue:take(5)):release(1000))
    assert.same({ waiting = 1, taken = 0, failed = 0 }, queue:count())
  end)
end)
