local framing <const> = require "perigee.connection.framing"
local handshake <const> = require "perigee.connection.handshake"
local helper <const> = require "spec.helper"
local reloading <const> = require "spec.fixtures.reloading"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

local shared <const> = reloading.shared

--- A script that serves the methods, of which those of all versions are here, by all protocols with connections.
local SCRIPT <const> = [[
  local http <const>, rpc <const> = require "perigee.http", require "perigee.rpc"
  local service <const> = require "perigee.service"
  local shared <const> = require "spec.fixtures.reloading".shared
  local counts <const> = service.state("counts", { calls = 0 })
  local methods <const> = {
    version = function() return "VERSION" end,
    count = function()
      counts.calls = counts.calls + 1
      return counts.calls
    end,
    slow = function()
      shared.begun:send(true)
      shared.gate:receive()
      return "slow VERSION"
    end,
  }
  EXTRA
  local api <const> = rpc.service(methods)
  SERVE
]]

local ALL <const> = [[
  api:serve { http = "http://127.0.0.1:0", msgpack = "tcp://127.0.0.1:0",
    connection = { "tcp://127.0.0.1:0", authkey = "KEY" } }
]]

local function script(version, more)
  local parts <const> = { VERSION = version, EXTRA = more and more.extra or "", SERVE = more and more.serve or ALL,
    KEY = more and more.key or "one" }
  local text <const> = SCRIPT:gsub("%u+", function(word) return word ~= "KEY" and parts[word] or nil end)
  return { ["a.lua"] = (text:gsub("KEY", parts.KEY)) }
end

--- A client of each protocol, on connections that are made at once.
local function clients(here)
  local ports <const> = {}
  for i, address in ipairs(here:addresses()) do ports[i] = address.port end
  return {
    websocket = rpc.connect(("ws://127.0.0.1:%d/rpc"):format(ports[1])),
    msgpack = rpc.connect(("tcp://127.0.0.1:%d"):format(ports[2])),
    connection = rpc.connect(("tcp://127.0.0.1:%d"):format(ports[3]), { protocol = "connection", authkey = "one" }),
  }
end

local function close_all(remotes)
  for _, remote in pairs(remotes) do rpc.close(remote) end
end

local function each(remotes, method)
  local results <const> = {}
  for name, remote in pairs(remotes) do results[name] = remote[method]() end
  return results
end

local function all_say(what)
  return { websocket = what, msgpack = what, connection = what }
end

--- The connections that the service has accepted, in all versions.
local function accepted()
  return require "core.task".totals().accepted
end

