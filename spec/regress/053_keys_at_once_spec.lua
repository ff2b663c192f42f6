local helper <const> = require "spec.helper"
local keyspace <const> = require "perigee.resp.keyspace"
local task <const> = require "perigee.task"

-- FLUSHALL took the keys out one by one: 3.5 seconds for two million that expire, without a turn for anybody else. And
-- the time at which a key is to go took three times what the key was counted as, for nothing.
describe("a keyspace", function()
  helper.leaves_nothing(before_each, after_each)

  it("counts what the time takes at which a key is to go", function()
    local space <const> = keyspace.new()
    local database <const> = space:database(0)
    database:put("key", "value")
    local plain <const> = space.used
    database:set_deadline("key", task.now() + 100)
    database:set_deadline("key", task.now() + 200)
    assert.equal(plain + 300, space.used)
    database:set_deadline("key", nil)
    assert.equal(plain, space.used)
    database:set_deadline("key", task.now() + 100)
    database:remove "key"
    assert.equal(0, space.used)
  end)

  it("is cleared as a whole, one database without the others", function()
    local space <const> = keyspace.new()
    local one <const>, two <const> = space:database(0), space:database(1)
    for i = 1, 1000 do
      one:put("key" .. i, "value")
      one:set_deadline("key" .. i, task.now() + i)
    end
    local alone <const> = space.used
    two:push("list", two:list "list", "item", true)
    local both <const> = space.used
    one:clear()
    assert.same({ 0, both - alone, 0 }, { one.count, space.used, one:expiring() })
    assert.is_nil(one:get "key1")
    assert.equal("item", two:pop("list", two:get "list", true))
    one:put("key1", "again")
    assert.is_nil(one:deadline "key1")
    space:clear()
    assert.equal(0, space.used)
  end)
end)
