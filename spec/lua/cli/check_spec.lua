local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

--- Checks the scripts, whose directory is shown as DIR; `order` is what is checked, with other arguments.
local function check(files, order)
  local directory <close> = helper.directory(files)
  local path <const> = tostring(directory)
  order = order or next(files)
  local scripts <const> = order:gsub("(%w+%.lua)", path .. "/%1")
  local output <const>, status <const> = helper.run(("%s check %s"):format(helper.binary, scripts))
  return (output:gsub(path:gsub("%p", "%%%0"), "DIR")), status
end

local function serve(address)
  return ('require "perigee.net".serve("%s", function() end)\n'):format(address)
end

--- An address that nobody has.
local function free_address(scheme)
  local server <close> = assert(net.serve(scheme .. "://127.0.0.1:0", print))
  return tostring(server.address)
end

describe("perigee check", function()
  helper.leaves_nothing(before_each, after_each)

  it("says ok for each script that is", function()
    local files <const> = { ["a.lua"] = serve "tcp://127.0.0.1:0", ["b.lua"] = "" }
    local output <const>, status <const> = check(files, "a.lua b.lua")
    assert.same({ "DIR/a.lua: ok\nDIR/b.lua: ok\n", 0 }, { output, status })
  end)

  it("says ok for the scripts that we ship", function()
    local free <const> = {}
    for option, scheme in pairs { ["echo.listen"] = "tcp", ["line.listen"] = "tcp", ["time.listen"] = "udp",
      ["rest.listen"] = "http", ["chat.listen"] = "tcp", ["chat.page"] = "http", ["camera.listen"] = "http" } do
      free[#free + 1] = ("--set %s=%s://127.0.0.1:0"):format(option, scheme)
    end
    local output <const>, status <const> = helper.run(
      ("%s check scripts/*.lua %s"):format(helper.binary, table.concat(free, " ")))
    local expected <const> = helper.run "ls scripts/*.lua | sed 's/$/: ok/'"
    assert.equal(expected, output)
    assert.equal(0, status)
  end)

  for what, case in pairs {
    ["a syntax error"] = { "\nlocal x =\n", "a.lua:3: unexpected symbol near <eof>" },
    ["an undefined global, also where the code did not run"] =
      { "local function f()\n  prnt(1)\nend\nreturn f", "a.lua:2: undefined global 'prnt'" },
    ["each undefined global"] =
      { "return a,\nb", "a.lua:1: undefined global 'a'\nDIR/a.lua:2: undefined global 'b'" },
    ["an error that the script raises"] = { "\nerror 'no database'", "a.lua:2: no database" },
    ["a module that is not there"] = { 'require "nowhere"', "a.lua:1: module 'nowhere' not found:.*" },
    ["a module of the runtime"] =
      { 'require "core.task"', "a.lua:1: module 'core.task' is the runtime's own: services use perigee.task" },
    ["an unknown scheme"] = { serve "tcpp://127.0.0.1:1",
      "a.lua:1: address 'tcpp://127.0.0.1:1': the scheme is unknown: use .*" },
    ["a scheme that cannot be listened on"] = { serve "http://127.0.0.1:1",
      "a.lua:1: listen cannot use the scheme 'http': .*" },
    ["an encrypted address without a certificate"] = { serve "tls://127.0.0.1:1",
      "a.lua:1: tls:// needs a certificate: option 'tls' is missing" },
    ["a certificate that is not there"] = { serve "tls://127.0.0.1:1?certificate=none.crt",
      "a.lua:1: listen on tls://127.0.0.1:1: TLS: certificate 'none.crt': No such file or directory" },
    ["what no address has after the question mark"] = { serve "tls://127.0.0.1:1?cert=x",
      "a.lua:1: url 'tls://127.0.0.1:1%?cert=x': after %? come certificate, key, ca and verify, .*, not 'cert=x'" },
    ["a port out of range"] = { serve "tcp://127.0.0.1:65536",
      "a.lua:1: address 'tcp://127.0.0.1:65536': the port is not between 0 and 65535" },
    ["an address that is not ours"] = { serve "tcp://192.0.2.1:1",
      "a.lua:1: listen on tcp://192.0.2.1:1: Cannot assign requested address" },
    ["an option that net.serve does not have"] = {
      'require "perigee.net".serve("tcp://127.0.0.1:0", print, { timeot = 1 })',
      "a.lua:1: there is no option 'timeot'" },
    ["an option that datagrams do not have"] = {
      'require "perigee.net".serve("udp://127.0.0.1:0", print, { backlog = 1 })',
      "a.lua:1: there is no option 'backlog'" },
    ["an option of a wrong value"] = {
      'require "perigee.net".serve("tcp://127.0.0.1:0", print, { timeout = 0 })',
      "a.lua:1: option 'timeout' must be seconds above 0, not 0" },
  } do
    it("tells the file, the line and the cause of " .. what, function()
      local output <const>, status <const> = check { ["a.lua"] = case[1] }
      assert.matches("^DIR/" .. case[2] .. "\n$", output)
      assert.equal(1, status)
    end)
  end

  it("tells that a script is not there", function()
    local output <const>, status <const> = helper.run(helper.binary .. " check /nowhere/a.lua")
    assert.same({ "cannot open /nowhere/a.lua: No such file or directory\n", 1 }, { output, status })
  end)

  for _, scheme in ipairs { "tcp", "udp" } do
    it("notes that a port is in use over " .. scheme .. ", and goes on with the script", function()
      local server <close> = assert(net.serve(scheme .. "://127.0.0.1:0", print))
      local text <const> = serve(tostring(server.address))
      local note <const> = ("DIR/a.lua: note: %%l[%%l ]+ %s: Address already in use, maybe by this script\n"):format(
        server.address)
      local output <const>, status <const> = check { ["a.lua"] = text }
      assert.matches("^DIR/a.lua: ok\n" .. note .. "$", output)
      assert.equal(0, status)
      local failed <const>, code <const> = check { ["a.lua"] = text .. "error 'no database'\n" }
      assert.matches("DIR/a.lua:2: no database\n", failed)
      assert.matches(note, failed)
      assert.equal(1, code)
      local both <const>, twice <const> = check({ ["a.lua"] = text, ["b.lua"] = text }, "a.lua b.lua")
      assert.matches(("DIR/b.lua:1: listen on %s: another script serves it\n"):format(server.address), both)
      assert.equal(1, twice)
    end)

    it("tells that two scripts claim one port over " .. scheme, function()
      local address <const> = free_address(scheme)
      local files <const> = { ["a.lua"] = serve(address), ["b.lua"] = serve(address) }
      local output <const>, status <const> = check(files, "a.lua b.lua")
      assert.equal(("DIR/a.lua: ok\nDIR/b.lua:1: listen on %s: another script serves it\n"):format(address), output)
      assert.equal(1, status)
    end)
  end

  it("tells that two scripts claim one port, whatever they serve there", function()
    local address <const> = free_address "tcp"
    local page <const> = ('require "perigee.http".serve("%s", print)\n'):format((address:gsub("^tcp", "http")))
    local output <const>, status <const> = check({ ["a.lua"] = serve(address), ["b.lua"] = page }, "a.lua b.lua")
    assert.equal(("DIR/a.lua: ok\nDIR/b.lua:1: listen on %s: another script serves it\n"):format(
      (address:gsub("^tcp", "http"))), output)
    assert.equal(1, status)
  end)

  it("notes that a Unix socket is in use, and tells of a file that is none", function()
    local path <const> = helper.temporary_name() .. ".sock"
    local server <close> = assert(net.serve("unix:" .. path, function() end))
    local note <const> = "DIR/a.lua: note: listen on %s: Address already in use, maybe by this script\n"
    assert.same({ "DIR/a.lua: ok\n" .. note:format(server.address), 0 },
      { check { ["a.lua"] = serve("unix:" .. path) } })
    local conn <close> = assert(net.connect("unix:" .. path)) -- it is there still
    local file <close> = helper.directory { ["a.sock"] = "" }
    local at <const> = ("unix:%s/a.sock"):format(tostring(file))
    assert.same({ ("DIR/a.lua:1: listen on %s: Address already in use\n"):format(at), 1 },
      { check { ["a.lua"] = serve(at) } })
    conn:close()
  end)

  it("lets one script serve TCP and another UDP on one port", function()
    local stream <const> = free_address "tcp"
    local files <const> = { ["a.lua"] = serve(stream), ["b.lua"] = serve((stream:gsub("^tcp", "udp"))) }
    assert.same({ "DIR/a.lua: ok\nDIR/b.lua: ok\n", 0 }, { check(files, "a.lua b.lua") })
  end)

  local options <const> = 'require "perigee.service".options { count = 1, on = false }'
  for setting, message in pairs {
    ["a.count=many"] = "a.lua:1: option 'count' must be a number, not 'many'",
    ["a.count=1.5"] = "a.lua:1: option 'count' must be an integer, not '1.5'",
    ["a.on=maybe"] = "a.lua:1: option 'on' must be true or false, not 'maybe'",
    ["a.cuont=1"] = "a.lua:1: there is no option 'cuont'; the options are: count, on",
  } do
    it("tells what is wrong with --set " .. setting, function()
      local output <const>, status <const> = check({ ["a.lua"] = options }, "a.lua --set " .. setting)
      assert.same({ "DIR/" .. message .. "\n", 1 }, { output, status })
    end)
  end

  it("tells that a script has no options at all", function()
    local output <const>, status <const> = check({ ["a.lua"] = "" }, "a.lua --set a.n=1")
    assert.same({ "DIR/a.lua: there is no option 'n': the script declares none\n", 1 }, { output, status })
  end)

  it("checks the scripts after one that has problems", function()
    local output <const>, status <const> = check({ ["a.lua"] = "x()", ["b.lua"] = "" }, "a.lua b.lua")
    assert.matches("DIR/a.lua:1: undefined global 'x'\n", output)
    assert.matches("DIR/b.lua: ok\n", output)
    assert.equal(1, status)
  end)

  it("serves nothing, and leaves no Unix socket", function()
    local path <const> = helper.temporary_name() .. ".sock"
    assert.same({ "DIR/a.lua: ok\n", 0 }, { check { ["a.lua"] = serve("unix:" .. path) } })
    assert.is_nil(io.open(path))
  end)

  it("cancels the tasks of a script that would run on", function()
    local text <const> = 'local task = require "perigee.task" task.spawn(function() task.sleep(1000) print "no" end)'
    assert.same({ "DIR/a.lua: ok\n", 0 }, { check { ["a.lua"] = text } })
  end)
end)
