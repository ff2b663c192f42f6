local address <const> = require "core.address"
local descriptor <const> = require "core.descriptor"
local helper <const> = require "spec.helper"
local listeners <const> = require "perigee.supervisor.listeners"
local net <const> = require "perigee.net"
local sockets <const> = require "perigee.supervisor.sockets"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local function request(url, more)
  local asked <const> = { service = "echo", url = url, occurrence = 1, options = {} }
  for name, value in pairs(more or {}) do asked[name] = value end
  return asked
end

--- Listeners that are closed at the end of the block.
local function new_listeners(workers, shared)
  local made <const> = listeners.new(workers, shared or false)
  return setmetatable({}, { __index = made, __close = function() made:close(false) end }), made
end

local function ports_of(list)
  local ports <const> = {}
  for i, socket in ipairs(list) do ports[i] = socket.address.port end
  return ports
end

describe("the sockets of a supervisor", function()
  helper.leaves_nothing(before_each, after_each)

  it("are one for each worker, which share a port", function()
    local _ <close>, made <const> = new_listeners(2)
    local entry <const> = assert(made:find(request "tcp://127.0.0.1:0", 2))
    local second <const> = assert(made:sockets_of(entry, 2))
    local first <const> = assert(made:sockets_of(entry, 1))
    assert.same({ 1, 1 }, { #first, #second })
    assert.not_equal(first[1].number, second[1].number)
    assert.same(ports_of(first), ports_of(second))
    assert.equal("tcp://127.0.0.1:" .. first[1].address.port, entry.address)
    assert.equal(entry, made:find(request "tcp://127.0.0.1:0", 1))
  end)

  it("are new ones for another server of any port", function()
    local _ <close>, made <const> = new_listeners(1)
    local first <const> = assert(made:find(request "udp://127.0.0.1:0", 1))
    local second <const> = assert(made:find(request("udp://127.0.0.1:0", { occurrence = 2 }), 1))
    assert.not_equal(first.address, second.address)
  end)

  it("are shared where the address is a Unix socket, and removed at the end", function()
    local path <const> = helper.temporary_name()
    do
      local _ <close>, made <const> = new_listeners(2)
      local entry <const> = assert(made:find(request("unix:" .. path), 1))
      assert.equal(made:sockets_of(entry, 1)[1], made:sockets_of(entry, 2)[1])
      assert.truthy(system.file_kind(path))
    end
    assert.is_nil(system.file_kind(path))
  end)

  for _, scheme in ipairs { "tcp", "udp", "http" } do
    it("do not join those of another server, " .. scheme .. "://", function()
      local kind <const> = sockets.kind_of(scheme .. "://")
      local open <const> = kind == "datagram" and descriptor.bind or descriptor.listen
      local at <const> = address.lookup(scheme .. "://127.0.0.1:0")[1]
      local taken <close> = assert(open(at, { reuseport = true }))
      local url <const> = ("%s://127.0.0.1:%d"):format(scheme, taken.address.port)
      local _ <close>, made <const> = new_listeners(2)
      local entry <const>, message <const>, code <const> = made:find(request(url), 1)
      assert.same({ "nil", "exists" }, { type(entry), code })
      assert.truthy(message:find(url .. ": Address already in use", 1, true))
    end)
  end

  it("go to another supervisor, all of them, also when that has fewer workers", function()
    local _ <close>, old <const> = new_listeners(3)
    local entry <const> = assert(old:find(request "tcp://127.0.0.1:0", 1))
    for number = 1, 3 do old:sockets_of(entry, number) end
    local records <const>, list <const> = old:export()
    assert.same({ 3, 3 }, { #records, #list })
    local _ <close>, new <const> = new_listeners(2)
    local ours <close>, theirs <const> = net.pair()
    for i, socket in ipairs(list) do
      ours:send_fd(socket)
      new.spares:add(theirs:receive_fd { raw = true }, records[i])
    end
    theirs:close()
    local found <const> = assert(new:find(request "tcp://127.0.0.1:0", 1))
    assert.equal(entry.address, found.address)
    assert.same({ 2, 1 }, { #new:sockets_of(found, 1), #new:sockets_of(found, 2) })
  end)

  it("that nobody asks for any more are closed", function()
    local _ <close>, made <const> = new_listeners(1)
    local socket <const> = assert(descriptor.listen(address.lookup("tcp://127.0.0.1:0")[1]))
    made.spares:add(socket, { shared = true, foreign = true })
    made.spares:close()
    assert.is_false(socket.is_open)
  end)

  it("are taken by their place when another service has the address now", function()
    local _ <close>, made <const> = new_listeners(2)
    local socket <const> = assert(descriptor.listen(address.lookup("tcp://127.0.0.1:0")[1]))
    local port <const> = socket.address.port
    made.spares:add(socket, { key = "other tcp://127.0.0.1:" .. port .. " 1", shared = true, foreign = false })
    local entry <const> = assert(made:find(request("https://127.0.0.1:" .. port), 1))
    assert.same({ socket }, made:sockets_of(entry, 2))
  end)

  it("are bound once when two workers ask at a time", function()
    local _ <close>, made <const> = new_listeners(2)
    local found <const> = {}
    task.group(function(group)
      for number = 1, 2 do
        group:spawn(function() found[number] = made:find(request "tcp://127.0.0.1:0", number) end)
      end
    end)
    assert.equal(found[1], found[2])
  end)
end)

describe("the place of a socket", function()
  it("is where it is bound, whatever is spoken there", function()
    assert.equal("stream 127.0.0.1 80", sockets.place_of_url "https://127.0.0.1:80")
    assert.equal("stream ::1 80", sockets.place_of_url "tcp://[::1]:80")
    assert.equal("datagram 127.0.0.1 53", sockets.place_of_url "udp://127.0.0.1:53")
    assert.equal("unix /run/a", sockets.place_of_url "unix:/run/a")
    assert.equal("unix @a", sockets.place_of_url "unix:@a")
  end)
end)

describe("a directory that is private", function()
  it("is made, or is ours alone already", function()
    local path <const> = helper.temporary_name()
    assert.is_true(system.private_directory(path))
    assert.equal("drwx------", helper.run("ls -ld " .. path):match "^%S+")
    assert.is_true(system.private_directory(path))
    assert.is_true(system.set_mode(path, 511))
    assert.same({ nil, ("use the directory %s: others may write to it"):format(path), "denied" },
      { system.private_directory(path) })
    os.remove(path)
  end)

  it("is no link and no file", function()
    local path <const> = helper.temporary_name()
    os.execute("ln -s /tmp " .. path)
    assert.same({ nil, ("use the directory %s: it is no directory"):format(path), "denied" },
      { system.private_directory(path) })
    os.remove(path)
  end)
end)

describe("the commands for a running process", function()
  helper.leaves_nothing(before_each, after_each)

  local function command(directory, words)
    return helper.run(("PERIGEE_CONTROL_DIRECTORY=%s %s %s"):format(directory, helper.binary, words))
  end

  local function start(directory)
    local process <const> = helper.start(("env PERIGEE_CONTROL_DIRECTORY=%s %s run %s/a.lua"):format(directory,
      helper.binary, directory))
    process:wait_for "listening"
    return process
  end

  local TEXT <const> = 'require "perigee.net".serve("tcp://127.0.0.1:0", print)'

  it("find the only one that this user runs", function()
    local directory <close> = helper.directory { ["a.lua"] = TEXT }
    local process <close> = start(directory)
    assert.truthy(command(directory, "status"):find(("^perigee %d: serving"):format(process.pid)))
    assert.same({ ("stopped %d\n"):format(process.pid), 0 }, { command(directory, "stop") })
    assert.equal(0, process:wait())
  end)

  it("ask which one is meant when there are several, and pass over those that were killed", function()
    local directory <close> = helper.directory { ["a.lua"] = TEXT }
    local first <close>, second <const> = start(directory), start(directory)
    local output <const>, code <const> = command(directory, "status")
    assert.equal(1, code)
    assert.truthy(output:find "^perigee: several run, so say which one: %-%-control %S+, or %-%-control %S+\n$")
    second:signal "KILL"
    second:wait()
    assert.truthy(command(directory, "status"):find(("^perigee %d: serving"):format(first.pid)))
    assert.is_nil(system.file_kind(("%s/%d.sock"):format(directory, second.pid)))
    getmetatable(second).__close(second)
  end)

  it("say where they have looked when nothing runs", function()
    local directory <close> = helper.directory { ["a.lua"] = TEXT }
    local text <const> = "perigee: nothing runs: no control socket is in %s; --control PATH names one\n"
    assert.same({ text:format(directory), 1 }, { command(directory, "status") })
  end)
end)
