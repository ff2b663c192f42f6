--- What holds for every bus, whatever it runs on. See bus_local_spec for what is special about local:.

local backends <const> = require "spec.fixtures.backends"
local buses <const> = require "perigee.bus"
local helper <const> = require "spec.helper"
local members <const> = require "spec.fixtures.members"
local task <const> = require "perigee.task"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

--- The next message as { text, topic, lost }.
local function next_of(subscription)
  local text <const>, topic <const>, lost <const> = subscription:receive(10)
  return { text, topic, lost }
end

--- Publishes, and waits until it has come to a subscription of its own: all before it has come, too.
local function settle(bus, subscription, topic)
  bus:publish(topic, "settled")
  while subscription:receive(10) ~= "settled" do end
end

--- Globs, what they match and what they do not.
local GLOBS <const> = {
  { "*", { "a", "a/b" }, { "" } },
  { "**", { "a", "ab" }, { "" } },
  { "news.*", { "news.", "news.a", "news.a.b" }, { "news", "xnews.a" } },
  { "h?llo", { "hello", "hallo" }, { "hllo", "heello" } },
  { "h[ae]llo", { "hello", "hallo" }, { "hillo" } },
  { "h[^e]llo", { "hallo" }, { "hello" } },
  { "h[a-c]llo", { "hallo", "hbllo" }, { "hdllo" } },
  { "h[c-a]llo", { "hbllo" }, { "hdllo" } },
  { "a\\*b", { "a*b" }, { "aab", "a\\*b" } },
  { "*a*b*c", { "abc", "xaxbxc", "aabbcc" }, { "acb", "abcd" } },
  { "a*a", { "aa", "aba" }, { "a" } },
  { "%d.+", { "%d.+" }, { "1.x" } },
  { "[]a", {}, { "a", "]a" } },
  { "[^]a", { "xa", "]a" }, { "a" } },
  { "[ab", { "a", "b" }, { "[ab", "c" } },
  { "[\\]]", { "]" }, { "\\" } },
  { "x\0*\255", { "x\0\255", "x\0yy\255" }, { "x\0" } },
}

