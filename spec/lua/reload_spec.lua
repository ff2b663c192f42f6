local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local reloading <const> = require "spec.fixtures.reloading"
local task <const> = require "perigee.task"

local says <const> = reloading.says
local shared <const> = reloading.shared

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
    ["an error that is no text"] = { "error { code = 7 }", "table: 0x" },
    ["an error that is nil"] = { "error()", "nil$" },
    ["a module that is missing"] = { "\nrequire 'nowhere'", "a.lua:2: module 'nowhere' not found",
      "a.lua:2: in main chunk$" },
    ["a module with a syntax error"] = { "require 'broken'", "broken.lua:2: unexpected symbol near '='$" },
    ["a module with an error at load"] = { "require 'failing'", "failing.lua:1: not me$", "a.lua:1: in main chunk$" },
    ["a port in use"] = { "require 'perigee.net'.serve('%s', print)",
      "listen on tcp://127.0.0.1:%d+: Address already in use$",
      "a.lua:1: in main chunk$" },
    ["misuse"] = { "require 'perigee.net'.serve('tcp://127.0.0.1:0', print, { max_conections = 1 })",
      "a.lua:1: there is no option 'max_conections'" },
    ["a host that does not exist"] = { "require 'perigee.net'.serve('tcp://nowhere.invalid:1', print)",
      "nowhere.invalid" },
    ["a scheme that does not exist"] = { "require 'perigee.net'.serve('tpc://127.0.0.1:0', print)", "a.lua:1: .*tpc" },
    ["a migration that is missing"] = { "require 'perigee.service'.state('kept', {}, { version = 2 })",
      "a.lua:1: state 'kept' is of version 1, and this code wants version 2: give a migrate that leads there$" },
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
      local beginning <const> = case[1]:gsub("%%s", tostring(other.address))
      local answer <const> = here:refused { ["a.lua"] = beginning .. "\n" .. says "two" }
      assert.matches(case[2], answer.message)
      if case[3] then assert.matches(case[3], answer.traceback) end
      assert.equal("a", answer.service)
      assert.matches("error a +not reloaded: ", here:log())
      assert.equal("one", here:ask())
      assert.same({ n = 1 }, here:service().states.kept.value)
      local service <const> = here:service()
      assert.same({ 0, 1, 1 }, { service.reloads, service.failed_reloads, service.generation.number })
      here:wait_until_alone()
    end)
  end

  it("is not for a service that has ended, and goes on without it when none is named", function()
    local here <close> = reloading.start({ ["a.lua"] = says "a", ["b.lua"] = "" }, { scripts = { "a.lua", "b.lua" } })
    helper.eventually(function() return here:service "b".has_ended end)
    assert.matches("b.lua has ended$", here:refused({}, { "b" }).message)
    here:reloaded { ["a.lua"] = says "newer" }
    assert.equal("newer", here:ask())
  end)

  it("of services that do not exist is refused, and says which there are", function()
    local here <close> = reloading.start { ["a.lua"] = says "a" }
    local answer <const> = here:refused({}, { "a", "c" })
    assert.same({ "there is no service 'c'; there are: a", "unreachable" }, { answer.message, answer.code })
    assert.equal(1, here:service().generation.number)
  end)

  it("of one service leaves the other as it is", function()
    local here <close> = reloading.start({ ["a.lua"] = says "a", ["b.lua"] = says "b" },
      { scripts = { "a.lua", "b.lua" } })
    here:reloaded({ ["a.lua"] = says "newer a", ["b.lua"] = "error 'no'" }, { "a", "a" })
    assert.same({ "newer a", "b" }, { here:ask(1, "a"), here:ask(1, "b") })
    assert.same({ 2, 1 }, { here:service "a".generation.number, here:service "b".generation.number })
  end)

  it("of two services, of which the second fails, leaves the first as it is", function()
    local here <close> = reloading.start({ ["a.lua"] = says "a", ["b.lua"] = says "b" },
      { scripts = { "a.lua", "b.lua" } })
    local answer <const> = here:refused { ["a.lua"] = says "newer a", ["b.lua"] = "error 'no'" }
    assert.same({ "b", true }, { answer.service, answer.message:find "b.lua:1: no$" ~= nil })
    assert.same({ "a", "b" }, { here:ask(1, "a"), here:ask(1, "b") })
    here:wait_until_alone "a"
    here:wait_until_alone "b"
    here:reloaded { ["b.lua"] = says "newer b" }
    assert.same({ "newer a", "newer b" }, { here:ask(1, "a"), here:ask(1, "b") })
  end)

  it("fails with an option that the new version does not have", function()
    local here <close> = reloading.start({ ["a.lua"] = "require 'perigee.service'.options { n = 1 }" .. says "a" },
      { given = { ["a.lua"] = { n = "7" } } })
    assert.matches("a.lua: there is no option 'n': the script declares none$",
      here:refused { ["a.lua"] = says "b" }.message)
    assert.matches("a.lua:1: there is no option 'n'; the options are: m$",
      here:refused { ["a.lua"] = "require 'perigee.service'.options { m = 1 }" .. says "b" }.message)
    assert.matches("a.lua:1: option 'n' must be true or false, not '7'$",
      here:refused { ["a.lua"] = "require 'perigee.service'.options { n = true }" .. says "b" }.message)
    assert.equal("a", here:ask())
    here:wait_until_alone()
  end)

  it("loads the modules beside the script anew, and the library's not", function()
    local text <const> = [[
      local shared <const> = require "spec.fixtures.reloading".shared
      shared.beside, shared.library = require "beside", require "perigee.net"
    ]]
    local here <close> = reloading.start { ["a.lua"] = text .. says "a", ["beside.lua"] = "return { 1 }" }
    local beside <const>, library <const> = shared.beside, shared.library
    here:reloaded { ["beside.lua"] = "return { 2 }" }
    assert.same({ 1, 2 }, { beside[1], shared.beside[1] })
    assert.equal(library, shared.library)
  end)

  it("leaves the loaded code its modules: what it requires later is of its own version", function()
    local text <const> = [[
      require "beside"
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
        conn:read_line()
        conn:write(require "beside", "\n", loadfile(require "perigee.service".path "beside.lua")())
      end)
    ]]
    local here <close> = reloading.start { ["a.lua"] = text, ["beside.lua"] = "return 'old'" }
    local conn <close> = here:connect()
    conn:write "a"
    here:reloaded { ["beside.lua"] = "return 'new'" }
    conn:write "b\n"
    assert.equal("old\nold", conn:read_all())
  end)

  it("waits for one that is under way, and both are done", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" }
    shared.gate, shared.reached, shared.loads = task.channel(1), task.channel(1), 0
    local waits <const> = [[
      local shared <const> = require "spec.fixtures.reloading".shared
      shared.loads = shared.loads + 1
      shared.reached:send(true)
      shared.gate:receive()
    ]]
    here:write { ["a.lua"] = says "two" .. waits }
    local first <const> = task.spawn(function() return here.run:reload {} end)
    shared.reached:receive()
    here:write { ["a.lua"] = says "three" .. waits }
    local second <const> = task.spawn(function() return here.run:reload {} end)
    task.sleep(0)
    assert.equal(1, shared.loads)
    assert.equal("one", here:ask())
    shared.gate:send(true)
    assert.equal(2, first:join().services[1].generation)
    shared.reached:receive()
    assert.equal("two", here:ask())
    shared.gate:send(true)
    assert.equal(3, second:join().services[1].generation)
    assert.equal("three", here:ask())
  end)

  it("gives up a main chunk that waits for ever, and its tasks and sockets", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" }
    here:service().load_seconds = 0.01
    local answer <const> = here:refused { ["a.lua"] = says "two" .. [[
      local task <const> = require "perigee.task"
      task.spawn(task.sleep, 1000)
      require "perigee.net".serve("udp://127.0.0.1:0", print)
      task.sleep(1000)
    ]] }
    assert.matches("a.lua: its main chunk has not ended within 0.01 seconds", answer.message)
    assert.equal("one", here:ask())
    here:wait_until_alone()
  end)

  it("that is cancelled leaves nothing", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" }
    shared.reached = task.channel(1)
    here:write { ["a.lua"] = says "two" .. says "three" .. [[
      local task <const> = require "perigee.task"
      task.spawn(task.sleep, 1000)
      require "spec.fixtures.reloading".shared.reached:send(true)
      task.sleep(1000)
    ]] }
    local reload <const> = task.spawn(here.run.reload, here.run, {})
    shared.reached:receive()
    reload:cancel()
    reload:join()
    assert.equal("one", here:ask())
    here:wait_until_alone()
    here:reloaded { ["a.lua"] = says "four" }
    assert.equal("four", here:ask())
  end)

  for when, stop in pairs {
    ["before its main chunk has ended"] = function() end,
    ["after its main chunk has ended"] = function(gate) gate:send(true) end,
  } do
    it("that is under way when the process stops changes nothing, " .. when, function()
        local here <close> = reloading.start { ["a.lua"] = says "one" .. [[
        require "perigee.service".on_stop(function() require "spec.fixtures.reloading".shared.stops = 1 end)
      ]] }
      shared.gate, shared.reached = task.channel(1), task.channel(1)
      here:write { ["a.lua"] = says "two" .. says "three" .. [[
        local shared <const> = require "spec.fixtures.reloading".shared
        require "perigee.service".on_stop(function() shared.stops = 2 end)
        shared.reached:send(true)
        shared.gate:receive()
      ]] }
      local reload <const> = task.spawn(here.run.reload, here.run, {})
      shared.reached:receive()
      stop(shared.gate)
      here.run:request_stop()
      here.run:finish()
      stop(shared.gate)
      local answer <const> = reload:join()
      assert.same({ false, "closed" }, { answer.ok, answer.code })
      assert.equal(1, shared.stops)
      assert.equal(1, here:service().generation.number)
    end)
  end

  it("changes nothing when the old code has closed a listener meanwhile that the new one was to have", function()
    local here <close> = reloading.start { ["a.lua"] = says "kept" .. [[
      local shared <const> = require "spec.fixtures.reloading".shared
      shared.server = require "perigee.net".serve("tcp://127.0.0.1:0", print)
    ]] }
    shared.gate, shared.reached = task.channel(1), task.channel(1)
    here:write { ["a.lua"] = says "two" .. says "three" .. [[
      local shared <const> = require "spec.fixtures.reloading".shared
      shared.reached:send(true)
      shared.gate:receive()
    ]] }
    local reload <const> = task.spawn(here.run.reload, here.run, {})
    shared.reached:receive()
    shared.server:close()
    shared.gate:send(true)
    local answer <const> = reload:join()
    if answer and answer.ok then
      assert.same({ "two", "three" }, { here:ask(1), here:ask(2) })
    else
      assert.matches("closed", answer and answer.message)
      assert.equal("kept", here:ask())
    end
    here:reloaded { ["a.lua"] = says "four" .. says "five" }
    assert.same({ "four", "five" }, { here:ask(1), here:ask(2) })
  end)
end)
