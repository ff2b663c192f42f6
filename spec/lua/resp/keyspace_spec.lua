local helper <const> = require "spec.helper"
local keyspace <const> = require "perigee.resp.keyspace"
local strings <const> = require "perigee.resp.strings"
local task <const> = require "perigee.task"

--- A function that carries out commands over a keyspace, as a client of database 0 would.
local function commands_over(space)
  local commands <const> = strings.commands(space)
  local client <const> = { database = 0, pause = function() task.sleep(0) end }
  return function(name, ...) return commands[name][2](client, ...) end
end

describe("a keyspace", function()
  helper.leaves_nothing(before_each, after_each)

  it("tells each key that stays while others come and go between the parts of a scan", function()
    local space <const> = keyspace.new()
    local call <const> = commands_over(space)
    for i = 1, 2000 do call("SET", "stays" .. i, "x") end
    for i = 1, 2000 do call("SET", "goes" .. i, "x") end
    local seen <const>, parts = {}, 0
    local cursor = "0"
    repeat
      local reply <const> = call("SCAN", cursor, "MATCH", "stays*", "COUNT", "7")
      cursor, parts = reply[1], parts + 1
      assert.is_true(#reply[2] <= 7)
      for _, key in ipairs(reply[2]) do seen[key] = true end
      for i = 1, 5 do
        call("DEL", "goes" .. math.random(2000))
        call("SET", "comes" .. parts * 5 + i, "x")
      end
    until cursor == "0"
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.equal(2000, count)
  end)

  it("ends a scan whose keys are gone", function()
    local call <const> = commands_over(keyspace.new())
    for i = 1, 100 do call("SET", "key" .. i, "x") end
    local cursor <const> = call("SCAN", "0")[1]
    assert.equal("90", cursor)
    call "FLUSHDB"
    assert.same({ "0", {} }, { call("SCAN", cursor)[1], call("SCAN", cursor)[2] })
    assert.equal("0", call("SCAN", "9223372036854775807")[1])
  end)

  it("looks at so many keys at most in a part of a scan", function()
    local call <const> = commands_over(keyspace.new())
    for i = 1, 20001 do call("SET", "key" .. i, "x") end
    assert.equal("10001", call("SCAN", "0", "COUNT", "1000000")[1])
  end)

  it("tells all keys at once, those whose time is over left out, while others have their turn", function()
    local call <const> = commands_over(keyspace.new())
    for i = 1, 5000 do call("SET", "key" .. i, "x") end
    call("PSETEX", "key0", "1", "x")
    task.sleep(0.002)
    local turns = 0
    task.group(function(group)
      local other <const> = group:spawn(function()
        while true do
          turns = turns + 1
          task.sleep(0)
        end
      end)
      assert.equal(5000, #call("KEYS", "key*"))
      other:cancel()
    end)
    assert.is_true(turns > 1)
    assert.is_not_nil(call("KEYS", ("*a"):rep(1000)).message)
  end)

  it("counts what it has, whatever is done to it", function()
    local space <const> = keyspace.new()
    local call <const> = commands_over(space)
    call("SET", "n", "7")
    local one <const> = space.used
    call("INCRBY", "n", "93")
    assert.equal(one + 2, space.used)
    call("DECR", "n")
    assert.equal(one + 1, space.used)
    call("SETEX", "n", "100", "1")
    assert.equal(one + 300, space.used)
    call("MSET", "n", "1", "m", "2", "n", "3")
    assert.equal(2 * one, space.used)
    call("SETNX", "m", "long")
    assert.equal(2 * one, space.used)
    call("GETDEL", "n")
    call("GETDEL", "m")
    assert.same({ 0, 0 }, { space.used, call "DBSIZE" })
  end)

  it("refuses more when it is full", function()
    local call <const> = commands_over(keyspace.new { memory = 0 })
    for _, words in ipairs { { "SET", "a", "1" }, { "INCR", "a" }, { "DECRBY", "a", "1" }, { "MSET", "a", "1" },
        { "SETNX", "a", "1" }, { "SETEX", "a", "1", "1" } } do
      assert.equal("OOM", call(table.unpack(words)).kind)
    end
  end)

  it("answers with so many bytes at most", function()
    local call <const> = commands_over(keyspace.new())
    call("SET", "a", ("x"):rep(32 << 20))
    assert.equal(2, #call("MGET", "a", "a"))
    assert.matches("more than", call("MGET", "a", "a", "a").message)
  end)
end)
