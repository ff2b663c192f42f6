local helper <const> = require "spec.helper"
local reloading <const> = require "spec.fixtures.reloading"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local shared <const> = reloading.shared

--- A script that keeps the state "s", with these arguments after its name, and shares it with the spec.
local function keeps(arguments, more)
  return ([[
    local service <const> = require "perigee.service"
    local shared <const> = require "spec.fixtures.reloading".shared
    local net <const> = require "perigee.net"
    net.serve("tcp://127.0.0.1:0", print)
    shared.value = service.state("s"%s)
    %s
  ]]):format(arguments and ", " .. arguments or "", more or "")
end

local function start(arguments, more)
  return reloading.start { ["a.lua"] = keeps(arguments, more) }
end

local function states(here)
  return here:service().states
end

describe("state", function()
  helper.leaves_nothing(before_each, after_each)

  it("is made once, and is the same in every version", function()
    local here <close> = start "function() return { 1 } end"
    local first <const> = shared.value
    for i = 2, 5 do
      here:reloaded { ["a.lua"] = keeps(("function() return { %d } end"):format(i)) }
      assert.is_true(rawequal(first, shared.value))
    end
    assert.same({ 1 }, first)
    assert.same({ "kept", 1 }, { states(here).s.kind, states(here).s.version })
  end)

  it("is an empty table unless something is given; or false, a number, a text", function()
    local here <close> = start(nil, "shared.more = { service.state('f', false), service.state('n', 0), "
      .. "service.state('t', ''), service.state('f', true) }")
    assert.same({}, shared.value)
    assert.same({ false, 0, "", false }, shared.more)
    here:reloaded { ["a.lua"] = keeps("1", "shared.more = { service.state('f', 1), service.state('n', 1) }") }
    assert.same({}, shared.value)
    assert.same({ false, 0 }, shared.more)
  end)

  it("goes on when a version in between does not ask for it", function()
    local here <close> = start "{ 1 }"
    local first <const> = shared.value
    here:reloaded { ["a.lua"] = "require 'perigee.net'.serve('tcp://127.0.0.1:0', print)" }
    here:reloaded { ["a.lua"] = keeps "{ 2 }" }
    assert.is_true(rawequal(first, shared.value))
  end)

  it("of a service is not another one's", function()
    local here <close> = reloading.start({ ["a.lua"] = keeps "{ 1 }", ["b.lua"] = keeps "{ 2 }" },
      { scripts = { "a.lua", "b.lua" } })
    assert.is_false(rawequal(here:service "a".states.s.value, here:service "b".states.s.value))
  end)

  it("that a version which fails has made is not there", function()
    local here <close> = start "{ 1 }"
    here:refused { ["a.lua"] = keeps("nil", "service.state('new', { 2 }) error 'no'") }
    assert.is_nil(states(here).new)
    here:reloaded { ["a.lua"] = keeps("nil", "shared.new = service.state('new', { 3 })") }
    assert.same({ 3 }, shared.new)
  end)

  it("is migrated from one version to the next, on a copy", function()
    local here <close> = start "{ names = { 'ann', 'bob' } }"
    local old <const> = shared.value
    here:reloaded { ["a.lua"] = keeps [[nil, { version = 2, migrate = function(old, from)
      shared.from = from
      for i, name in ipairs(old.names) do old.names[i] = { name = name } end
      return old
    end }]] }
    assert.same({ names = { { name = "ann" }, { name = "bob" } } }, shared.value)
    assert.same({ names = { "ann", "bob" } }, old)
    assert.same({ 1, 2, "migrated" }, { shared.from, states(here).s.version, states(here).s.kind })
    local second <const> = shared.value
    here:reloaded()
    assert.is_true(rawequal(second, shared.value))
  end)

  it("is migrated back by a script that knows how, and not by one that does not", function()
    local here <close> = start "{ n = 1 }"
    local newer <const> = keeps "nil, { version = 2, migrate = function(old) return { m = old.n } end }"
    here:reloaded { ["a.lua"] = newer }
    assert.matches("a.lua:5: state 's' is of version 2, and this code wants version 1: give a migrate that leads " ..
      "there$", here:refused { ["a.lua"] = keeps() }.message)
    assert.same({ m = 1 }, states(here).s.value)
    here:reloaded { ["a.lua"] = keeps [[nil, { version = 1, migrate = function(old, from)
      shared.from = from
      return { n = old.m }
    end }]] }
    assert.same({ { n = 1 }, 2 }, { shared.value, shared.from })
    here:reloaded { ["a.lua"] = newer }
    assert.same({ m = 1 }, shared.value)
  end)

  for what, case in pairs {
    ["raises after it has changed its copy"] = { "old.list[1] = 'broken' old.more = true error 'no'",
      "a.lua:%d+: no$" },
    ["returns nothing"] = { "old.list[1] = 'broken'", "a.lua:5: state 's': migrate has returned nil$" },
    ["removes what it finds"] = { "for k in pairs(old) do old[k] = nil end error('no', 0)", "no$" },
  } do
    it(("stays as it was when its migration %s"):format(what), function()
      local here <close> = start "{ list = { 1, 2 } }"
      local old <const> = shared.value
      local answer <const> = here:refused { ["a.lua"] =
        keeps(("nil, { version = 2, migrate = function(old) %s end }"):format(case[1])) }
      assert.matches(case[2], answer.message)
      assert.is_true(rawequal(old, states(here).s.value))
      assert.same({ list = { 1, 2 } }, old)
      assert.equal(1, states(here).s.version)
      here:reloaded { ["a.lua"] = keeps() }
      assert.is_true(rawequal(old, shared.value))
    end)
  end

  it("stays as it was when all migrate, and the script fails after that", function()
    local here <close> = start "{ n = 1 }"
    here:refused { ["a.lua"] = keeps("nil, { version = 2, migrate = function(old) old.n = 2 return old end }",
      "error 'no'") }
    assert.same({ { n = 1 }, 1 }, { states(here).s.value, states(here).s.version })
  end)

  it("stays as it was when another service's script fails", function()
    local here <close> = reloading.start({ ["a.lua"] = keeps "{ n = 1 }", ["b.lua"] = reloading.says "b" },
      { scripts = { "a.lua", "b.lua" } })
    here:refused { ["a.lua"] = keeps "nil, { version = 2, migrate = function() return 7 end }",
      ["b.lua"] = "error 'no'" }
    assert.same({ n = 1 }, here:service "a".states.s.value)
  end)

  it("is copied with its cycles, shared tables and tables as keys", function()
    local here <close> = start [[function()
      local t, key = {}, { "key" }
      t.self, t.twice, t.list = t, key, { key, t }
      t[key], t[t] = "by key", "by itself"
      return t
    end]]
    local old <const> = shared.value
    here:reloaded { ["a.lua"] = keeps "nil, { version = 2, migrate = function(old) return old end }" }
    local new <const> = shared.value
    assert.is_false(rawequal(old, new))
    assert.is_true(rawequal(new, new.self) and rawequal(new, new.list[2]) and rawequal(new.twice, new.list[1]))
    assert.is_false(rawequal(old.twice, new.twice))
    assert.same({ "by key", "by itself" }, { new[new.twice], new[new] })
    assert.is_nil(new[old.twice])
  end)

  it("is copied with its metatables, without calling them", function()
    local here <close> = start [[function()
      local called = function() error "a metamethod was called" end
      local class = { __metatable = "hidden", __index = called, __newindex = called, __pairs = called, __len = called,
        __eq = called, __gc = nil }
      local weak = setmetatable({ {} }, { __mode = "v" })
      return { object = setmetatable({ n = 1 }, class), weak = weak }
    end]]
    local old <const> = shared.value
    here:reloaded { ["a.lua"] = keeps "nil, { version = 2, migrate = function(old) return old end }" }
    local new <const> = shared.value
    assert.is_false(rawequal(old.object, new.object))
    assert.equal(1, rawget(new.object, "n"))
    assert.is_true(rawequal(debug.getmetatable(old.object), debug.getmetatable(new.object)))
    assert.equal("v", getmetatable(new.weak).__mode)
  end)

  it("is copied however deep it is", function()
    local here <close> = start [[function()
      local list = {}
      for i = 1, 300000 do list = { next = list } end
      return list
    end]]
    here:reloaded { ["a.lua"] = keeps "nil, { version = 2, migrate = function(old) return old end }" }
    local depth, list = 0, shared.value
    while list.next do depth, list = depth + 1, list.next end
    assert.equal(300000, depth)
  end)

  it("shares what is no table, also connections, functions and tasks", function()
    local here <close> = start "{ f = print, thread = coroutine.create(print), file = io.stderr }"
    local old <const> = shared.value
    here:reloaded { ["a.lua"] = keeps "nil, { version = 2, migrate = function(old) return old end }" }
    assert.same({ old.f, old.thread, old.file }, { shared.value.f, shared.value.thread, shared.value.file })
  end)

  for what, case in pairs {
    ["a name that is no text"] = { "service.state(1)", "bad argument 'name' %(a string expected%)" },
    ["options that are no table"] = { "service.state('x', 1, 2)", "bad argument 'options' %(a table expected%)" },
    ["an unknown option"] = { "service.state('x', 1, { versoin = 2 })", "there is no option 'versoin'" },
    ["a version that is no integer"] = { "service.state('x', 1, { version = '2' })",
      "option 'version' must be an integer" },
    ["a migration that is no function"] = { "service.state('x', 1, { migrate = 2 })",
      "option 'migrate' must be a function" },
    ["an initial value that is nil"] = { "service.state('x', function() end)", "state 'x': its initial value is nil" },
    ["an initial value that cannot be made"] = { "service.state('x', function() error 'cannot' end)", "cannot" },
  } do
    it(("refuses %s"):format(what), function()
      local here <close> = start "{ n = 1 }"
      assert.matches("a.lua:6: " .. case[2] .. "$", here:refused { ["a.lua"] = keeps(nil, case[1]) }.message)
      assert.same({ n = 1 }, states(here).s.value)
      assert.is_nil(states(here).x)
    end)
  end

  it("may wait while it is made", function()
    local here <close> = start("nil", "")
    here:reloaded { ["a.lua"] = keeps("nil", [[
      shared.made = service.state("made", function() require "perigee.task".sleep(0) return 7 end)]]) }
    assert.equal(7, shared.made)
  end)

  it("that old code asks for after a reload is the newer one's only if it is of its version", function()
    local here <close> = reloading.start { ["a.lua"] = [[
      local service <const> = require "perigee.service"
      local shared <const> = require "spec.fixtures.reloading".shared
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
        for name in conn:lines() do
          conn:write(tostring(select(2, pcall(service.state, name, "old", { migrate = function() return "back" end }))),
            "\n")
        end
      end)
      service.state("s", "one")
      service.state("t", "one")
    ]] }
    local conn <close> = here:connect()
    local function ask(name)
      conn:write(name, "\n")
      return (conn:read_line())
    end
    assert.same({ "one", "old" }, { ask "s", ask "late" })
    here:reloaded { ["a.lua"] = keeps("nil, { version = 2, migrate = function() return 'two' end }",
      "service.state('t') shared.late = service.state 'late'") }
    assert.equal("old", shared.late)
    assert.same({ "two", 2 }, { states(here).s.value, states(here).s.version })
    assert.equal("one", ask "t")
    ask "s"
    ask "never"
    assert.same({ "two", 2 }, { states(here).s.value, states(here).s.version })
  end)

  it("keeps what old code has changed while the new version was loaded", function()
    local here <close> = start "{ n = 1 }"
    local old <const> = shared.value
    shared.gate, shared.reached = task.channel(1), task.channel(1)
    here:write { ["a.lua"] = keeps("nil", "shared.reached:send(true) shared.gate:receive()") }
    local reload <const> = task.spawn(here.run.reload, here.run, {})
    shared.reached:receive()
    old.n = 2
    shared.gate:send(true)
    assert.is_true(reload:join().ok)
    assert.same({ n = 2 }, shared.value)
  end)

  it("is a value of its own outside of services", function()
    assert.same({ {}, 1, 2 }, { service.state "x", service.state("x", 1), service.state("x", function() return 2 end) })
  end)
end)
