--- Old code that state holds is named, whoever else has let go of it.

local helper <const> = require "spec.helper"
local workers <const> = require "spec.fixtures.workers"

local SCRIPT <const> = [[
local net <const>, service <const> = require "perigee.net", require "perigee.service"
local kept <const> = service.state("kept", function() return { functions = {} } end)
big = ("x"):rep(1000)
table.insert(kept.functions, function() return #big end)
net.serve("tcp://127.0.0.1:0", function() end)
]]

describe("old code that a function in state holds", function()
  helper.leaves_nothing(before_each, after_each)

  it("is alive, and perigee status says by what path", function()
    local process <close> = workers.serve(SCRIPT, "")
    for _ = 1, 2 do assert.equal(0, (select(2, process:command "reload"))) end
    process:command "console -e 'collectgarbage() collectgarbage()'"
    local status <const> = process:status_when(function(status) return #status.workers[1].services[1].alive == 2 end)
    for number, old in ipairs(status.workers[1].services[1].alive) do
      assert.equal(number, old.number)
      assert.matches(("^state 'kept': kept.functions%%[%d%%]"):format(number), old.holders[1])
    end
  end)
end)
