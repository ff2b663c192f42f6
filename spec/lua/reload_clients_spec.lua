local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local reloading <const> = require "spec.fixtures.reloading"
local task <const> = require "perigee.task"
local websocket <const> = require "perigee.websocket"

local says <const> = reloading.says
local shared <const> = reloading.shared

--- A client of HTTP that keeps its connection.
local Client <const> = {}
Client.__index = Client

local function http_client(here, index)
  local port <const> = here:addresses()[index or 1].port
  return setmetatable({ conn = assert(net.connect("tcp://127.0.0.1:" .. port, { timeout = 20 })) }, Client)
end

function Client:send(path)
  self.conn:write(("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(path))
end

function Client:receive()
  local head <const> = assert(self.conn:read_until "\r\n\r\n")
  local body <const> = self.conn:read(math.tointeger(tonumber(head:lower():match "content%-length: (%d+)")))
  return body, math.tointeger(tonumber(head:match "^HTTP/1.1 (%d+)")), head
end

function Client:get(path)
  self:send(path)
  return self:receive()
end

function Client:__close() self.conn:close() end

local SITE <const> = [[
  local http <const> = require "perigee.http"
  local shared <const> = require "spec.fixtures.reloading".shared
  local app <const> = http.app()
  app:use(function(request, next)
    return http.of(next(request)):set("X-Version", "VERSION")
  end)
  app:get("/", function() return "VERSION" end)
  app:get("/slow", function()
    shared.begun:send(true)
    shared.gate:receive()
    return "slow VERSION"
  end)
  app:get("/slow-error", function()
    shared.begun:send(true)
    shared.gate:receive()
    error "VERSION has failed"
  end)
  app:on_error(function() return http.response(500, "sorry for VERSION") end)
  app:not_found(function() return http.response(404, "not found by VERSION") end)
  http.serve("http://127.0.0.1:0", app, { access_log = true })
]]

local function site(version)
  return (SITE:gsub("VERSION", version))
end

local function echo(version)
  return ([[
    require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
      for line in conn:lines() do conn:write("%s ", line, "\n") end
    end)
  ]]):format(version)
end

local function exchange(conn, line)
  conn:write(line, "\n")
  return (conn:read_line())
end

local function gates()
  shared.begun, shared.gate = task.channel(9), task.channel(9)
end

describe("a reload, for its clients,", function()
  helper.leaves_nothing(before_each, after_each)

  it("gives HTTP connections that are kept the new code at their next request", function()
    local here <close> = reloading.start { ["a.lua"] = site "one" }
    local client <close> = http_client(here)
    local body, status, head = client:get "/"
    assert.same({ "one", 200, "one" }, { body, status, head:match "X%-Version: (%a+)" })
    here:reloaded { ["a.lua"] = site "two" }
    body, status, head = client:get "/"
    assert.same({ "two", 200, "two" }, { body, status, head:match "X%-Version: (%a+)" })
    assert.equal("not found by two", (client:get "/nowhere"))
    here:wait_until_alone()
  end)

  it("answers a request that is under way wholly by the old code", function()
    local here <close> = reloading.start { ["a.lua"] = site "one" }
    gates()
    local slow <close> = http_client(here)
    local other <close> = http_client(here)
    slow:send "/slow"
    shared.begun:receive()
    here:reloaded { ["a.lua"] = site "two" }
    assert.equal("two", (other:get "/"))
    shared.gate:send(true)
    local body <const>, _ <const>, head <const> = slow:receive()
    assert.same({ "slow one", "one" }, { body, head:match "X%-Version: (%a+)" })
    assert.equal("two", (slow:get "/"))
    here:wait_until_alone()
  end)

  it("handles the error of a request that is under way by the old code", function()
    local here <close> = reloading.start { ["a.lua"] = site "one" }
    gates()
    local slow <close> = http_client(here)
    slow:send "/slow-error"
    shared.begun:receive()
    here:reloaded { ["a.lua"] = site("two"):gsub("app:on_error.-\n", "") }
    shared.gate:send(true)
    assert.equal("sorry for one", (slow:receive()))
    assert.matches("one has failed", here:log())
    shared.gate:send(true)
    local body <const>, status <const> = slow:get "/slow-error"
    assert.equal(500, status)
    assert.is_nil(body:find "sorry")
    assert.matches("two has failed", here:log())
    here:wait_until_alone()
  end)

  it("writes the access log as the version says that has answered", function()
    local here <close> = reloading.start { ["a.lua"] = site "one" }
    gates()
    local slow <close> = http_client(here)
    slow:send "/slow"
    shared.begun:receive()
    here:reloaded { ["a.lua"] = site("two"):gsub("access_log = true", "") }
    shared.gate:send(true)
    slow:receive()
    slow:get "/"
    assert.matches("GET /slow ", here:log())
    assert.is_nil(here:log():find "GET / ")
  end)

  it("answers requests in a pipeline by the version of their turn, none by two", function()
    local here <close> = reloading.start { ["a.lua"] = site "one" }
    gates()
    local client <close> = http_client(here)
    client.conn:write(("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):rep(3), "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n",
      ("GET / HTTP/1.1\r\nHost: a\r\n\r\n"):rep(3))
    shared.begun:receive()
    here:reloaded { ["a.lua"] = site "two" }
    shared.gate:send(true)
    local bodies <const> = {}
    for i = 1, 7 do
      local body <const>, _ <const>, head <const> = client:receive()
      bodies[i] = body .. "/" .. head:match "X%-Version: (%a+)"
    end
    assert.equal("one/one one/one one/one slow one/one two/two two/two two/two", table.concat(bodies, " "))
  end)

  it("lets a stream and an upload that have begun end on the old code", function()
    local text <const> = [[
      local http <const> = require "perigee.http"
      local shared <const> = require "spec.fixtures.reloading".shared
      local app <const> = http.app()
      app:get("/events", function() return http.events(function(send)
        send "VERSION"
        shared.begun:send(true)
        shared.gate:receive()
        send "VERSION again"
      end) end)
      app:post("/", function(request) return request:body() .. " for VERSION" end)
      http.serve("http://127.0.0.1:0", app)
    ]]
    local here <close> = reloading.start { ["a.lua"] = text:gsub("VERSION", "one") }
    gates()
    local stream <close> = http_client(here)
    local sent <close> = http_client(here)
    local upload <const> = sent.conn
    stream:send "/events"
    shared.begun:receive()
    upload:write "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc"
    helper.eventually(function() return here:service():tasks() == 2 end)
    here:reloaded { ["a.lua"] = text:gsub("VERSION", "two") }
    upload:write "def"
    assert.equal("abcdef for one", (sent:receive()))
    shared.gate:send(true)
    local events <const> = stream.conn:read_until "one again"
    assert.matches("data: one\n", events)
    here:wait_until_alone()
  end)

  it("lets connections go on with the code that they began with", function()
    local here <close> = reloading.start { ["a.lua"] = echo "one" }
    local old <close> = here:connect()
    assert.equal("one a", exchange(old, "a"))
    here:reloaded { ["a.lua"] = echo "two" }
    local new <close> = here:connect()
    assert.equal("two b", exchange(new, "b"))
    assert.equal("one c", exchange(old, "c"))
    assert.equal("1 2", here:alive())
    old:close()
    here:wait_until_alone()
  end)

  it("ends connections to old code at the drain deadline, and says how many", function()
    local here <close> = reloading.start({ ["a.lua"] = echo "one" }, { reload_drain = 0 })
    local one <close>, other <const> = here:connect(), here:connect()
    assert.same({ "one a", "one b" }, { exchange(one, "a"), exchange(other, "b") })
    here:reloaded { ["a.lua"] = echo "two" }
    assert.same({}, { one:read(1), (other:read(1)) })
    other:close()
    helper.eventually(function() return here:log():find "the drain deadline of old code has passed.*tasks=2" end)
    assert.equal(2, here:service().cut)
    assert.equal("two c", exchange(assert(here:connect()), "c"))
  end)

  it("tells a handler of HTTP that is cut off as any other: the client gets an answer", function()
    local here <close> = reloading.start({ ["a.lua"] = site "one" }, { reload_drain = 0 })
    gates()
    local slow <close> = http_client(here)
    slow:send "/slow"
    shared.begun:receive()
    here:reloaded { ["a.lua"] = site "two" }
    assert.equal(503, (select(2, slow:receive())))
    assert.is_nil(slow.conn:read(1))
    local other <close> = http_client(here)
    assert.equal("two", (other:get "/"))
    here:wait_until_alone()
  end)

  it("lets WebSockets go on, and ends them at the drain deadline", function()
    local text <const> = [[
      local app <const> = require "perigee.http".app()
      app:websocket("/", function(socket)
        for text in socket:messages() do socket:send("VERSION " .. text) end
      end)
      require "perigee.http".serve("http://127.0.0.1:0", app)
    ]]
    local here <close> = reloading.start { ["a.lua"] = text:gsub("VERSION", "one") }
    local url <const> = ("ws://127.0.0.1:%d/"):format(here:addresses()[1].port)
    local old <close> = assert(websocket.connect(url, { timeout = 20 }))
    here:reloaded { ["a.lua"] = text:gsub("VERSION", "two") }
    local new <close> = assert(websocket.connect(url, { timeout = 20 }))
    old:send "a"
    new:send "b"
    assert.same({ "one a", "two b" }, { (old:receive()), (new:receive()) })
    here.run.reload_drain = 0
    here:reloaded()
    assert.is_nil((new:receive()))
    old:send "still"
    assert.equal("one still", (old:receive()))
  end)

  it("ends background tasks, timers and their children", function()
    local text <const> = [[
      local task <const> = require "perigee.task"
      local shared <const> = require "spec.fixtures.reloading".shared
      task.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() shared.ended = shared.ended + 1 end })
        task.spawn(function()
          local _ <close> = setmetatable({}, { __close = function() shared.ended = shared.ended + 1 end })
          task.sleep(1000)
        end)
        task.sleep(1000)
      end)
    ]]
    local here <close> = reloading.start { ["a.lua"] = says "one" .. text }
    shared.ended = 0
    helper.eventually(function() return here:service():tasks() == 1 end)
    task.sleep(0)
    for i = 1, 5 do
      here:reloaded()
      helper.eventually(function() return shared.ended == 2 * i end)
    end
    here:wait_until_alone()
    assert.equal(1, here:service():tasks())
  end)

  it("ends background tasks also when they call live functions", function()
    local text <const> = [[
      local service <const>, task <const> = require "perigee.service", require "perigee.task"
      local shared <const> = require "spec.fixtures.reloading".shared
      local tick <const> = service.live("tick", function() shared.ticks = (shared.ticks or 0) + 1 end)
      task.spawn(function()
        while true do
          tick()
          task.sleep(1000)
        end
      end)
    ]]
    local here <close> = reloading.start { ["a.lua"] = says "one" .. text }
    for i = 1, 5 do
      helper.eventually(function() return shared.ticks == i end)
      here:reloaded()
    end
    helper.eventually(function() return here:service():tasks() == 1 end, 5)
    here:wait_until_alone()
  end)

  it("calls on_reload of the old code once, and reports its errors", function()
    local text <const> = says "VERSION" .. [[
      local service <const> = require "perigee.service"
      local shared <const> = require "spec.fixtures.reloading".shared
      service.on_reload(function() error "VERSION: no" end)
      service.on_reload(function() table.insert(shared.calls, "VERSION") end)
      service.on_stop(function() table.insert(shared.calls, "stop VERSION") end)
    ]]
    local here <const> = reloading.start { ["a.lua"] = text:gsub("VERSION", "one") }
    shared.calls = {}
    here:refused { ["a.lua"] = text:gsub("VERSION", "bad") .. " error 'no'" }
    here:reloaded { ["a.lua"] = text:gsub("VERSION", "two") }
    here:reloaded { ["a.lua"] = text:gsub("VERSION", "three") }
    helper.eventually(function() return #shared.calls == 2 end)
    here:__close()
    assert.equal("one two stop three", table.concat(shared.calls, " "))
    assert.matches("error a +[^\n]+: one: no\n.*error a +[^\n]+: two: no\n", here:log())
    assert.is_nil(here:log():find "three: no")
  end)

  it("refuses to serve more by old code, and keeps it from closing what is not its own any more", function()
    local text <const> = [[
      local net <const>, service <const> = require "perigee.net", require "perigee.service"
      local shared <const> = require "spec.fixtures.reloading".shared
      local server
      server = net.serve("tcp://127.0.0.1:0", function(conn)
        for line in conn:lines() do
          if line == "serve" then conn:write(tostring(select(2, net.serve("tcp://127.0.0.1:0", print))), "\n") end
          if line == "close" then
            server:close()
            conn:write "closed VERSION\n"
          end
          if line == "show" then conn:write(tostring(server), " ", tostring(server.is_open), "\n") end
        end
      end)
      service.on_reload(function() shared.answer = { net.serve("tcp://127.0.0.1:0", print) } end)
    ]]
    local here <close> = reloading.start { ["a.lua"] = text:gsub("VERSION", "one") }
    local old <close> = here:connect()
    assert.matches("^server: tcp://127.0.0.1:%d+ true$", exchange(old, "show"))
    here:reloaded { ["a.lua"] = text:gsub("VERSION", "two") }
    assert.equal("serve: the service has been reloaded, and this is its old code", exchange(old, "serve"))
    assert.matches("^server: tcp://127.0.0.1:%d+ %(closed%) false$", exchange(old, "show"))
    assert.equal("closed one", exchange(old, "close"))
    local new <close> = here:connect()
    assert.matches("^server: tcp://127.0.0.1:%d+ true$", exchange(new, "show"))
    helper.eventually(function() return shared.answer end)
    assert.same({ nil, "serve: the service has been reloaded, and this is its old code", "closed" }, shared.answer)
  end)
end)

