local helper <const> = require "spec.helper"

-- The tasks that are left when a process ends were put into a list by the same links by which they wait: a finalizer
-- that woke them went round for ever.
describe("a process that ends while tasks wait", function()
  helper.leaves_nothing(before_each, after_each)

  it("ends, also when finalizers wake them", function()
    local directory <close> = helper.directory { ["end_spec.lua"] = [[
      local core = require "core.task"
      it("leaves tasks behind that wait", function()
        local scope, waitlist, other = core.scope(), core.waitlist(), core.waitlist()
        for _ = 1, 5 do
          scope:spawn(function() waitlist:wait() end)
          scope:spawn(function() other:wait() end)
        end
        core.sleep(0)
        kept = setmetatable({ scope, waitlist, other }, { __gc = function(self)
          self[2]:wake(math.huge)
          self[3]:wake(math.huge)
          self[2]:wake(math.huge)
          self[1]:cancel()
        end })
      end)
    ]] }
    local output <const>, status <const> =
      helper.run(("timeout 20 %s test %s/end_spec.lua"):format(helper.binary, directory))
    assert.equal(0, status, output)
  end)
end)
