local console <const> = require "perigee.console.evaluate"
local fixture <const> = require "spec.fixtures.console"
local helper <const> = require "spec.helper"
local sessions <const> = require "perigee.console.sessions"
local task <const> = require "perigee.task"

local SCRIPT <const> = [[
local limit, greeting = 3, "hello"
local rooms <const> = { lobby = { people = 2 } }
local unused = "nobody has it"
function shared(name) return greeting .. ", " .. name end
local function fail(text) error(text) end
counter = 0
keep(function() counter = counter + limit return rooms, fail end)
]]

describe("a line of the console", function()
  local run, ids

  after_each(function() -- before it is counted what is left
    for id in pairs(ids) do console.interrupt(run, { session = id, forget = true }) end
  end)

  helper.leaves_nothing(before_each, after_each)

  before_each(function()
    run, ids = fixture.run { chat = SCRIPT }, {}
  end)

  local function ask(source, session, service)
    ids[session or "one"] = true
    return console.evaluate(run, { session = session or "one", service = service, source = source })
  end

  local function results(source, session)
    local answer <const> = ask(source, session)
    assert.is_true(answer.ok, answer.message)
    return answer.results
  end

  it("is an expression, or statements", function()
    assert.equal("3", results "1 + 2")
    assert.equal("1\n\"two\"\nnil", results "1, 'two', nil")
    assert.equal("", results "local x = 1")
    assert.equal("", results "")
    assert.equal("", results "-- nothing")
    assert.equal("9", results "local x = 3 return x * x")
  end)

  it("may be unfinished, and may be wrong", function()
    for _, source in ipairs { "for i = 1, 3 do", "print(", "x = [[text", "1 +", "function f()" } do
      local answer <const> = ask(source)
      assert.same({ true, true }, { answer.ok, answer.incomplete }, source)
      assert.matches("<eof>", answer.message)
    end
    local answer <const> = ask "x = = 1"
    assert.same({ false, "console:1: unexpected symbol near '='" }, { answer.ok, answer.message })
    assert.matches("unfinished string", ask("x = 'text").message)
    assert.matches("console:2: unexpected symbol near '%)'", ask("x = 1\n)").message)
  end)

  it("prints into its answer, by print and by io.write", function()
    local answer <const> = ask "print('a', 1) io.write('b', 2, '\\n'):write 'c' io.stdout:write 'd' return 'd'"
    assert.equal("a\t1\nb2\ncd", answer.output)
    assert.equal('"d"', answer.results)
    assert.matches("bad argument #2 to 'write'", ask("io.write('x', {})").message)
    assert.equal("kept\n", ask("print 'kept' error 'oh'").output)
  end)

  it("prints a mebibyte at most, and says so", function()
    local answer <const> = ask "for i = 1, 40000 do print(('x'):rep(99)) end"
    assert.is_true(answer.ok)
    local text <const> = answer.output:match "^(.*)\n%.%.%. a line may print 1048576 bytes: the rest is left out\n$"
    assert.equal(1048576, #text)
  end)

  it("keeps its globals for the next one of its session, alone", function()
    results "x = 10; function double(n) return 2 * n end"
    assert.equal("20", results "double(x)")
    assert.equal("nil", results("x", "two"))
    results "x = nil"
    assert.equal("nil", results "x")
    assert.is_nil(rawget(run.services[1].generation.environment, "x"))
  end)

  it("sees and sets the script's locals and globals", function()
    assert.equal('"hello, ann"', results "shared 'ann'")
    assert.equal("2", results "rooms.lobby.people")
    results "greeting = 'good evening'"
    assert.equal('"good evening, ann"', results "shared 'ann'")
    results "limit = 40; counter = 2"
    run.services[1].generation.servers[1]()
    assert.equal("42", results "counter")
    assert.equal(42, run.services[1].generation.environment.counter)
    assert.equal("nil", results "unused")
    results "function shared() return 'mended' end"
    assert.equal("mended", run.services[1].generation.environment.shared())
  end)

  it("sees the state before the locals, and sets both", function()
    run = fixture.run({ chat = "local rooms = state 'rooms'; keep(function() return rooms end)" },
      { rooms = { "old" } })
    assert.equal('{ "old" }', results "rooms")
    results "rooms = { 'new' }"
    assert.same({ "new" }, run.services[1].states.rooms.value)
    assert.same({ "new" }, run.services[1].generation.servers[1]())
  end)

  it("has the service's modules, its own and the console's", function()
    assert.equal("true", results "require 'perigee.task' == task")
    assert.equal("true", results "type(service.path) == 'function'")
    assert.equal('"AB"', results "string.upper 'ab'")
  end)

  it("runs in a task, which may wait, and leaves tasks in the service", function()
    assert.equal("true", results "local t = task.now() task.sleep(0.001) return task.now() > t")
    results "task.spawn(function() task.sleep(0.002) counter = 'done' end)"
    helper.eventually(function() return results "counter" == '"done"' end)
  end)

  it("tells an error with where it was, without the console's own frames", function()
    local answer <const> = ask "error 'oh'"
    assert.same({ false, "console:1: oh" }, { answer.ok, answer.message })
    assert.is_nil(answer.traceback)
    assert.matches("attempt to index a nil value %(global 'nobody'%)", ask("nobody.x").message)
    assert.equal("error value: { code = 7 }", ask("error { code = 7 }").message)
    assert.equal("nicely", ask("error(setmetatable({}, { __tostring = function() return 'nicely' end }))").message)
    local deep <const> = ask "local function f()\n  return 1 + fail 'deep'\nend\nf()"
    assert.equal("scripts/chat.lua:5: deep", deep.message)
    assert.matches("scripts/chat.lua:5: in .-'fail'", deep.traceback)
    assert.matches("console:2: in .*console:4: in main chunk$", deep.traceback)
    assert.not_matches("perigee", deep.traceback)
  end)

  it("is interrupted where it waits", function()
    local answer
    local line <const> = task.spawn(function() answer = ask "print 'begun' task.sleep(1000)" end)
    helper.eventually(function()
      local session <const> = sessions.of(run).by_id.one
      return session and session.running
    end)
    assert.matches("evaluates a line already", ask("1").message)
    assert.same({ ok = true }, console.interrupt(run, { session = "one" }))
    line:join()
    assert.same({ false, "interrupted", "begun\n" }, { answer.ok, answer.message, answer.output })
    assert.equal("1", results "1")
  end)

  it("says when the generation ends under it", function()
    local answer
    local line <const> = task.spawn(function() answer = ask "task.sleep(1000)" end)
    local generation <const> = run.services[1].generation
    helper.eventually(function() return generation.scope.count > 0 end)
    task.sleep(0)
    generation.scope:cancel_background()
    line:join()
    assert.equal("the line was cancelled: the generation in which it ran has ended", answer.message)
  end)

  it("reloads by reload(), once it is over", function()
    local wanted
    function run.reload(_, request)
      wanted = request
      run.services[1].generation.scope:cancel_background()
      fixture.replace(run.services[1], "answer = 42")
      return { ok = true, services = { { name = "chat", generation = 2 } } }
    end
    assert.same({ ok = true, output = "now\n", results = "reloaded chat: generation 2" }, ask "print 'now' reload()")
    assert.same({ services = { "chat" } }, wanted)
    assert.equal("42", results "answer")
    function run.reload() return { ok = false, message = "scripts/chat.lua:1: oh", traceback = "there" } end
    assert.same({ ok = false, output = "", message = "scripts/chat.lua:1: oh", traceback = "there" }, ask "reload()")
    assert.matches("bad argument 'name'", ask("reload(1)").message)
  end)

  it("is for a service that there is", function()
    run = fixture.run { chat = "", echo = "name = 'echo'" }
    assert.equal("say which service: there are chat, echo", ask("1").message)
    assert.equal("there is no service 'other'; there is chat, echo", ask("1", "one", "other").message)
    assert.equal('"echo"', ask("name", "one", "echo").results)
    run.services[1].generation = nil
    assert.equal("service 'chat' is not loaded", ask("1", "one", "chat").message)
    assert.equal("the request has no session", console.evaluate(run, { source = "1" }).message)
    assert.equal("the request has no source", console.evaluate(run, { session = "one", service = "echo" }).message)
    ids.one = true
  end)

  it("may have a session of sixteen; the longest unused one goes", function()
    for i = 1, 16 do
      ids["s" .. i] = true
      results("x = " .. i, "s" .. i)
      sessions.of(run).by_id["s" .. i].used = i
    end
    results("x", "s1")
    results("x = 17", "s17")
    assert.equal("1", results("x", "s1"))
    assert.is_nil(sessions.of(run).by_id.s2)
    assert.equal(16, sessions.of(run).count)
  end)

  it("has no session while sixteen evaluate", function()
    for i = 1, 16 do task.spawn(function() ask("task.sleep(1000)", "s" .. i) end) end
    local scope <const> = run.services[1].generation.scope
    helper.eventually(function() return scope.count == 16 end)
    local answer <const> = ask "1"
    assert.same({ "16 consoles evaluate a line now: there can be no more", "limit" }, { answer.message, answer.code })
    scope:cancel()
    scope:join()
  end)

  it("holds nothing of an old generation once its session is over", function()
    results "x = rooms; f = function() return greeting end; console_io = io"
    local old <const> = setmetatable({ run.services[1].generation, run.services[1].generation.environment,
      run.services[1].generation.environment.shared }, { __mode = "v" })
    fixture.replace(run.services[1], SCRIPT)
    assert.equal("2", results "x.lobby.people")
    console.interrupt(run, { session = "one", forget = true })
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(old))
    assert.same({ 0, 0 }, { sessions.of(run).count, run.services[1].generation.scope.count })
  end)

  it("holds nothing of an old generation that no variable holds", function()
    results "rooms, greeting, io.write, print"
    local old <const> = setmetatable({ run.services[1].generation, run.services[1].generation.environment },
      { __mode = "v" })
    fixture.replace(run.services[1], SCRIPT)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(old))
  end)

  it("leaves functions that find the generation which serves", function()
    results "hook = function() return greeting end; rooms.hook = hook; printer = print"
    local hook <const> = run.services[1].generation.servers[1]().hook
    fixture.replace(run.services[1], SCRIPT:gsub("hello", "servus"))
    assert.equal("servus", hook())
  end)

  it("answers with valid UTF-8 alone", function()
    local answer <const> = ask "print '\\xFF\\xC3' return '\\xFE'"
    assert.same({ "\\xFF\\xC3\n", '"\\xFE"' }, { answer.output, answer.results })
    assert.equal("\\xFF", ask("error('\\xFF', 0)").message)
  end)

  it("is cut where an error or many values are long", function()
    local message <const> = ask("error(('x'):rep(1e6), 0)").message
    assert.equal(("x"):rep(65536) .. "... 934464 more bytes", message)
    local many <const> = "local t = {} for i = 1, 50000 do t[i] = i end return table.unpack(t)"
    assert.matches("\n100\n... 49900 more$", results(many))
  end)
