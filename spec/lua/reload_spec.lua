local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local reloading <const> = require "spec.fixtures.reloading"
local task <const> = require "perigee.task"

local says <const> = reloading.says

describe("a reload", function()
  helper.leaves_nothing(before_each, after_each)

  it("serves new clients by the new code, at the same port", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" }
    local before <const> = here:addresses()[1].port
    assert.equal("one", here:ask())
    local answer <const> = here:reloaded { ["a.lua"] = says "two" }
    assert.same({ true, 1, "a", 2 }, { answer.ok, #answer.services, answer.services[1].name,
      answer.services[1].generation })
    assert.equal("two", here:ask())
    assert.equal(before, here:addresses()[1].port)
  end)

  for what, case in pairs {
    ["a syntax error"] = { "local x =\n= 1", "a.lua:2: unexpected symbol near '='$" },
    ["an error at load"] = { "local function f()\n  error 'no'\nend\nf()", "a.lua:2: no$", "a.lua:4: in main chunk$" },
    ["an error that is no text"] = { "error { code = 7 }", "^table: 0x" },
    ["an error that is nil"] = { "error()", "^nil$" },
    ["a module that is missing"] = { "\nrequire 'nowhere'", "a.lua:2: module 'nowhere' not found",
      "a.lua:2: in main chunk$" },
    ["a module with a syntax error"] = { "require 'broken'", "broken.lua:2: unexpected symbol near '='$" },
    ["a module with an error at load"] = { "require 'failing'", "failing.lua:1: not me$", "a.lua:1: in main chunk$" },
    ["a port in use"] = { "require 'perigee.net'.serve('%s', print)", "listen on tcp://127.0.0.1:%d+: Address already in use$",
      "a.lua:1: in main chunk$" },
    ["misuse"] = { "require 'perigee.net'.serve('tcp://127.0.0.1:0', print, { max_conections = 1 })",
      "a.lua:1: there is no option 'max_conections'" },
    ["a host that does not exist"] = { "require 'perigee.net'.serve('tcp://nowhere.invalid:1', print)", "nowhere.invalid" },
    ["a scheme that does not exist"] = { "require 'perigee.net'.serve('tpc://127.0.0.1:0', print)", "a.lua:1: .*tpc" },
    ["a migration that is missing"] = { "require 'perigee.service'.state('kept', {}, { version = 2 })",
      "a.lua:1: state 'kept' is of version 1, and nothing is given to migrate it to version 2$" },
    ["a migration that fails"] = { [[require 'perigee.service'.state('kept', {}, { version = 2, migrate = function(old)
      old.n = 7
      error "cannot"
    end })]], "a.lua:3: cannot$", "a.lua:1: in main chunk$" },
  } do
    it(("changes nothing with %s"):format(what), function()
      local kept <const> = "require 'perigee.service'.state('kept', { n = 1 })\n"
      local other <close> = assert(net.serve("tcp://127.0.0.1:0", print))
      local here <close> = reloading.start { ["a.lua"] = kept .. says "one", ["broken.lua"] = "local x =\n= 1",
        ["failing.lua"] = "error 'not me'" }
      local answer <const> = here:refused { ["a.lua"] = (case[1]:gsub("%%s", tostring(other.address))) .. "\n" .. says "two" }
      assert.matches(case[2], answer.message)
      if case[3] then assert.matches(case[3], answer.traceback) end
      assert.equal("a", answer.service)
      assert.matches("error a +not reloaded: ", here:log())
      assert.equal("one", here:ask())
      assert.same({ n = 1 }, here:service().states.kept.value)
      assert.same({ 0, 1, 1 }, { here:service().reloads, here:service().failed_reloads, here:service().generation.number })
      here:wait_until_alone()
    end)
  end
end)
