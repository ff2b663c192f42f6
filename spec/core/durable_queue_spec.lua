local fixture <const> = require "spec.fixtures.durable"
local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

describe("core.durable:", function()
  setup(fixture.begin_once)
  helper.leaves_nothing(before_each, after_each)

  describe("a queue", function()
    local environment, queue
    local reopen <const> = fixture.each(before_each, after_each, function(opened)
      environment, queue = opened, assert(opened:queue "spec")
    end)

    it("has nothing at first", function()
      assert.same({ n = 2, false, nil }, table.pack(queue:take(10)))
      assert.same({ 0, 0, 0 }, { queue:counts() })
      assert.same({ {}, false }, { queue:failed() })
    end)

    it("gives jobs in the order in which they were put, with what waits behind them", function()
      local texts <const> = { "first", "", "\0\255", ("long"):rep(5000) }
      for i, text in ipairs(texts) do assert.equal(i, (queue:put(text))) end
      for i, text in ipairs(texts) do assert.same({ i, text, 1, #texts - i }, { queue:take(10) }) end
      assert.same({ 0, #texts, 0 }, { queue:counts() })
    end)

    it("keeps queues apart, and from stores of the same name", function()
      local other <const> = assert(environment:queue "other")
      local store <const> = assert(environment:store "spec")
      queue:put "mine"
      other:put "theirs"
      store:set("key", "value")
      assert.equal("theirs", select(2, assert(environment:queue "other"):take(10)))
      assert.equal("mine", select(2, queue:take(10)))
      assert.same({ "key" }, (store:keys ""))
    end)

    it("forgets a job that is done, once", function()
      local id <const> = queue:put "job"
      queue:take(10)
      assert.is_true(queue:done(id, 1))
      assert.is_false(queue:done(id, 1))
      assert.is_false(queue:release(id, 1))
      assert.same({ 0, 0, 0 }, { queue:counts() })
      assert.equal(id + 1, (queue:put "job"))
    end)

    it("takes no word from who does not hold the job", function()
      local id <const> = queue:put "job"
      assert.is_false(queue:done(id, 1))
      queue:take(10)
      for _, deliveries in ipairs { 0, 2 } do
        assert.is_false(queue:done(id, deliveries))
        assert.is_false(queue:release(id, deliveries))
        assert.same({ id }, (queue:extend(10, { id, deliveries })))
      end
      assert.is_false(queue:done(id + 1, 1))
      assert.is_false(queue:retry(id))
      assert.same({ 0, 1, 0 }, { queue:counts() })
    end)

    it("gives a job again that was released, before those behind it", function()
      for _, text in ipairs { "a", "b" } do queue:put(text) end
      local id <const> = queue:take(10)
      assert.is_true(queue:release(id, 1))
      assert.same({ id, "a", 2, 1 }, { queue:take(10) })
    end)

    it("gives a job again when its lease has ended, and none before", function()
      local id <const> = queue:put "job"
      queue:take(10)
      environment:shift_clock(9)
      local none <const>, seconds <const> = queue:take(10)
      assert.is_false(none)
      assert.is_true(seconds > 0 and seconds <= 1)
      environment:shift_clock(10.1)
      assert.same({ 1, 0, 0 }, { queue:counts() })
      assert.same({ id, "job", 2, 0 }, { queue:take(10) })
      assert.is_false(queue:done(id, 1))
      assert.is_true(queue:done(id, 2))
    end)

    it("names the jobs whose leases have ended too often, once, whether there is another one or not", function()
      local texts <const> = { "", "b", "c" }
      for _, text in ipairs(texts) do queue:put(text) end
      for _ = 1, 3 do queue:take(10, 1) end
      environment:shift_clock(11)
      queue:put "d"
      assert.same({ 4, "d", 1, 0, { 1, 2, 3 } }, { queue:take(10, 1) })
      environment:shift_clock(22)
      assert.same({ n = 5, false, nil, nil, nil, { 4 } }, table.pack(queue:take(10, 1)))
      assert.same({ n = 2, false }, table.pack(queue:take(10, 1)))
      assert.same({ 0, 0, 4 }, { queue:counts() })
    end)

    it("extends leases, and names those that are lost", function()
      for i = 1, 3 do queue:put("job " .. i) end
      for _ = 1, 3 do queue:take(10) end
      queue:done(2, 1)
      environment:shift_clock(9)
      assert.same({ 2, 7 }, (queue:extend(10, { 1, 1, 2, 1, 3, 1, 7, 1 })))
      environment:shift_clock(18)
      assert.is_false((queue:take(10)))
      environment:shift_clock(20)
      assert.same({ 1, 3 }, { (queue:take(10)), (queue:take(10)) })
      assert.same({ {} }, { (queue:extend(10, {})) })
    end)

    it("holds a delayed job back", function()
      queue:put("late", 10)
      queue:put("later", 20)
      queue:put "now"
      assert.same({ 3, 0, 0 }, { queue:counts() })
      assert.equal("now", select(2, queue:take(100)))
      local none <const>, seconds <const> = queue:take(100)
      assert.is_true(not none and seconds > 9 and seconds <= 10)
      environment:shift_clock(11)
      assert.equal("late", select(2, queue:take(100)))
      assert.is_false((queue:take(100)))
      environment:shift_clock(21)
      assert.equal("later", select(2, queue:take(100)))
    end)

    it("holds a job back that is released with a delay", function()
      local id <const> = queue:put "job"
      queue:take(100)
      assert.is_true(queue:release(id, 1, 10))
      assert.is_false((queue:take(100)))
      assert.same({ 1, 0, 0 }, { queue:counts() })
      environment:shift_clock(11)
      assert.same({ id, "job", 2, 0 }, { queue:take(100) })
    end)

    it("puts a job aside that was delivered too often", function()
      local id <const> = queue:put "released"
      for deliveries = 1, 3 do
        assert.same({ id, "released", deliveries, 0 }, { queue:take(10, 3) })
        assert.is_true(queue:release(id, deliveries, 0, 3))
      end
      local lost <const> = queue:put "lost"
      for deliveries = 1, 3 do
        assert.same({ lost, "lost", deliveries, 0 }, { queue:take(10, 3) })
        environment:shift_clock(deliveries * 11)
      end
      assert.is_false((queue:take(10, 3)))
      assert.same({ 0, 0, 2 }, { queue:counts() })
      local aside <const> = { { id = id, text = "released", deliveries = 3 },
        { id = lost, text = "lost", deliveries = 3 } }
      assert.same({ aside, false }, { queue:failed() })
      assert.is_true(queue:retry(lost))
      assert.is_false(queue:retry(lost))
      assert.same({ lost, "lost", 1, 0 }, { queue:take(10, 3) })
      assert.same({ { { id = id, text = "released", deliveries = 3 } }, false }, { queue:failed() })
    end)

    it("lists a thousand failed jobs at once", function()
      task.group(function(group)
        for i = 1, 1500 do
          group:spawn(function()
            queue:put(tostring(i))
            local id <const> = queue:take(10)
            queue:release(id, 1, 0, 1)
          end)
        end
      end)
      local first <const>, more <const> = queue:failed()
      assert.same({ 1000, "1", "1000", true }, { #first, first[1].text, first[1000].text, more })
      local second <const>, no_more <const> = queue:failed(first[1000].id)
      assert.same({ 500, "1001", false }, { #second, second[1].text, no_more })
    end)

    it("ends leases and delays in time though the clock was put back", function()
      queue:put "leased"
      queue:take(10)
      queue:put("delayed", 20)
      environment:shift_clock(-3600)
      local none <const>, seconds <const> = queue:take(10)
      assert.is_true(not none and seconds > 9 and seconds <= 10)
      environment:shift_clock(-3589)
      assert.same({ 1, "leased", 2, 0 }, { queue:take(100) })
      environment:shift_clock(-3579)
      assert.same({ 2, "delayed", 1, 0 }, { queue:take(100) })
    end)

    it("lets its holder have a job to the end though the clock was put back", function()
      local id <const> = queue:put "leased"
      queue:take(10)
      environment:shift_clock(-3600)
      assert.is_false((queue:take(10)))
      assert.is_true(queue:done(id, 1))
    end)

    it("gives each of many tasks its own job, first come, first served", function()
      local got <const> = {}
      for i = 1, 500 do queue:put(tostring(i)) end
      task.group(function(group)
        for i = 1, 500 do
          group:spawn(function()
            local _ <const>, text <const> = queue:take(10)
            got[i] = text
          end)
        end
      end)
      for i = 1, 500 do assert.equal(tostring(i), got[i]) end
    end)

    it("has a job back whose taker is cancelled, as if it had not been taken", function()
      local id <const> = queue:put "job"
      local taker <const> = task.spawn(function() queue:take(1000) end)
      task.sleep(0) -- it is submitted
      taker:cancel()
      helper.eventually(function()
        local waiting <const>, taken <const> = queue:counts()
        return waiting == 1 and taken == 0
      end)
      assert.same({ id, "job", 1, 0 }, { queue:take(10) })
    end)

    it("loses no job to takers that are cancelled at any moment", function()
      for i = 1, 100 do queue:put(tostring(i)) end
      local received = 0
      for i = 1, 200 do
        local taker <const> = task.spawn(function()
          if queue:take(1000) then received = received + 1 end
          task.sleep(1000)
        end)
        for _ = 1, i % 4 do task.sleep(i % 3 == 0 and 0.001 or 0) end
        taker:cancel()
      end
      helper.eventually(function()
        local waiting <const>, taken <const> = queue:counts()
        return taken == received and waiting == 100 - received
      end)
    end)

    it("does what a task put that is cancelled, or not, but not by half", function()
      for i = 1, 100 do
        local putter <const> = task.spawn(function() queue:put "job" end)
        for _ = 1, i % 4 do task.sleep(0) end
        putter:cancel()
      end
      queue:put "last"
      local waiting <const> = queue:counts()
      local count = 0
      while queue:take(10) do count = count + 1 end
      assert.equal(waiting, count)
    end)

    it("releases without waiting", function()
      local id <const> = queue:put "job"
      queue:take(10)
      queue:release_soon(id, 1)
      queue:release_soon(id + 1, 1)
      helper.eventually(function() return (queue:counts()) == 1 end)
      queue:take(10)
      queue:release_soon(id, 2)
      reopen() -- which writes it
      helper.eventually(function() return (queue:counts()) == 1 end)
      assert.same({ id, "job", 3, 0 }, { queue:take(10) })
    end)

    it("keeps a hundred thousand jobs in order", function()
      local count <const> = helper.is_tiny and 1000 or 100000
      local put, taken = 0, {}
      task.group(function(group)
        for _ = 1, 100 do
          group:spawn(function()
            while put < count do
              put = put + 1
              local number <const> = put
              assert.equal(number, (assert(queue:put(("%d "):format(number):rep(10)))))
            end
          end)
        end
      end)
      assert.same({ count, 0, 0 }, { queue:counts() })
      task.group(function(group)
        for _ = 1, 100 do
          group:spawn(function()
            local id, text, deliveries = queue:take(100)
            while id do
              assert.equal(("%d "):format(id):rep(10), text)
              taken[#taken + 1] = id
              assert(queue:done(id, deliveries))
              id, text, deliveries = queue:take(100)
            end
          end)
        end
      end)
      assert.same({ 0, 0, 0 }, { queue:counts() })
      assert.equal(count, #taken)
      table.sort(taken)
      for i, id in ipairs(taken) do assert(i == id) end
    end)

    it("takes jobs up to 16 MiB", function()
      local text <const> = ("x"):rep(16 << 20)
      assert.equal(1, (queue:put(text)))
      assert.equal(text, select(2, queue:take(10)))
      assert.same({ nil, "a job of 16777217 bytes: at most 16777216 can be kept", "limit" }, { queue:put(text .. "x") })
    end)

    it("raises for what is wrong", function()
      assert.has_error(function() queue:put(7) end, "bad argument #1 to 'put' (string expected, got number)")
      assert.has_error(function() queue:put("", math.huge) end, "bad argument #2 to 'put' (a delay has an end)")
      assert.has_error(function() queue:take() end, "bad argument #1 to 'take' (number expected, got no value)")
      assert.has_error(function() queue:take(math.huge) end, "bad argument #1 to 'take' (a lease has an end)")
      assert.has_error(function() queue:done(1) end, "bad argument #2 to 'done' (out of range)")
      assert.has_error(function() queue:extend(10) end, "bad argument #2 to 'extend' (table expected, got no value)")
    end)

    it("needs a task to write, and none to read", function()
      queue:put "job"
      local outside <const> = coroutine.wrap(function() return queue:counts() end)
      assert.equal(1, (outside()))
      local sorting <const> = { 1, 2 }
      assert.has_error(function() table.sort(sorting, function() return queue:put "x" end) end,
        "put into has to wait, and only a task can: this is the callback of a function that cannot")
    end)
  end)
end)