local LIVE <const> = [[
  local service <const>, task <const> = require "perigee.service", require "perigee.task"
  local shared <const> = require "spec.fixtures.reloading".shared
  local state <const> = service.state "live"
  local hear <const> = service.live("hear", function(line) return "VERSION " .. line end)
  state.hear = state.hear or hear
  require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
    for line in conn:lines() do
      if line:find "^nested" then
        task.group(function(group) group:spawn(function() conn:write(hear(line), "\n") end) end)
      elseif line:find "^stored" then
        conn:write(state.hear(line), "\n")
      elseif line:find "^plain" then
        conn:write("plain VERSION\n")
      else
        conn:write(hear(line), "\n")
      end
    end
  end)
]]

local function live(version)
  return (LIVE:gsub("VERSION", version))
end

describe("a connection that calls live functions", function()
  helper.leaves_nothing(before_each, after_each)

  for _, word in ipairs { "direct", "nested", "stored" } do
    it(("is served by the newest, and not cut off at the deadline: %s"):format(word), function()
      local here <close> = reloading.start({ ["a.lua"] = live "one" }, { reload_drain = 0 })
      local conn <close> = here:connect()
      assert.equal("one " .. word, exchange(conn, word))
      for i = 2, 10 do
        here:reloaded { ["a.lua"] = live(i) }
        assert.equal(("%d %s"):format(i, word), exchange(conn, word))
      end
      helper.eventually(function() return here.run.scope.count == 0 end)
      assert.equal("plain one", exchange(conn, "plain"))
      assert.equal(1, here:service():tasks())
      conn:close()
      helper.eventually(function() return here:service():tasks() == 0 end)
    end)
  end

  it("is cut off when it has called none", function()
    local here <close> = reloading.start({ ["a.lua"] = live "one" }, { reload_drain = 0 })
    local conn <close> = here:connect()
    assert.equal("plain one", exchange(conn, "plain"))
    here:reloaded { ["a.lua"] = live "two" }
    assert.is_nil((conn:read_line()))
  end)

  it("stays with its own code when the new one has no such function", function()
    local here <close> = reloading.start { ["a.lua"] = live "one" }
    local conn <close> = here:connect()
    assert.equal("one a", exchange(conn, "a"))
    here:reloaded { ["a.lua"] = live "two":gsub('"hear"', '"listen"') }
    assert.equal("one b", exchange(conn, "b"))
    here:reloaded { ["a.lua"] = live "three" }
    assert.equal("three c", exchange(conn, "c"))
  end)

  it("is cut off at the deadline when the new code has no such function", function()
    local here <close> = reloading.start({ ["a.lua"] = live "one" }, { reload_drain = 0 })
    local conn <close> = here:connect()
    assert.equal("one a", exchange(conn, "a"))
    here:reloaded { ["a.lua"] = says "two" }
    assert.is_nil((conn:read_line()))
    helper.eventually(function() return here:log():find "drain deadline.*tasks=1" end)
  end)

  it("goes on when a reload fails", function()
    local here <close> = reloading.start({ ["a.lua"] = live "one" }, { reload_drain = 0 })
    local conn <close> = here:connect()
    assert.equal("one a", exchange(conn, "a"))
    here:refused { ["a.lua"] = live "two" .. "error 'no'" }
    assert.equal("one b", exchange(conn, "b"))
    assert.equal("1", here:alive())
  end)
end)
