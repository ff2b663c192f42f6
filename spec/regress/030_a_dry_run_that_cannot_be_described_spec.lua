--- A script may put what it likes into the table of its options. `perigee reload --dry-run` raised when it was to be
--- shown, and the version that was loaded aside kept the addresses: no reload after it could have them.

local helper <const> = require "spec.helper"
local reloading <const> = require "spec.fixtures.reloading"

local TEXT <const> = [[
  local options <const> = require "perigee.service".options { names = { "a", "b" }, limit = 1 }
  options.rooms = { {}, { members = 3 } }
  options.limit = setmetatable({}, { __tostring = function() error "no" end })
]]

describe("a dry run of a reload", function()
  helper.leaves_nothing(before_each, after_each)

  it("shows options whatever the script has made of them, and gives the addresses back", function()
    local here <close> = reloading.start { ["a.lua"] = TEXT .. reloading.says "one" }
    local answer <const> = here.run:reload { dry_run = true }
    if not answer.ok then error(answer.message) end
    assert.equal("kept", answer.plan.services[1].listeners[1].kind)
    here:reloaded { ["a.lua"] = TEXT .. reloading.says "two" }
    assert.equal("two", here:ask())
    here:wait_until_alone()
  end)

  it("shows an option that has gone, and nothing that was none", function()
    local first <const> = [[
      local options <const> = require "perigee.service".options { limit = 1, name = "a" }
      options[7] = true
      setmetatable(options, { __index = error, __pairs = error })
    ]]
    local second <const> = 'require "perigee.service".options { name = "a" }\n'
    local here <close> = reloading.start { ["a.lua"] = first .. reloading.says "one" }
    here:write { ["a.lua"] = second .. reloading.says "two" }
    local answer <const> = here.run:reload { dry_run = true }
    if not answer.ok then error(answer.message) end
    assert.same({ { name = "limit", old = "1" } }, answer.plan.services[1].options)
    here:wait_until_alone()
  end)
end)