end)

describe("the locals of a script", function()
  it("are told from those of its functions, and are the latest of a name", function()
    local run <const> = fixture.run { chat = [[
      local name, x = "first", 1
      keep(function() return name end)
      do local inner = "inner" keep(function() return inner, x end) end
      local name = "second"
      local function outer(rooms) return function() return rooms, name end end
      keep(outer "not a local")
      rooms = "global"
    ]] }
    local function value(source)
      return console.evaluate(run, { session = "locals", source = source }).results
    end
    assert.equal('"second"', value "name")
    assert.equal('"inner"', value "inner")
    assert.equal('"global"', value "rooms")
    console.interrupt(run, { session = "locals", forget = true })
  end)

  it("are found in what runs", function()
    local run <const> = fixture.run { chat = "" }
    fixture.replace(run.services[1], [[
      local seen = "by a task"
      local task = require "perigee.task"
      function begin()
        task.spawn(function() begun = true while seen do task.sleep(1000) end end)
        begin = nil
      end
      seen = seen .. "!"
    ]])
    local generation <const> = run.services[1].generation
    generation.scope:enter(generation.environment.begin)
    helper.eventually(function() return generation.scope.count == 1 and generation.environment.begun end)
    collectgarbage()
    assert.equal('"by a task!"', console.evaluate(run, { session = "locals", source = "seen" }).results)
    console.interrupt(run, { session = "locals", forget = true })
    generation.scope:cancel()
    generation.scope:join()
  end)
end)