backends.each("bus", function(title, start)
  describe("a bus on " .. title, function()
    helper.leaves_nothing(before_each, after_each)

    --- Runs body(bus, backend) with a bus that was opened with the options.
    local function with_bus(options, body)
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url, options))
      body(bus, backend)
    end

    it("delivers what is published to everybody who is subscribed, in order", function()
      with_bus(nil, function(bus)
        local first <close> = bus:subscribe("news")
        local second <close> = bus:subscribe("news")
        for number = 1, 100 do assert.is_true(bus:publish("news", tostring(number))) end
        for number = 1, 100 do
          assert.same({ tostring(number), "news" }, next_of(first))
          assert.same({ tostring(number), "news" }, next_of(second))
        end
      end)
    end)

    it("delivers nothing to whom it does not concern, and keeps nothing for later", function()
      with_bus(nil, function(bus)
        bus:publish("news", "before")
        local news <close> = bus:subscribe("news")
        local other <close> = bus:subscribe("other")
        bus:publish("news", "now")
        settle(bus, other, "other")
        assert.same({ "now", "news" }, next_of(news))
        assert.same({ 0, 0 }, { news.waiting, other.waiting })
      end)
    end)

    it("can be subscribed to for several topics at once, each once", function()
      with_bus(nil, function(bus)
        local subscription <close> = bus:subscribe("a", "b", "a")
        bus:publish("a", "1")
        bus:publish("b", "2")
        bus:publish("c", "3")
        bus:publish("a", "4")
        assert.same({ { "1", "a" }, { "2", "b" }, { "4", "a" } },
          { next_of(subscription), next_of(subscription), next_of(subscription) })
        assert.same({ "a", "b" }, subscription.topics)
        assert.equal("subscription: a b", tostring(subscription))
      end)
    end)

    it("takes any bytes as topic and as text, also none", function()
      with_bus(nil, function(bus)
        local topic <const>, text <const> = "\255\0\r\n \u{263a}", "\0\1\254\255\r\n$-1\r\n"
        local subscription <close> = bus:subscribe(topic, "")
        bus:publish(topic, text)
        bus:publish("", "")
        assert.same({ { text, topic }, { "", "" } }, { next_of(subscription), next_of(subscription) })
      end)
    end)

    it("matches globs as Redis does", function()
      with_bus(nil, function(bus)
        for _, case in ipairs(GLOBS) do
          local glob <const>, matching <const>, others <const> = table.unpack(case)
          local subscription <close> = bus:match(glob)
          local marker <close> = bus:subscribe("marker")
          for _, topic in ipairs(others) do bus:publish(topic, "wrong") end
          for _, topic in ipairs(matching) do bus:publish(topic, "right") end
          settle(bus, marker, "marker")
          for _, topic in ipairs(matching) do assert.same({ "right", topic }, next_of(subscription), glob) end
          if not glob:find "^%*+$" then assert.equal(0, subscription.waiting, glob) end
        end
      end)
    end)

    it("delivers a message once, however many globs of a subscription match", function()
      with_bus(nil, function(bus)
        local globs <close> = bus:match("n*", "*s", "news")
        local both <close> = bus:match("*")
        local topic <close> = bus:subscribe("news")
        bus:publish("news", "1")
        bus:publish("news", "2")
        for _, subscription in ipairs { globs, both, topic } do
          assert.same({ { "1", "news" }, { "2", "news" } }, { next_of(subscription), next_of(subscription) })
          assert.equal(0, subscription.waiting)
        end
      end)
    end)

    it("can be gone through by for, which closes the subscription at its end", function()
      with_bus(nil, function(bus)
        local heard <const> = {}
        local held
        task.group(function(group)
          group:spawn(function()
            local subscription <const>, a <const>, b <const>, closing <const> = bus:subscribe "count"
            held = subscription
            for text, topic in subscription, a, b, closing do
              heard[#heard + 1] = text .. topic
              if #heard == 3 then break end
            end
          end)
          helper.eventually(function() return held end)
          for number = 1, 5 do bus:publish("count", tostring(number)) end
        end)
        assert.same({ "1count", "2count", "3count" }, heard)
        assert.is_false(held.is_open)
        assert_failure("closed", "^receive: the subscription is closed$", held:receive())
      end)
    end)

    it("ends a for when it is closed", function()
      with_bus(nil, function(bus)
        local subscription <const> = bus:subscribe "never"
        local t <const> = task.spawn(function()
          for _ in subscription do error "a message" end
          return "over"
        end)
        helper.eventually(function() return t.state == "waiting" end)
        bus:close()
        assert.equal("over", t:join())
        assert_failure("closed", "^publish: the bus is closed$", bus:publish("never", "x"))
        assert_failure("closed", "^subscribe: the bus is closed$", bus:subscribe "never")
        assert_failure("closed", "^receive: the bus is closed$", subscription:receive())
        bus:close()
        assert.matches("^bus: .* %(closed%)$", tostring(bus))
      end)
    end)

    it("finishes a subscription when all that was published before has come, and leaves others alone", function()
      with_bus({ limit = 100000 }, function(bus)
        local subscription <const>, other <close> = bus:subscribe("news", "sport"), bus:subscribe "news"
        for number = 1, 1000 do bus:publish("news", tostring(number)) end
        subscription:finish()
        subscription:finish()
        local number = 0
        for text in subscription do
          number = number + 1
          assert.equal(tostring(number), text)
        end
        assert.equal(1000, number)
        assert.is_false(subscription.is_open)
        assert_failure("closed", "^receive: the subscription is closed$", subscription:receive())
        subscription:finish()
        bus:publish("news", "later")
        for _ = 1, 1000 do other:receive() end
        assert.same({ "later", "news" }, next_of(other))
      end)
    end)

    it("closes at once what was to finish", function()
      with_bus(nil, function(bus)
        local first <const>, second <const> = bus:subscribe "news", bus:match "n*"
        bus:publish("news", "unheard")
        first:finish()
        second:finish()
        first:close()
        assert_failure("closed", "^receive: the subscription is closed$", first:receive())
        bus:close()
        assert_failure("closed", "^receive: the bus is closed$", second:receive())
      end)
    end)

    it("has what has come when it comes: receive waits so long, and can be cancelled", function()
      with_bus(nil, function(bus)
        local subscription <close> = bus:subscribe "slow"
        assert_failure("timeout", "^receive: no message came in time$", subscription:receive(0.001))
        assert_failure("timeout", "", task.deadline(0.001, subscription.receive, subscription))
        local t <const> = task.spawn(subscription.receive, subscription)
        helper.eventually(function() return t.state == "waiting" end)
        t:cancel()
        assert.equal("cancelled", (select(3, t:join())))
        bus:publish("slow", "at last")
        assert.same({ "at last", "slow" }, next_of(subscription))
      end)
    end)

    it("gives each message to one of several tasks that receive", function()
      with_bus(nil, function(bus)
        local subscription <const>, heard <const> = bus:subscribe "work", {}
        local tasks <const> = {}
        for index = 1, 3 do
          tasks[index] = task.spawn(function()
            for text in subscription do heard[#heard + 1] = tonumber(text) end
          end)
        end
        for number = 1, 30 do bus:publish("work", tostring(number)) end
        helper.eventually(function() return #heard == 30 end)
        subscription:close()
        for _, t in ipairs(tasks) do t:join() end
        table.sort(heard)
        for number = 1, 30 do assert.equal(number, heard[number]) end
      end)
    end)

    it("drops the oldest messages of a slow subscriber, and tells how many, at once and in their place", function()
      local told <const> = {}
      with_bus({ limit = 3, on_lost = function(lost) told[#told + 1] = lost.count end }, function(bus)
        local slow <close> = bus:subscribe("many")
        local quick <close> = bus:subscribe("other")
        for number = 1, 8 do bus:publish("many", tostring(number)) end
        settle(bus, quick, "other")
        assert.equal(3, slow.waiting)
        assert.same({ { "6", "many", { reason = "slow", count = 5 } }, { "7", "many" }, { "8", "many" } },
          { next_of(slow), next_of(slow), next_of(slow) })
        bus:publish("many", "9")
        assert.same({ "9", "many" }, next_of(slow))
        local function sum()
          local count = 0
          for _, lost in ipairs(told) do count = count + lost end
          return count
        end
        helper.eventually(function() return sum() == 5 end)
      end)
    end)

    it("closes a slow subscription when that is its policy, after what had come", function()
      with_bus({ limit = 2, policy = "close" }, function(bus)
        local slow <close> = bus:subscribe("many")
        local quick <close> = bus:subscribe("other")
        for number = 1, 4 do bus:publish("many", tostring(number)) end
        settle(bus, quick, "other")
        assert.same({ { "1", "many" }, { "2", "many" } }, { next_of(slow), next_of(slow) })
        assert_failure("limit", "^receive: the subscriber was too slow: more than 2 messages waited for it$",
          slow:receive())
        assert.is_false(slow.is_open)
      end)
    end)

    it("loses nothing of a burst when the subscriber is quick", function()
      with_bus({ limit = 10 }, function(bus)
        local count, lost = 0, nil
        local subscription <close> = bus:subscribe "burst"
        local t <const> = task.spawn(function()
          for _, _, gap in subscription do
            count, lost = count + 1, lost or gap
            if count == 2000 then return end
          end
        end)
        helper.eventually(function() return t.state == "waiting" end)
        for number = 1, 2000 do bus:publish("burst", tostring(number)) end
        t:join(20)
        assert.same({ 2000, nil }, { count, lost })
      end)
    end)

    it("takes thousands of topics and subscriptions", function()
      local many <const> = helper.is_tiny and 100 or 2000
      with_bus(nil, function(bus)
        local names <const> = {}
        for number = 1, many do names[number] = "topic " .. number end
        local all <close> = bus:subscribe(table.unpack(names, 1, many))
        local each <const> = {}
        for number = 1, many, 10 do each[number] = bus:subscribe(names[number]) end
        for number = 1, many, 10 do bus:publish(names[number], tostring(number)) end
        for number = 1, many, 10 do
          assert.same({ tostring(number), names[number] }, next_of(all))
          assert.same({ tostring(number), names[number] }, next_of(each[number]))
        end
      end)
    end)

    it("takes messages of 10 MB", function()
      local text <const> = ("0123456789"):rep(helper.is_tiny and 1000 or 1000000)
      with_bus(nil, function(bus)
        local subscription <close> = bus:subscribe "large"
        bus:publish("large", text)
        assert.is_true(subscription:receive(20) == text)
      end)
    end)

    it("refuses what is too large", function()
      with_bus(nil, function(bus)
        local topic <const> = ("x"):rep(65536)
        assert_failure("limit", "^publish: a topic of 65536 bytes, where 65535 are the limit$", bus:publish(topic, "x"))
        assert_failure("limit", "^subscribe: a topic of 65536 bytes", bus:subscribe("a", topic))
        assert_failure("limit", "^subscribe: a topic of 65536 bytes", bus:match(topic))
        local large <const> = ("x"):rep(64 * 1024 * 1024 + 1)
        assert_failure("limit", "^publish: a message of 67108865 bytes, where 67108864 are the limit$",
          bus:publish("x", large))
      end)
    end)

    it("takes strings alone, and says how other values become such", function()
      with_bus(nil, function(bus)
        assert_misuse("^spec/lua/bus_spec.lua:%d+: bad argument 'text' %(a string expected, got table: encode it, with "
          .. "perigee.codec.json", function() bus:publish("news", {}) end)
        assert_misuse("bad argument 'text' %(a string expected, got nil%)", bus.publish, bus, "news")
        assert_misuse("bad argument 'topic' %(a string expected, got number%)", bus.publish, bus, 7, "x")
        assert_misuse("bad argument 'topic' %(strings expected, #1 is nil%)", bus.subscribe, bus)
        assert_misuse("bad argument 'topic' %(strings expected, #2 is table%)", bus.subscribe, bus, "a", {})
        assert_misuse("bad argument 'glob' %(strings expected, #1 is boolean%)", bus.match, bus, true)
        local subscription <close> = bus:subscribe "a"
        assert_misuse("bad argument 'seconds'", subscription.receive, subscription, -1)
      end)
    end)

    it("ends with its last subscription when nobody holds it", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url))
      local subscription = assert(buses.open(backend.url)):subscribe "held"
      collectgarbage()
      bus:publish("held", "still there")
      assert.same({ "still there", "held" }, next_of(subscription))
      subscription = nil -- luacheck: ignore
      collectgarbage() -- leaves_nothing sees to the rest
    end)
  end)

  if title == "local: in memory" and helper.is_tiny then return end

  describe("processes on a bus on " .. title, function()
    helper.leaves_nothing(before_each, after_each)

    it("hear each other, also right after they have subscribed", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url))
      local there <close> = members.start(backend.url)
      local elsewhere <close> = members.start(backend.url)
      local here <close> = bus:subscribe "to us"
      there:tell("publish", "to us", "from there")
      assert.same({ "from there", "to us" }, next_of(here))
      there:tell("subscribe", "news")
      elsewhere:tell("match", "n*")
      bus:publish("news", "from here")
      assert.same({ "from here", "news" }, { there:message() })
      assert.same({ "from here", "news" }, { elsewhere:message() })
      elsewhere:tell("publish", "news", "from elsewhere")
      assert.same({ "from elsewhere", "news" }, { there:message() })
      assert.same({ "from elsewhere", "news" }, { elsewhere:message() })
    end)

    it("hear what is published by one that has just come", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url))
      local here <close> = bus:subscribe "news"
      for number = 1, 3 do
        local new <close> = members.start(backend.url)
        new:tell("publish", "news", tostring(number))
        assert.same({ tostring(number), "news" }, next_of(here))
      end
    end)

    it("hear everything in order, without loss", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url, { limit = 1000000 }))
      local there <close> = members.start(backend.url)
      local many <const> = helper.is_tiny and 300 or 20000
      local here <close> = bus:subscribe "numbers"
      there:tell("publish", "numbers", "", many)
      for number = 1, many do assert.same({ number .. " ", "numbers" }, next_of(here)) end
      there:tell("count", "back")
      for number = 1, many do bus:publish("back", number .. " back") end
      bus:publish("back", "end")
      assert.same({ many, 0, 0, 0 }, { there:await "counted" })
    end)

    it("hear all that was published before they finish, and nothing later", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url, { limit = 1000000 }))
      local there <close> = members.start(backend.url)
      local many <const> = helper.is_tiny and 100 or 5000
      for _ = 1, 5 do
        local old <const> = bus:match "numb*"
        there:tell("publish", "numbers", "", many)
        local new <close> = bus:subscribe "numbers"
        old:finish()
        for number = 1, many do assert.same({ number .. " ", "numbers" }, next_of(old)) end
        assert_failure("closed", "^receive: the subscription is closed$", old:receive())
        there:tell("publish", "numbers", "for the new one")
        repeat local text <const> = new:receive(10) until text == "for the new one"
      end
    end)

    it("hear nothing more once they have unsubscribed", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url))
      local there <close> = members.start(backend.url)
      there:tell("subscribe", "news")
      there:tell "unsubscribe"
      bus:publish("news", "unheard")
      there:tell("subscribe", "other")
      bus:publish("other", "heard")
      assert.same({ "heard", "other" }, { there:message() })
    end)

    it("take messages of 10 MB", function()
      local backend <close> = start()
      local bus <close> = assert(buses.open(backend.url))
      local there <close> = members.start(backend.url)
      there:tell("subscribe", "large")
      local text <const> = ("0123456789"):rep(helper.is_tiny and 1000 or 1000000)
      bus:publish("large", text)
      assert.is_true(there:message() == text)
    end)
  end)