describe("a reload of a service of methods", function()
  helper.leaves_nothing(before_each, after_each)

  it("has the newest code answer the connections that are there, with its state", function()
    local here <close> = reloading.start(script "one", { reload_drain = 0.2 })
    local remotes <close> = setmetatable(clients(here), { __close = close_all })
    assert.same(all_say "one", each(remotes, "version"))
    each(remotes, "count")
    local before <const> = accepted()
    for _, version in ipairs { "two", "three", "four" } do
      here:reloaded(script(version))
      assert.same(all_say(version), each(remotes, "version"))
    end
    assert.equal(4, remotes.msgpack.count())
    assert.equal(before, accepted())
  end)

  it("leaves nothing of the code that connections began with", function()
    local here <close> = reloading.start(script "one", { reload_drain = 0.2 })
    local remotes <close> = setmetatable(clients(here), { __close = close_all })
    each(remotes, "version")
    rpc.close(remotes.connection)
    remotes.connection = nil
    for _, version in ipairs { "two", "three" } do
      here:reloaded(script(version))
      here:wait_until_alone()
    end
    assert.same({ websocket = "three", msgpack = "three" }, each(remotes, "version"))
  end)

  it("costs clients that call all the time no call, also when the drain deadline has passed", function()
    local here <close> = reloading.start(script "one", { reload_drain = 0.2 })
    local remotes <close> = setmetatable(clients(here), { __close = close_all })
    local is_over, seen = false, { websocket = 0, msgpack = 0, connection = 0 }
    each(remotes, "version")
    local before <const> = accepted()
    task.group(function(group)
      for name, remote in pairs(remotes) do
        group:spawn(function()
          while not is_over do
            remote.version()
            seen[name] = seen[name] + 1
            task.sleep(0.001)
          end
        end)
      end
      for number = 2, 4 do
        local old <const> = here:service().generation
        here:reloaded(script("version " .. number))
        helper.eventually(function() return old.state == "ended" end)
      end
      is_over = true
    end)
    assert.equal(before, accepted())
    assert.equal(0, here:service().cut)
    for name, count in pairs(seen) do assert.is_true(count > 3, name) end
    assert.same(all_say "version 4", each(remotes, "version"))
  end)

  it("has a call that is under way end on the code that it began with", function()
    local here <close> = reloading.start(script "one", { reload_drain = 0 })
    local remotes <close> = setmetatable(clients(here), { __close = close_all })
    shared.begun, shared.gate = task.channel(9), task.channel(9)
    for name, remote in pairs(remotes) do
      local result
      task.group(function(group)
        group:spawn(function() result = remote.slow() end)
        shared.begun:receive()
        here:reloaded(script("since " .. name))
        if name ~= "connection" then assert.equal("since " .. name, remote.version()) end
        shared.gate:send(true)
      end)
      assert.matches("^slow ", result)
      assert.not_equal("slow since " .. name, result)
      assert.equal("since " .. name, remote.version())
    end
    assert.equal(0, here:service().cut)
  end)

  it("adds methods and takes methods away", function()
    local here <close> = reloading.start(script "one", { reload_drain = 0.2 })
    local remotes <close> = setmetatable(clients(here), { __close = close_all })
    each(remotes, "version")
    here:reloaded(script("two", { extra = [[methods.added, methods.version = function() return "new" end]] }))
    assert.same(all_say "new", each(remotes, "added"))
    for _, remote in pairs(remotes) do
      local result <const>, message <const>, code <const> = rpc.try(remote, "version")
      assert.same({ "nil", rpc.codes.NOT_FOUND }, { tostring(result), code })
      assert.matches("no method version", message)
    end
  end)

  it("lets connections end on the old code when their address serves no methods any more", function()
    local here <close> = reloading.start(script "one", { reload_drain = 60 })
    local remotes <close> = setmetatable(clients(here), { __close = close_all })
    each(remotes, "version")
    here:reloaded(script("two", { serve = [[
      local net <const> = require "perigee.net"
      http.serve("http://127.0.0.1:0", function() return "no methods" end)
      net.serve("tcp://127.0.0.1:0", function(conn) conn:write "no methods" end)
    ]] }))
    assert.same(all_say "one", each(remotes, "version"))
    assert.equal("1 2", here:alive())
    close_all(remotes)
    here:wait_until_alone()
  end)

  it("never calls what another path, another protocol or another service serves", function()
    local two <const> = [[
      local other <const> = rpc.service { version = function() return "other VERSION" end }
      local app <const> = http.app()
      app:mount("/FIRST", api:app())
      app:mount("/SECOND", other:app())
      http.serve("http://127.0.0.1:0", app)
      api:serve { msgpack = "tcp://127.0.0.1:0" }
    ]]
    local function serve(first, second) return (two:gsub("FIRST", first):gsub("SECOND", second)) end
    local here <close> = reloading.start(script("one", { serve = (serve("a", "b"):gsub("VERSION", "one")) }))
    local url <const> = ("ws://127.0.0.1:%d/"):format(here:addresses()[1].port)
    local a <close> = rpc.connect(url .. "a")
    local b <close> = rpc.connect(url .. "b/below")
    local stream <close> = rpc.connect(("tcp://127.0.0.1:%d"):format(here:addresses()[2].port))
    assert.same({ "one", "other one", "one" }, { a.version(), b.version(), stream.version() })
    here:reloaded(script("two", { serve = (serve("b", "a"):gsub("VERSION", "two")) }))
    assert.same({ "other two", "two", "two" }, { a.version(), b.version(), stream.version() })
    here:reloaded(script("three", { serve = [[
      local app <const> = http.app()
      app:get("/a", function() return "no methods" end)
      app:mount("/b", api:app { websocket = false })
      http.serve("http://127.0.0.1:0", app)
      api:serve { connection = { "tcp://127.0.0.1:0" } }
    ]] }))
    assert.same({ "other two", "two", "two" }, { a.version(), b.version(), stream.version() })
  end)

  it("leaves the connections of an authkey that has changed on the old code", function()
    local here <close> = reloading.start(script "one")
    local remotes <close> = setmetatable(clients(here), { __close = close_all })
    each(remotes, "version")
    here:reloaded(script("two", { key = "another" }))
    assert.same({ websocket = "two", msgpack = "two", connection = "one" }, each(remotes, "version"))
  end)

  it("reaches a connection whose handshake goes on meanwhile", function()
    local here <close> = reloading.start(script "one")
    local conn <close> = here:connect(3)
    helper.eventually(function() return here:service():tasks() == 1 end)
    here:reloaded(script "two")
    local messages <const> = setmetatable({ conn = conn, limit = 1000 }, framing)
    assert(handshake.connect(messages, { authkey = "one", digest = "sha256" }))
    messages:send '["version",[],{}]'
    assert.equal('"two"', messages:receive())
    conn:close()
    here:wait_until_alone()
  end)
end)
