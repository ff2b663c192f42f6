local helper <const> = require "spec.helper"
local holders <const> = require "perigee.service.holders"
local reach <const> = require "perigee.service.reach"
local reloading <const> = require "spec.fixtures.reloading"

--- Who holds the first version of a service; nothing may hold it through this.
local function holders_of_first(here, objects)
  for generation in pairs(here:service().generations) do
    if generation.number == 1 then return holders.of(here:service(), generation, objects) end
  end
  error "the first version is gone"
end

local SERVE <const> = [[
local net <const>, service <const> = require "perigee.net", require "perigee.service"
local task <const> = require "perigee.task"
net.serve("tcp://127.0.0.1:0", function(conn)
  conn:write "hello\n"
  conn:read_line()
end)
]]

local function connect(here)
  local conn <const> = here:connect()
  assert.equal("hello", conn:read_line())
  return conn
end

local function peer_text(conn)
  return ("tcp://127.0.0.1:%d"):format(conn.address.port)
end

describe("An old version of a script is held by", function()
  helper.leaves_nothing(before_each, after_each)

  it("its connections, of which three are named", function()
    local here <close> = reloading.start { ["a.lua"] = SERVE }
    local clients <const> = { connect(here) }
    here:reloaded()
    assert.same({ "a connection: " .. peer_text(clients[1]) }, holders_of_first(here))
    clients[1]:close()
    here:wait_until_alone()
  end)

  it("many connections, of which three are named", function()
    local here <close> = reloading.start { ["a.lua"] = SERVE }
    local clients <const> = {}
    for i = 1, 5 do clients[i] = connect(here) end
    here:reloaded()
    local texts <const> = holders_of_first(here)
    assert.equal(1, #texts)
    assert.equal(("5 connections: %s, %s, %s, ..."):format(peer_text(clients[1]), peer_text(clients[2]),
      peer_text(clients[3])), texts[1])
    for _, client in ipairs(clients) do client:close() end
    here:wait_until_alone()
  end)

  it("WebSockets and requests", function()
    local here <close> = reloading.start { ["a.lua"] = [[
      local http <const>, task <const> = require "perigee.http", require "perigee.task"
      local app <const> = http.app()
      app:websocket("/socket", function(socket) for _ in socket:messages() do end end)
      app:get("/slow", function() task.sleep(1000) end)
      http.serve("http://127.0.0.1:0", app)
    ]] }
    local websocket <const> = require "perigee.websocket"
    local socket <const> = assert(websocket.connect(("ws://127.0.0.1:%d/socket"):format(here:addresses()[1].port)))
    local net <const> = require "perigee.net"
    local conn <close> = assert(net.connect("tcp://127.0.0.1:" .. here:addresses()[1].port, { timeout = 20 }))
    conn:write "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"
    helper.eventually(function() return here:service():tasks() == 2 end)
    here:reloaded()
    local texts <const> = holders_of_first(here)
    table.sort(texts)
    assert.equal(2, #texts)
    assert.matches("^a WebSocket: %l+://127.0.0.1:%d+$", texts[1])
    assert.equal(("a request: http://127.0.0.1:%d"):format(conn.address.port), texts[2])
    socket:close()
  end)

  it("its tasks, by where they wait", function()
    local here <close> = reloading.start { ["a.lua"] = SERVE .. [[
      local never <const> = task.channel()
      for _ = 1, 2 do
        task.spawn(function()
          task.sleep(1000)
        end)
      end
      task.spawn(function() never:receive() end)
    ]] }
    here:connect():close()
    local texts <const> = holders_of_first(here)
    table.sort(texts)
    assert.same({ "2 tasks waiting in sleep (a.lua:10)", "a task waiting in receive (a.lua:13)" }, texts)
  end)

  it("the stacks of connections that have moved to newer code", function()
    local script <const> = [[
      local service <const> = require "perigee.service"
      local serve <const> = service.live("serve", function(conn) conn:write "hello\n" return conn:read_line() end)
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
        while type(serve(conn)) == "string" do end
      end)
    ]]
    local here <close> = reloading.start { ["a.lua"] = script }
    local conn <const> = connect(here)
    here:reloaded()
    assert.same({ "the stack of a connection that has moved, in a function of a.lua:3: " .. peer_text(conn) },
      holders_of_first(here))
    conn:close()
    here:wait_until_alone()
  end)

  for what, case in pairs {
    ["a function"] = { "state.hello = function() print 'hello' end", "state.hello, a function of a.lua:8" },
    ["a method of a class"] = { [[
      local Client <const> = {}
      Client.__index = Client
      function Client:join() print(self) end
      state.rooms = { ["the lobby"] = { clients = { setmetatable({}, Client) } } }
    ]], 'state.rooms["the lobby"].clients[1] (metatable).join, a function of a.lua:10' },
    ["a function that another one calls"] = { [[
      local function say(text) print(text) end
      state[true] = { say = function() say "x" end }
    ]], "state[true].say (upvalue say), a function of a.lua:8" },
    ["a key"] = { "state[function() print 'x' end] = 1", "state (a key), a function of a.lua:8" },
    ["its globals"] = { "state.all = _G", "state.all, the globals of the old code" },
    ["itself"] = { "state.of = service.current()", "state.of, the old code itself" },
    ["a coroutine"] = { [[
      state.walk = coroutine.create(function(text) coroutine.yield(text) end)
      coroutine.resume(state.walk, "x")
    ]], "state.walk (stack), a function of a.lua:8" },
  } do
    it(("a state in which there is %s"):format(what), function()
      local state <const> = 'local state <const> = service.state "state"\n'
      local here <close> = reloading.start { ["a.lua"] = SERVE .. state .. case[1] }
      here:reloaded { ["a.lua"] = SERVE .. state }
      helper.eventually(function() return here:service():tasks() == 0 end)
      assert.same({ "state 'state': " .. case[2] }, holders_of_first(here))
      local value <const> = here:service().states.state.value
      for key in pairs(value) do value[key] = nil end
      here:wait_until_alone()
    end)
  end

  it("a shared module that it has changed", function()
    local here <close> = reloading.start { ["a.lua"] = [[
      require "spec.fixtures.reloading".shared.greet = function() print "hello" end
    ]] .. SERVE }
    here:reloaded { ["a.lua"] = SERVE }
    assert.same({ 'package.loaded["spec.fixtures.reloading"].shared.greet, a function of a.lua:1' },
      holders_of_first(here))
    reloading.shared.greet = nil
    here:wait_until_alone()
  end)

  it("nothing, when it only waits to be collected", function()
    local here <close> = reloading.start { ["a.lua"] = SERVE }
    local first <const> = here:service().generation
    here:reloaded()
    helper.eventually(function() return first.state == "ended" end)
    assert.same({ "nothing that is known: garbage that is not collected yet" }, holders.of(here:service(), first, 10))
  end)

  it("something that is not found where there is too much to look at", function()
    local here <close> = reloading.start { ["a.lua"] = SERVE .. [[
      local list <const> = service.state "list"
      for i = 1, 1000 do list[i] = {} end
    ]] }
    here:reloaded { ["a.lua"] = SERVE .. 'service.state "list"' }
    helper.eventually(function() return here:service():tasks() == 0 end)
    assert.same({ "state 'list': there is too much in it to look at all" }, holders_of_first(here, 500))
  end)
end)

describe("The way to a value", function()
  it("does not go through weak keys and values", function()
    local target <const> = {}
    local targets <const> = { [target] = "it" }
    assert.is_nil(reach.find({ setmetatable({ [target] = 1 }, { __mode = "k" }) }, "root", targets, 100))
    assert.is_nil(reach.find({ setmetatable({ target }, { __mode = "v" }) }, "root", targets, 100))
    assert.is_nil(reach.find({ setmetatable({ [{}] = target }, { __mode = "k" }) }, "root", targets, 100))
    local ephemeral <const> = setmetatable({ x = target }, { __mode = "k" })
    assert.equal("root[1].x, it", (reach.find({ ephemeral }, "root", targets, 100)))
  end)

  it("is the shortest, also in a circle", function()
    local target <const> = {}
    local root <const> = { a = { b = { c = target } } }
    root.a.root, root.z = root, { target }
    assert.equal("root.z[1], it", (reach.find(root, "root", { [target] = "it" }, 100)))
  end)

  it("goes through user values, and calls keys by what they are", function()
    local target <const> = {}
    local file <const> = setmetatable({}, { __index = { [1.5] = { ["a\nb"] = target } } })
    assert.equal('f (metatable).__index[1.5]["a\\nb"], it', (reach.find(file, "f", { [target] = "it" }, 100)))
  end)
end)
