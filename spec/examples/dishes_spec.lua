local helper <const> = require "spec.helper"

local DISHES <const> = { "salad", "bread", "entree", "dessert" }

local function run(example, settings)
  local output <const>, status <const> = helper.run(("%s run --log-level warn examples/dishes/%s.lua %s"):format(
    helper.binary, example, (settings:gsub("%f[%w]%w+=", "--set " .. example .. ".%0"))))
  assert.equal(0, status, output)
  return output
end

--- Each dish is washed, in order, then dried once; and then all is dry.
local function assert_done(output, dried)
  local from = 1
  for _, dish in ipairs(DISHES) do
    local at <const> = assert(output:find("washing " .. dish .. "\n", from, true), output)
    local _, last <const> = output:find(dried:format(dish), at)
    assert(last and not output:find(dried:format(dish), last), output)
    from = at + 1
  end
  assert.matches("\nall is dry\n$", output)
  assert.equal(2 * #DISHES + 1, select(2, output:gsub("\n", "")))
end

describe("the dishes are washed and dried by", function()
  helper.leaves_nothing(before_each, after_each)

  for _, dryers in ipairs { 1, 3, 9 } do
    it(("tasks, %d of them"):format(dryers), function()
      assert_done(run("tasks", ("dryers=%d wash=0.0 dry=0.0"):format(dryers)), "drying %s\n")
    end)
  end

  for _, dryers in ipairs { 1, 3 } do
    it(("threads, %d of them at most"):format(dryers), function()
      local output <const> = run("threads", ("dryers=%d wash=0.0 rounds=1000"):format(dryers))
      assert_done(output, "%s is dry: 0.368 of its water is left\n")
    end)

    it(("processes, %d of them"):format(dryers), function()
      assert_done(run("processes", ("dryers=%d wash=0.0 dry=0.0"):format(dryers)), "drying %s in process %%d+\n")
    end)
  end
end)
