--- What holds for every store, whatever it runs on.

local backends <const> = require "spec.fixtures.backends"
local helper <const> = require "spec.helper"
local process <const> = require "perigee.process"
local stores <const> = require "perigee.store"
local task <const> = require "perigee.task"

local assert_misuse <const>, assert_failure <const> = helper.assert_misuse, helper.assert_failure

local numbers = 0

--- A name that no other test has: memory lasts as long as the process.
local function new_name()
  numbers = numbers + 1
  return "values " .. numbers
end

backends.each("store", function(title, start)
  describe("a store on " .. title, function()
    helper.leaves_nothing(before_each, after_each)

    --- Runs body(store, url, name) with a store of its own.
    local function with_store(body)
      local backend <close> = start()
      local name <const> = new_name()
      local store <close> = assert(stores.open(backend.url, name))
      body(store, backend.url, name)
    end

    it("gives what was set, and nil alone for what was not", function()
      with_store(function(store)
        assert.equal(1, select("#", store:get "a"))
        assert.is_nil(store:get "a")
        assert.is_true(store:set("a", "1"))
        assert.is_true(store:set("a", "2"))
        assert.equal("2", store:get "a")
        assert.same({ true, false }, { store:exists "a", (store:exists "b") })
      end)
    end)

    it("takes any bytes as key and as value, also no value, and megabytes", function()
      with_store(function(store)
        local large <const> = ("0123456789\0\255"):rep(helper.is_tiny and 1000 or 500000)
        for key, value in pairs { ["\0\r\n\255 *?["] = "\0\r\n\255", empty = "", large = large } do
          assert.is_true(store:set(key, value))
          assert.is_true(store:get(key) == value)
        end
      end)
    end)

    it("sets what is absent alone when it is asked to", function()
      with_store(function(store)
        assert.same({ true, false }, { store:set("a", "1", { absent = true }), store:set("a", "2", { absent = true }) })
        assert.equal("1", store:get "a")
      end)
    end)

    it("replaces what is as it is expected to be", function()
      with_store(function(store)
        assert.is_false(store:replace("a", "1", "2"))
        assert.is_true(store:replace("a", nil, "1"))
        assert.is_false(store:replace("a", nil, "2"))
        assert.is_false(store:replace("a", "0", "2"))
        assert.is_true(store:replace("a", "1", "2"))
        assert.equal("2", store:get "a")
      end)
    end)

    it("deletes keys, and counts those that there were", function()
      with_store(function(store)
        for _, key in ipairs { "a", "b", "c" } do store:set(key, key) end
        assert.equal(2, store:delete("a", "x", "c"))
        assert.equal(0, store:delete "a")
        assert.same({ "b" }, store:keys())
      end)
    end)

    it("adds to integers", function()
      with_store(function(store)
        assert.same({ 1, 2, 12, 7 }, { store:increment "n", store:increment "n", store:increment("n", 10),
          (store:increment("n", -5)) })
        assert.equal("7", store:get "n")
        store:set("n", "9223372036854775806")
        assert.equal(math.maxinteger, store:increment "n")
        assert_failure("failed", "", store:increment "n")
        store:set("n", "seven")
        assert_failure("failed", "", store:increment "n")
        assert.equal("seven", store:get "n")
      end)
    end)

    it("counts within a window that the first increment begins, and the later ones leave", function()
      with_store(function(store)
        assert.same({ 1, 2, 5 }, { store:increment("hits", 1, { expire = 100 }),
          store:increment("hits", 1, { expire = 0.001 }), (store:increment("hits", 3, { expire = 0.001 })) })
        store:increment("lasting", 1)
        store:increment("lasting", 1, { expire = 0.001 })
        store:increment("short", 1, { expire = 0.05 })
        store:increment("short", 1, { expire = 0.05 })
        helper.eventually(function() return store:increment("short", 1, { expire = 0.05 }) == 1 end)
        assert.same({ "5", "2" }, { store:get "hits", (store:get "lasting") })
      end)
    end)

    it("counts exactly within a window, as far as integers go", function()
      with_store(function(store)
        local window <const> = { expire = 100 }
        assert.same({ math.maxinteger, math.mininteger }, { store:increment("most", math.maxinteger, window),
          (store:increment("least", math.mininteger, window)) })
        assert_failure("failed", "", store:increment("most", 1, window))
        assert.equal(math.maxinteger - 2, (store:increment("most", -2, window)))
        store:set("word", "seven")
        assert_failure("failed", "", store:increment("word", 1, window))
        assert.equal("seven", store:get "word")
        assert.equal(1, (store:increment("ever", 1, { expire = math.huge })))
      end)
    end)

    it("adds each increment of many tasks and processes", function()
      with_store(function(store, url, name)
        local directory <close> = helper.directory { ["adder.lua"] = [[
          local process <const> = require "perigee.process"
          local url <const>, name <const> = table.unpack(process.arguments)
          local store <const> = assert(require("perigee.store").open(url, name))
          for _ = 1, 50 do assert(store:increment "n") end
        ]] }
        local children <const> = {}
        for i = 1, 2 do
          children[i] = assert(process.start(tostring(directory) .. "/adder.lua", { arguments = { url, name } }))
        end
        task.group(function(group)
          for _ = 1, 10 do
            group:spawn(function()
              for _ = 1, 10 do assert(store:increment "n") end
            end)
          end
        end)
        for _, child in ipairs(children) do
          assert.same({ exit = 0 }, child:wait(20))
          child:close()
        end
        assert.equal("200", store:get "n")
      end)
    end)

    it("forgets what expires", function()
      with_store(function(store)
        store:set("short", "x", { expire = 0.1 })
        store:set("kept", "x", { expire = 0.1 })
        store:set("long", "x", { expire = 100 })
        store:set("kept", "y")
        assert.equal("x", store:get "short")
        helper.eventually(function() return store:get "short" == nil end)
        assert.is_false(store:exists "short")
        assert.same({ "kept", "long" }, store:keys())
        assert.is_false(store:expire("short", 10))
        assert.is_true(store:set("short", "z", { absent = true }))
        assert.equal("y", store:get "kept")
      end)
    end)

    it("can be told later when something is to expire, or not any more", function()
      with_store(function(store)
        store:set("a", "x")
        store:set("b", "x", { expire = 0.1 })
        assert.same({ true, true, false }, { store:expire("a", 0.1), store:expire("b", math.huge),
          (store:expire("c", 1)) })
        helper.eventually(function() return store:get "a" == nil end)
        assert.equal("x", store:get "b")
        store:set("n", "1", { expire = 0.1 })
        store:increment "n"
        assert.is_true(store:replace("b", "x", "y", { expire = 0.1 }))
        helper.eventually(function() return #store:keys() == 0 end)
      end)
    end)

    it("lists each key that stays once, in order, while others write and have their turn", function()
      local many <const> = helper.is_tiny and 1200 or 20000
      with_store(function(store)
        task.group(function(group)
          for first = 1, 50 do
            group:spawn(function()
              for number = first, many, 50 do assert(store:set(("key %05d"):format(number), "x")) end
            end)
          end
        end)
        local is_over, writes, turns = false, 0, 0
        task.group(function(group)
          group:spawn(function()
            while not is_over do
              writes = writes + 1
              store:set("key new " .. writes, "x")
              store:delete("key new " .. writes - 1)
            end
          end)
          group:spawn(function()
            while not is_over do
              turns = turns + 1
              task.sleep(0)
            end
          end)
          local kept <const> = {}
          local keys <const> = assert(store:keys "key ")
          is_over = true
          for index, key in ipairs(keys) do
            assert.is_true(index == 1 or keys[index - 1] < key)
            if key:find "^key %d+$" then kept[#kept + 1] = key end
          end
          assert.same({ many, ("key %05d"):format(many) }, { #kept, kept[#kept] })
          assert.is_true(#keys <= many + writes and turns >= many // 1200)
        end)
      end)
    end)

    it("lists keys in order, also by their beginning, however many", function()
      with_store(function(store)
        local many <const> = helper.is_tiny and 50 or 1000
        local expected <const> = {}
        for number = 1, many do expected[number] = ("key %05d"):format(number) end
        task.group(function(group)
          for _, key in ipairs(expected) do group:spawn(function() assert(store:set(key, "x")) end) end
          group:spawn(function() assert(store:set("other", "x")) end)
          group:spawn(function() assert(store:set("k*", "x")) end)
        end)
        assert.same(expected, store:keys "key ")
        assert.same({ "k*" }, store:keys "k*")
        assert.same({}, store:keys "x")
        assert.equal(many + 2, #store:keys())
      end)
    end)

    it("is shared by all who have opened it, and by no others", function()
      with_store(function(store, url, name)
        local same <close> = assert(stores.open(url, name))
        local other <close> = assert(stores.open(url, new_name()))
        local default <close> = assert(stores.open(url))
        store:set("a", "1")
        assert.same({ "1", nil, nil }, { same:get "a", other:get "a", default:get "a" })
        assert.same({}, other:keys())
      end)
    end)

    it("fails when it is closed", function()
      with_store(function(store)
        store:close()
        store:close()
        assert_failure("closed", "^get: the store .* is closed$", store:get "a")
        assert_failure("closed", "^set: the store .* is closed$", store:set("a", "1"))
        assert.matches("^store: .* %(closed%)$", tostring(store))
      end)
    end)

    it("refuses misuse at the line of the script", function()
      with_store(function(store)
        local at <const> = "^spec/lua/store_spec.lua:%d+: "
        assert_misuse(at .. "bad argument 'key' %(a string expected, got number%)", function() store:get(1) end)
        assert_misuse(at .. "bad argument 'value' %(a string expected, got table: encode it",
          function() store:set("a", {}) end)
        assert_misuse(at .. "option 'expire' must be seconds above 0, not 0",
          function() store:set("a", "1", { expire = 0 }) end)
        assert_misuse(at .. "there is no option 'expires'", function() store:set("a", "1", { expires = 1 }) end)
        assert_misuse(at .. "bad argument 'by' %(an integer expected, got 1.5%)",
          function() store:increment("a", 1.5) end)
        assert_misuse(at .. "there is no option 'expires'", function() store:increment("a", 1, { expires = 1 }) end)
        assert_misuse(at .. "bad argument 'options' %(a table expected%)", function() store:increment("a", 1, 60) end)
        assert_misuse(at .. "option 'expire' must be seconds above 0, not a minute",
          function() store:increment("a", 1, { expire = "a minute" }) end)
        assert_misuse(at .. "bad argument 'seconds'", function() store:expire("a", 0) end)
        assert_misuse(at .. "bad argument 'key' %(a string expected, got boolean%)",
          function() store:delete("a", false) end)
      end)
    end)
  end)
end)