end)

describe("opening a bus", function()
  helper.leaves_nothing(before_each, after_each)

  it("refuses URLs and options that it does not know, at the line of the script", function()
    local at <const> = "^spec/lua/bus_spec.lua:%d+: "
    assert_misuse(at .. "bad argument 'url' %(a URL expected", function() buses.open(7) end)
    assert_misuse(at .. "bad argument 'url' %(local:, local:/path, redis:// or rediss:// expected, got 'http://x'%)",
      function() buses.open "http://x" end)
    assert_misuse(at .. "there is no option 'size'", function() buses.open("local:", { size = 1 }) end)
    assert_misuse("option 'limit' must be a positive integer, not 0", buses.open, "local:", { limit = 0 })
    assert_misuse('option \'policy\' must be "drop" or "close", not wait', buses.open, "local:", { policy = "wait" })
    assert_misuse("option 'on_lost' must be a function, not true", buses.open, "local:", { on_lost = true })
    assert_misuse("bad argument 'options' %(a table expected%)", buses.open, "local:", 7)
  end)

  it("fails where the directory cannot be", function()
    assert_failure("unreachable", "^open local:/nowhere/at/all: make the directory /nowhere/at/all: No such file",
      buses.open "local:/nowhere/at/all")
    assert_failure("denied", "^open local:/dev/null: use the directory /dev/null: it is no directory",
      buses.open "local:/dev/null")
  end)
end)
