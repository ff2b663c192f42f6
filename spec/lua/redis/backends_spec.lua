--- What is special about the bus, the queue and the store in a Redis. What holds for all is in bus_spec, queue_spec and
--- store_spec.

local buses <const> = require "perigee.bus"
local fixture <const> = require "spec.fixtures.redis"
local helper <const> = require "spec.helper"
local http <const> = require "spec.fixtures.http"
local queues <const> = require "perigee.queue"
local redis <const> = require "perigee.redis"
local scripts <const> = require "perigee.queue.redis_scripts"
local stores <const> = require "perigee.store"
local task <const> = require "perigee.task"

local server

setup(function() server = fixture.start { port = true, appendonly = "yes" } end)
teardown(function() server:__close() end)

before_each(function() server:cli "FLUSHALL" end)

local function options(more)
  local given <const> = { backoff = { 0.001, 0.02 } }
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

describe("opening what is in a Redis", function()
  helper.leaves_nothing(before_each, after_each)

  it("fails where there is none", function()
    local fake <const>, url <const> = fixture.fake(function() end)
    fake:close()
    local given <const> = options { timeout = 0.5 }
    for _, opened in ipairs { { buses.open(url, given) }, { queues.open(url, "x", given) },
      { stores.open(url, "x", given) } } do
      assert.same({ nil, "refused" }, { opened[1], opened[3] })
      assert.matches("^open the %a+: connect to tcp://127.0.0.1:%d+: Connection refused$", opened[2])
    end
  end)

  it("raises for what is wrong in the URL and the options", function()
    for _, module in ipairs { buses, queues, stores } do
      local url <const> = server.url .. "?color=red"
      local ok <const>, message <const> = pcall(module.open, url, module ~= buses and "x" or nil)
      assert.is_false(ok)
      assert.matches("'color=red' has no meaning", message)
    end
    assert.has_error(function() buses.open(server.url, { limits = 5 }) end)
    assert.has_error(function() queues.open(server.url, "x", { leases = 5 }) end)
  end)
end)

describe("the bus in a Redis", function()
  helper.leaves_nothing(before_each, after_each)

  it("is shared with other programs", function()
    local bus <close> = assert(buses.open(server.url, options()))
    local news <close> = bus:subscribe "news"
    assert.equal("1", server:cli "PUBLISH news hello")
    assert.same({ "hello", "news" }, { news:receive(10) })
  end)

  it("recovers from a restart, and tells of the gap", function()
    local log <close> = http.log()
    local told = 0
    local bus <close> = assert(buses.open(server.url, options { on_lost = function() told = told + 1 end }))
    local news <close> = bus:subscribe "news"
    local all <close> = bus:match("*", "n*")
    server:restart()
    helper.eventually(function() return told == 2 end)
    assert.is_true(bus:publish("news", "after"))
    for _, subscription in ipairs { news, all } do
      local text <const>, topic <const>, lost <const> = subscription:receive(10)
      assert.same({ "after", "news", "disconnected" }, { text, topic, lost.reason })
      assert.is_true(lost.seconds > 0)
      assert.equal(0, subscription.waiting)
    end
    assert.matches("interrupted", tostring(log))
  end)
end)

