local certificates <const> = require "spec.fixtures.certificates"
local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

local function says(text, url)
  return ([[
    require "perigee.net".serve("%s", function(conn) conn:write "%s" end)
  ]]):format(url or "tcp://127.0.0.1:0", text)
end

local function ask(address)
  local conn <close> = assert(net.connect(address, { timeout = 20 }))
  return (conn:read_all())
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

--- What `perigee reload` prints to its two outputs, and its exit status.
local function reload(process, words)
  local output <const> = helper.temporary_name()
  local problems <const>, status <const> = helper.run(("%s reload %s --control %s > %s"):format(helper.binary,
    words or "", process.control, output))
  local file <close> = assert(io.open(output))
  os.remove(output)
  return file:read "a", status, problems
end

--- Two scripts of a directory in one process.
local function serve_two(directory)
  local process <const> = helper.start(("%s run --drain 0 --control %s/control %s/a.lua %s/b.lua"):format(helper.binary,
    directory, directory, directory))
  process:wait_for "a +listening address=(%S+)"
  process:wait_for "b +listening address=(%S+)"
  process.control = tostring(directory) .. "/control"
  return process
end

describe("perigee reload", function()
  helper.leaves_nothing(before_each, after_each)

  it("reloads, and says so here and in the log of the process", function()
    local process <close>, address <const> = workers.serve(says "one", "--drain 0")
    write(process.script, says "two")
    assert.same({ "reloaded service: generation 2\n", 0, "" }, { reload(process) })
    assert.equal("two", ask(address))
    process:wait_for "service +reloaded generation=2"
    assert.same({ "reloaded service: generation 3\n", 0, "" }, { reload(process, "service") })
  end)

  for what, case in pairs {
    ["a syntax error"] = { "local x =\n= 1", "/service.lua:2: unexpected symbol near '='\n$" },
    ["an error at load"] = { "local function f()\n  error 'no'\nend\nf()",
      "/service.lua:2: no\n.*/service.lua:2: in local 'f'\n.*/service.lua:4: in main chunk\n$" },
    ["a missing module"] = { "\nrequire 'nowhere'",
      "/service.lua:2: module 'nowhere' not found.*:2: in main chunk\n$" },
    ["a failing migration"] = {
      "require 'perigee.service'.state('s', 1, { version = 2, migrate = function()\nerror 'cannot' end })",
      "/service.lua:2: cannot\n.*/service.lua:1: in main chunk\n$" },
    ["a port in use"] = { "require 'perigee.net'.serve('tcp://127.0.0.1:%d', print)",
      "/service.lua:1: listen on tcp://127.0.0.1:%d+: Address already in use\n.*:1: in main chunk\n$" },
  } do
    it(("tells %s with file, line and traceback, exits with 1, and the old code goes on"):format(what), function()
      local other <close> = assert(net.serve("tcp://127.0.0.1:0", print))
      local process <close>, address <const> =
        workers.serve("require 'perigee.service'.state('s', 1)\n" .. says "one", "--drain 0")
      write(process.script, (case[1]:gsub("%%d", other.address.port)))
      local output <const>, status <const>, problems <const> = reload(process)
      assert.same({ "", 1 }, { output, status })
      assert.matches("^perigee: not reloaded: /.*" .. case[2], problems)
      assert.equal("one", ask(address))
      process:wait_for "error +service +not reloaded: /"
      write(process.script, says "two")
      assert.equal(0, (select(2, reload(process))))
      assert.equal("two", ask(address))
    end)
  end

  it("tells that there is no such service, or no process", function()
    local process <close> = workers.serve(says "one", "--drain 0")
    assert.same({ "", 1, "perigee: not reloaded: there is no service 'x'; there are: service\n" },
      { reload(process, "x") })
    local _ <const>, status <const>, problems <const> = reload { control = "/nowhere/control" }
    assert.equal(1, status)
    assert.matches("^perigee: not reloaded: .*/nowhere/control", problems)
  end)

  it("reloads one of two services, or both, or none", function()
    local directory <close> = helper.directory { ["a.lua"] = says "a1", ["b.lua"] = says "b1" }
    local process <close> = serve_two(directory)
    local a <const> = process:wait_for "a +listening address=(%S+)"
    local b <const> = process:wait_for "b +listening address=(%S+)"
    write(tostring(directory) .. "/a.lua", says "a2")
    write(tostring(directory) .. "/b.lua", says "b2")
    assert.same({ "reloaded b: generation 2\n", 0, "" }, { reload(process, "b") })
    assert.same({ "a1", "b2" }, { ask(a), ask(b) })
    write(tostring(directory) .. "/b.lua", "error 'no'")
    assert.same({ "", 1 }, { reload(process), (select(2, reload(process))) })
    assert.same({ "a1", "b2" }, { ask(a), ask(b) })
    write(tostring(directory) .. "/b.lua", says "b3")
    assert.same({ "reloaded a: generation 2\nreloaded b: generation 3\n", 0, "" }, { reload(process) })
    assert.same({ "a2", "b3" }, { ask(a), ask(b) })
  end)

  it("says what would change, and changes nothing", function()
    local process <close>, address <const> = workers.serve(says "one", "--drain 0")
    write(process.script, says "two" .. says "new")
    local output <const>, status <const> = reload(process, "--dry-run")
    assert.equal(0, status)
    assert.matches("listener +tcp://%S+ +kept", output)
    assert.matches("listener +tcp://%S+ +opened", output)
    assert.equal("one", ask(address))
    write(process.script, "= 1")
    local _ <const>, refused <const>, problems <const> = reload(process, "--dry-run")
    assert.equal(1, refused)
    assert.matches("service.lua:1: unexpected symbol", problems)
  end)

  it("happens on SIGHUP, too, and a failure goes to the log", function()
    local process <close>, address <const> = workers.serve(says "one", "--drain 0")
    write(process.script, says "two")
    process:signal "HUP"
    process:wait_for "service +reloaded generation=2"
    assert.equal("two", ask(address))
    write(process.script, "error 'no'")
    process:signal "HUP"
    process:wait_for "not reloaded: %S+service.lua:1: no\n.*in main chunk\n"
    assert.equal("two", ask(address))
  end)

  it("stands a storm of signals", function()
    local process <close>, address <const> = workers.serve(says "one", "--drain 0")
    for _ = 1, 20 do process:signal "HUP" end
    process:wait_for "service +reloaded generation=2"
    assert.equal("one", ask(address))
    assert.equal(0, (select(2, reload(process))))
  end)

  it("reads the config file again, and refuses one that is wrong", function()
    local text <const> = "local o = require 'perigee.service'.options { text = 'default' }\n" ..
      "require 'perigee.net'.serve('tcp://127.0.0.1:0', function(conn) conn:write(o.text) end)"
    local directory <close> = helper.directory { ["a.conf"] = "service.text = 'one'\n" }
    local config <const> = tostring(directory) .. "/a.conf"
    local process <close>, address <const> = workers.serve(text, "--drain 0 --config " .. config)
    assert.equal("one", ask(address))
    write(config, "service.text = 'two'\n")
    assert.equal(0, (select(2, reload(process))))
    assert.equal("two", ask(address))
    write(config, "service.other = 'three'\n")
    local _ <const>, status <const>, problems <const> = reload(process)
    assert.equal(1, status)
    assert.matches("there is no option 'other'", problems)
    assert.equal("two", ask(address))
  end)

  it("loads certificates that have changed", function()
    local directory <close> = helper.directory { ["x"] = "" }
    local here <const> = tostring(directory)
    local function copy(name)
      for _, kind in ipairs { "crt", "key" } do
        os.execute(("cp '%s' '%s/site.%s'"):format(certificates.path(name .. "." .. kind), here, kind))
      end
    end
    copy "localhost"
    local process <close>, address <const> = workers.serve(([[
      require "perigee.net".serve("tls://127.0.0.1:0", function(conn) conn:write "secret" end,
        { tls = { certificate = "%s/site.crt" } })]]):format(here), "--drain 0")
    local function names()
      return helper.run(("openssl s_client -connect %s </dev/null 2>/dev/null | openssl x509 -noout -fingerprint")
        :format(address:match "//(.*)$"))
    end
    local before <const> = names()
    copy "self_signed"
    assert.equal(0, (select(2, reload(process))))
    assert.is_false(before == names())
  end)

  it("during a stop is refused, and leaves nothing that runs", function()
    local process <close>, address <const> = workers.serve([[
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn) conn:read_all() end)
    ]], "--drain 20")
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    process:status_when(function(status) return status.connections == 1 or status.workers[1].connections == 1 end)
    process:signal "TERM"
    process:wait_for "stopping"
    process:signal "HUP"
    process:wait_for "not reloaded: reload: the process is stopping"
    conn:close()
    assert.equal(0, process:wait())
  end)

  it("calls on_stop of the newest version alone, once, at the stop", function()
    local text <const> = says "VERSION" .. [[
      local service <const> = require "perigee.service"
      service.on_stop(function() io.stderr:write "stopped VERSION.\n" end)
      service.on_reload(function() io.stderr:write "replaced VERSION.\n" end)
    ]]
    local process <close> = workers.serve(text:gsub("VERSION", "one"), "--drain 0")
    write(process.script, (text:gsub("VERSION", "two")))
    reload(process)
    process:wait_for "replaced one"
    process:signal "TERM"
    process:wait()
    assert.matches("replaced one.*stopped two", process:output())
    assert.is_nil(process:output():find "stopped one")
    assert.is_nil(process:output():find "replaced two")
  end)

  it("cuts old connections at the deadline, counts them in the log and in the status", function()
    local text <const> = [[
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
        conn:write "here\n"
        conn:read_all()
      end)
    ]]
    local process <close>, address <const> = workers.serve(text, "--drain 0 --reload-drain 0")
    local one <close> = assert(net.connect(address, { timeout = 20 }))
    local two <close> = assert(net.connect(address, { timeout = 20 }))
    assert.same({ "here", "here" }, { (one:read_line()), (two:read_line()) })
    assert.equal(0, (select(2, reload(process))))
    assert.is_nil((one:read(1)))
    assert.is_nil((two:read(1)))
    process:wait_for "the drain deadline of old code has passed: it is ended generation=1 seconds=0 tasks=2"
    local output <const> = process:command "status --json"
    local service <const> = json.decode(output).workers[1].services[1]
    assert.same({ 2, 2, 1 }, { service.cut, service.generation, service.reloads })
  end)

  it("gives a main chunk that computes for ever no chance to stop the others", function()
    local process <close>, address <const> = workers.serve(says "one", "--drain 0")
    write(process.script, "\nwhile true do end")
    local output <const>, status <const>, problems <const> = reload(process)
    assert.same({ "", 1 }, { output, status })
    assert.matches("service.lua:2: .*yield", problems)
    assert.equal("one", ask(address))
  end)
end)
