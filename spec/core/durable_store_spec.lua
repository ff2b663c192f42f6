local fixture <const> = require "spec.fixtures.durable"
local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

describe("core.durable:", function()
  setup(fixture.begin_once)
  helper.leaves_nothing(before_each, after_each)

  describe("a store", function()
    local environment, store, directory
    local reopen <const> = fixture.each(before_each, after_each, function(opened, path)
      environment, store, directory = opened, assert(opened:store "spec"), path
    end)

    it("has nothing at first", function()
      assert.same({ n = 1, nil }, table.pack(store:get "key"))
      assert.is_false(store:exists "key")
      assert.same({}, (store:keys ""))
    end)

    it("gives what was set, of any bytes, also none and an empty key", function()
      local values <const> = { "text", "", "\0\255\0", ("long "):rep(1000), ("x"):rep(1 << 20) }
      for i, value in ipairs(values) do assert.is_true(store:set("key" .. i, value)) end
      for i, value in ipairs(values) do assert.equal(value, (store:get("key" .. i))) end
      assert.is_true(store:set("", "empty"))
      assert.equal("empty", (store:get ""))
      assert.is_true(store:set("\0\255", "binary"))
      assert.equal("binary", (store:get "\0\255"))
    end)

    it("replaces a value by a longer and by a shorter one", function()
      for _, value in ipairs { "a", ("b"):rep(100000), "", ("c"):rep(3000), ("d"):rep(200000), "e" } do
        assert.is_true(store:set("key", value))
        assert.equal(value, (store:get "key"))
      end
    end)

    it("keeps stores apart, and finds one again by its name", function()
      local other <const> = assert(environment:store "other")
      store:set("key", "mine")
      other:set("key", "theirs")
      assert.equal("mine", (store:get "key"))
      assert.equal("theirs", (assert(environment:store "other"):get "key"))
      assert.same({ "key" }, (other:keys ""))
      assert.equal("mine", (assert(environment:store "spec"):get "key"))
    end)

    it("sets what is absent, once", function()
      assert.is_true(store:set("key", "first", nil, true))
      assert.is_false(store:set("key", "second", nil, true))
      assert.equal("first", (store:get "key"))
    end)

    it("replaces what is as expected", function()
      assert.is_false(store:replace("key", "old", "new"))
      assert.is_true(store:replace("key", nil, "new"))
      assert.is_false(store:replace("key", nil, "newer"))
      assert.is_false(store:replace("key", "ne", "newer"))
      assert.is_false(store:replace("key", "", "newer"))
      assert.is_true(store:replace("key", "new", "newer"))
      assert.equal("newer", (store:get "key"))
    end)

    it("lets one of many tasks replace the same value", function()
      store:set("key", "0")
      local replaced = 0
      task.group(function(group)
        for i = 1, 50 do
          group:spawn(function() if store:replace("key", "0", tostring(i)) then replaced = replaced + 1 end end)
        end
      end)
      assert.equal(1, replaced)
    end)

    it("deletes, and tells how many there were", function()
      for _, key in ipairs { "a", "b", "c" } do store:set(key, key) end
      assert.equal(2, (store:delete("a", "c", "d", "a")))
      assert.same({ "b" }, (store:keys ""))
      assert.equal(0, (store:delete "a"))
      assert.equal(0, (store:delete(("x"):rep(10000))))
    end)

    it("counts", function()
      assert.equal(1, (store:increment "n"))
      assert.equal(42, (store:increment("n", 41)))
      assert.equal(-1, (store:increment("n", -43)))
      assert.equal("-1", (store:get "n"))
      store:set("n", tostring(math.maxinteger - 1))
      assert.equal(math.maxinteger, (store:increment "n"))
      local got <const>, message <const>, code <const> = store:increment "n"
      assert.same({ nil, ("increment in %s/env: the number would be beyond 64 bits"):format(directory), "failed" },
        { got, message, code })
      assert.equal(math.maxinteger, (store:increment("n", 0)))
    end)

    for _, value in ipairs { "", "x", "1x", " 1", "+1", "1.5", "0x10", "9223372036854775808", "-", "1\0" } do
      it(("counts no %q, and leaves it"):format(value), function()
        store:set("n", value)
        local got <const>, message <const>, code <const> = store:increment "n"
        local expected <const> = ("increment in %s/env: the value is not an integer of 64 bits"):format(directory)
        assert.same({ nil, expected, "failed" }, { got, message, code })
        assert.equal(value, (store:get "n"))
      end)
    end

    it("counts what many tasks add", function()
      task.group(function(group)
        for _ = 1, 200 do group:spawn(function() assert(store:increment("n", 3)) end) end
      end)
      assert.equal("600", (store:get "n"))
    end)

    it("forgets what has expired, and nothing else", function()
      store:set("short", "s", 10)
      store:set("long", "l", 100)
      store:set("ever", "e")
      environment:shift_clock(9)
      assert.equal("s", (store:get "short"))
      environment:shift_clock(11)
      assert.is_nil((store:get "short"))
      assert.is_false(store:exists "short")
      assert.same({ "ever", "long" }, (store:keys ""))
      assert.is_true(store:set("short", "again", nil, true))
      environment:shift_clock(1000)
      assert.same({ "ever", "short" }, (store:keys ""))
      assert.equal(0, (store:delete "long"))
    end)

    it("takes what has expired for absent", function()
      store:set("a", "1", 1)
      store:set("n", "7", 1)
      store:set("r", "old", 1)
      environment:shift_clock(2)
      assert.is_false(store:replace("r", "old", "new"))
      assert.is_true(store:replace("r", nil, "new"))
      assert.equal(1, (store:increment "n"))
      assert.is_false(store:expire("a", 10))
      environment:shift_clock(100)
      assert.equal("1", (store:get "n"))
    end)

    it("counts the seconds of a counter from the increment that has made it", function()
      store:increment("n", 1, 10)
      environment:shift_clock(6)
      store:increment("n", 1, 10)
      assert.equal("2", (store:get "n"))
      environment:shift_clock(10)
      assert.is_nil((store:get "n"))
      assert.equal(1, (store:increment("n", 1, 10)))
      environment:shift_clock(19)
      assert.equal(2, (store:increment "n"))
      environment:shift_clock(20)
      assert.is_nil((store:get "n"))
    end)

    it("begins an expiry anew when a value is set, and keeps it when it is incremented", function()
      store:set("set", "1", 10)
      store:set("set", "2")
      store:set("n", "1", 10)
      store:increment "n"
      store:set("later", "1", 10)
      store:set("later", "2", 20)
      environment:shift_clock(11)
      assert.equal("2", (store:get "set"))
      assert.equal("2", (store:get "later"))
      assert.is_nil((store:get "n"))
    end)

    it("changes when a value expires", function()
      local text <const> = ("x"):rep(10000)
      store:set("key", text)
      assert.is_true(store:expire("key", 10))
      assert.is_true(store:expire("key", 20))
      assert.is_false(store:expire("other", 10))
      environment:shift_clock(11)
      assert.equal(text, (store:get "key"))
      assert.is_true(store:expire("key", math.huge))
      environment:shift_clock(1000)
      assert.equal(text, (store:get "key"))
      assert.is_true(store:expire("key", 0))
      environment:shift_clock(1001)
      assert.is_nil((store:get "key"))
    end)

    it("lists keys by prefix, in order, a thousand at once", function()
      for i = 1, 1500 do store:set(("a%04d"):format(i), "") end
      store:set("b", "")
      store:set("\255\255", "")
      local first <const>, after <const> = store:keys "a"
      assert.same({ 1000, "a0001", "a1000", "a1000" }, { #first, first[1], first[1000], after })
      local second <const>, none <const> = store:keys("a", after)
      assert.same({ 500, "a1001", "a1500" }, { #second, second[1], second[500] })
      assert.is_nil(none)
      assert.same({ { "\255\255" } }, { (store:keys "\255") })
      assert.same({ {} }, { (store:keys(("x"):rep(1000))) })
      assert.has_error(function() store:keys("a", "b") end,
        "bad argument #2 to 'keys' (a key with the prefix expected)")
    end)

    it("goes on listing behind a thousand that have expired", function()
      for i = 1, 1500 do store:set(("a%04d"):format(i), "", 1) end
      store:set("a9", "")
      environment:shift_clock(2)
      local keys, after = store:keys "a"
      while after do
        assert.same({}, keys)
        keys, after = store:keys("a", after)
      end
      assert.same({ "a9" }, keys)
    end)

    it("takes keys up to 498 bytes, and values up to 16 MiB", function()
      local key <const>, value <const> = ("k"):rep(498), ("v"):rep(16 << 20)
      assert.is_true(store:set(key, value, 10))
      assert.equal(value, (store:get(key)))
      assert.is_true(store:delete(key) == 1)
      assert.same({ nil, "a key of 499 bytes: at most 498 can be kept", "limit" }, { store:set(key .. "k", "") })
      assert.same({ nil, "a key of 499 bytes: at most 498 can be kept", "limit" }, { store:get(key .. "k") })
      assert.same({ nil, "a value of 16777217 bytes: at most 16777216 can be kept", "limit" },
        { store:set("key", value .. "v") })
      local name <const> = ("n"):rep(255)
      assert.truthy(environment:store(name))
      assert.same({ nil, "a name of 256 bytes: at most 255 can be kept", "limit" }, { environment:store(name .. "n") })
    end)

    it("raises for what is no string", function()
      assert.has_error(function() store:set("key", 1) end, "bad argument #2 to 'set' (string expected, got number)")
      assert.has_error(function() store:get(nil) end, "bad argument #1 to 'get' (string expected, got nil)")
      assert.has_error(function() store:delete("a", {}) end, "bad argument #2 to 'delete' (string expected, got table)")
      assert.has_error(function() store:set("key", "", -1) end, "bad argument #3 to 'set' (seconds must be 0 or more)")
    end)

    it("says that it is closed", function()
      environment:close()
      assert.same({ nil, "set in: the environment is closed", "closed" }, { store:set("key", "") })
      assert.same({ nil, "get from: the environment is closed", "closed" }, { store:get "key" })
      assert.same({ nil, "look into: the environment is closed", "closed" }, { environment:store "spec" })
    end)

    it("keeps it all when it is opened again", function()
      store:set("key", "value")
      store:set("short", "value", 10)
      reopen()
      assert.equal("value", (store:get "key"))
      environment:shift_clock(11)
      assert.is_nil((store:get "short"))
    end)
  end)
end)