describe("a queue in a Redis", function()
  helper.leaves_nothing(before_each, after_each)

  it("keeps what it was given over a restart, and those who wait wait on", function()
    local queue <close> = assert(queues.open(server.url, "jobs", options()))
    assert.equal(1, queue:put "kept")
    assert.equal(2, queue:put("later", { delay = 0.01 }))
    local held <close> = assert(queue:take(10))
    server:restart()
    assert.same({ "kept", true }, { held.text, held:done() })
    local later <close> = assert(queue:take(10))
    assert.same({ "later", true }, { later.text, later:done() })
    task.group(function(group)
      local taking <const> = group:spawn(queue.take, queue, 20)
      helper.eventually(function() return taking.state == "waiting" end)
      server:restart()
      helper.eventually(function() return queue:put "after" end)
      local job <close> = assert(taking:join())
      assert.same({ "after", true }, { job.text, job:done() })
    end)
    assert.same({ waiting = 0, taken = 0, failed = 0 }, queue:count())
  end)

  it("loses no job to a taker that has gone when the answer comes", function()
    local queue <close> = assert(queues.open(server.url, "jobs", options()))
    queue:put "kept"
    server:freeze()
    local _ <const>, _ <const>, code <const> = task.deadline(0.02, queue.take, queue)
    assert.equal("timeout", code)
    server:resume()
    local job <close> = assert(queue:take(10))
    assert.same({ "kept", 1, true }, { job.text, job.deliveries, job:done() })
  end)

  it("loses no job to a taker that is cancelled in the moment in which the answer comes", function()
    local queue <close> = assert(queues.open(server.url, "jobs", options { lease = 60 }))
    local take <const> = scripts.take
    local _ <close> = setmetatable({}, { __close = function() scripts.take = take end })
    local taking
    function scripts.take(...)
      local reply <const>, message <const>, code <const> = take(...)
      if type(reply) == "table" and reply[1] ~= "" then taking:cancel() end -- its wake-up comes too late
      return reply, message, code
    end
    queue:put "job"
    taking = task.spawn(queue.take, queue)
    assert.equal("cancelled", (select(3, taking:join(20))))
    scripts.take = take
    local job <const> = assert(queue:take(20))
    assert.same({ "job", 1 }, { job.text, job.deliveries })
    assert.is_true(job:done())
  end)

  it("says that a job is done also when it has to say so twice", function()
    local queue <close> = assert(queues.open(server.port_url, "jobs", options()))
    queue:put "x"
    local job <close> = assert(queue:take(10))
    server:freeze()
    task.group(function(group)
      local doing <const> = group:spawn(job.done, job)
      task.sleep(0.02)
      server:kill()
      server:start()
      assert.is_true(doing:join())
    end)
    assert.same({ waiting = 0, taken = 0, failed = 0 }, queue:count())
  end)

  it("wakes one who waits, not one who has given up", function()
    local gone <close> = assert(queues.open(server.url, "jobs", options()))
    local here <close> = assert(queues.open(server.url, "jobs", options()))
    assert.equal("timeout", select(3, gone:take(0.01)))
    task.group(function(group)
      local taking <const> = group:spawn(here.take, here, 20)
      helper.eventually(function() return server:cli("INFO clients"):find "blocked_clients:2" end)
      here:put "x"
      local job <close> = assert(taking:join())
      assert.same({ "x", true }, { job.text, job:done() })
    end)
  end)

  it("delivers the jobs of the dead, however many are held by the living", function()
    local living <close> = assert(queues.open(server.url, "jobs", options { lease = 0.6 }))
    local dying <const> = redis.connect(server.url)
    local held <const> = {}
    for i = 1, 40 do assert(living:put("job " .. i)) end
    for i = 1, 39 do held[i] = assert(living:take(10)) end
    -- taken by somebody who does not extend his lease
    dying:xreadgroup("GROUP", "takers", "taker", "COUNT", 1, "STREAMS", "perigee:queue:{jobs}:jobs", ">")
    dying:close()
    local job <close> = assert(living:take(20))
    assert.same({ "job 40", 2 }, { job.text, job.deliveries })
    for i = 1, 39 do assert.is_true(held[i]:done()) end
    assert.is_true(job:done())
  end)

  it("puts aside what was delivered too often to those who died", function()
    local queue <close> = assert(queues.open(server.url, "jobs", options { lease = 0.05, attempts = 2 }))
    local client <close> = redis.connect(server.url)
    queue:put "deadly"
    local key <const> = "perigee:queue:{jobs}:jobs"
    client:xreadgroup("GROUP", "takers", "taker", "COUNT", 1, "STREAMS", key, ">")
    task.sleep(0.06)
    client:xautoclaim(key, "takers", "taker", 0, "0-0")
    task.sleep(0.06)
    local log <close> = http.log()
    assert.equal("timeout", select(3, queue:take(0)))
    assert.matches("a job has failed for good: who had taken it has ended each time deliveries=2 job=1", tostring(log))
    assert.same({ { id = 1, text = "deadly", deliveries = 2 } }, queue:failed())
  end)

  it("keeps names apart, whatever is in them", function()
    local names <const> = { "a", "a}", "{a}", "a%7D", "a:jobs", "\0\255" }
    for _, name in ipairs(names) do
      local queue <close> = assert(queues.open(server.url, name, options()))
      assert.equal(1, queue:put(name))
    end
    for _, name in ipairs(names) do
      local queue <close> = assert(queues.open(server.url, name, options()))
      local job <close> = assert(queue:take(10))
      assert.same({ name, true }, { job.text, job:done() })
    end
  end)

  it("begins anew when all its keys are deleted", function()
    local queue <close> = assert(queues.open(server.url, "jobs", options()))
    queue:put "gone"
    local job <const> = assert(queue:take(10))
    server:cli "FLUSHALL"
    assert.equal("closed", select(3, job:done()))
    assert.equal(1, queue:put "new")
    local new <close> = assert(queue:take(10))
    assert.same({ "new", true }, { new.text, new:done() })
  end)
end)

describe("a store in a Redis", function()
  helper.leaves_nothing(before_each, after_each)

  it("knows its own keys alone, whatever is in its name", function()
    local names <const> = { "a", "a*", "[a]", "a:b", "a%3Ab", "?" }
    for _, name in ipairs(names) do
      local store <close> = assert(stores.open(server.url, name, options()))
      assert.is_true(store:set("b:key", name))
      assert.is_true(store:set("*", name))
    end
    for _, name in ipairs(names) do
      local store <close> = assert(stores.open(server.url, name, options()))
      assert.equal(name, store:get "b:key")
      assert.same({ "*", "b:key" }, store:keys())
      assert.same({ "*" }, store:keys "*")
    end
  end)

  it("finds thousands of keys among others", function()
    local store <close> = assert(stores.open(server.url, "many", options()))
    local client <close> = redis.connect(server.url)
    client:pipeline(function(p)
      for i = 1, 3000 do
        p:set("other:" .. i, 1)
        p:set(("perigee:store:many:key%04d"):format(i), 1)
      end
    end)
    local keys <const> = store:keys()
    assert.same({ 3000, "key0001", "key3000" }, { #keys, keys[1], keys[3000] })
    assert.same({ "key1234" }, store:keys "key1234")
  end)

  it("takes times of any length", function()
    local store <close> = assert(stores.open(server.url, "times", options()))
    for _, seconds in ipairs { 1e-9, 1e300, 1e12 } do
      assert.is_true(store:set("a", "1", { expire = seconds }))
      store:set("b", "1")
      assert.is_true(store:expire("b", seconds))
    end
    assert.is_true(store:expire("a", math.huge))
    assert.equal("1", store:get "a")
  end)

  it("tells what is wrong with a key that is no string", function()
    local store <close> = assert(stores.open(server.url, "times", options()))
    server:cli "LPUSH perigee:store:times:a x"
    local value <const>, message <const>, code <const> = store:get "a"
    assert.same({ nil, "failed" }, { value, code })
    assert.matches("^get: GET on redis%+unix://%S+: WRONGTYPE", message)
    assert.equal("failed", select(3, store:replace("a", "x", "y")))
  end)
end)
