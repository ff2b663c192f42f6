local certificates <const> = require "spec.fixtures.certificates"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local reloading <const> = require "spec.fixtures.reloading"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local says <const> = reloading.says
local shared <const> = reloading.shared

local function ports_of(here)
  local ports <const> = {}
  for i, address in ipairs(here:addresses()) do ports[i] = address.port end
  return ports
end

local function http_says(text, url, options)
  return ([[
    require "perigee.http".serve("%s", function() return "%s" end, %s)
  ]]):format(url or "http://127.0.0.1:0", text, options or "nil")
end

local function http_ask(address)
  local conn <close> = assert(net.connect(("tcp://127.0.0.1:%d"):format(address.port), { timeout = 20 }))
  conn:write "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
  return conn:read_all():match "\r\n\r\n(.*)$"
end

local function ask(address, options)
  local conn <close> = assert(net.connect(address, options or { timeout = 20 }))
  return (conn:read_all())
end

local function refuses(address)
  local conn <close>, _ <const>, code <const> = net.connect(address, { timeout = 20 })
  return conn == nil and code
end

local HOLDS <const> = [[
  local shared <const> = require "spec.fixtures.reloading".shared
  shared.count = 0
  require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
    shared.count = shared.count + 1
    conn:read_all()
  end, %s)
]]

describe("a reload, of its listeners,", function()
  helper.leaves_nothing(before_each, after_each)

  it("keeps several ports that the system chose, in their order", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" .. says "two" .. http_says "three" }
    local before <const> = ports_of(here)
    here:reloaded { ["a.lua"] = says "1" .. says "2" .. http_says "3" }
    assert.same(before, ports_of(here))
    assert.same({ "1", "2", "3" }, { here:ask(1), here:ask(2), http_ask(here:addresses()[3]) })
  end)

  it("keeps several ports that the system chose, each with its protocol, also in another order", function()
    local here <close> = reloading.start { ["a.lua"] = says "line" .. http_says "page" }
    local before <const> = ports_of(here)
    here:reloaded { ["a.lua"] = http_says "page" .. says "line" }
    assert.same({ before[2], before[1] }, ports_of(here))
  end)

  it("keeps a port that the system chose through many reloads", function()
    local here <close> = reloading.start { ["a.lua"] = says "0" }
    local before <const> = ports_of(here)
    for i = 1, 20 do
      here:reloaded { ["a.lua"] = says(i) }
      assert.equal(tostring(i), here:ask())
    end
    assert.same(before, ports_of(here))
  end)

  it("keeps the port when it is named from then on, and when the system may choose it again", function()
    local here <close> = reloading.start { ["a.lua"] = says "any" }
    local port <const> = here:addresses()[1].port
    here:reloaded { ["a.lua"] = says("named", "tcp://127.0.0.1:" .. port) }
    assert.same({ "named", port }, { here:ask(), here:addresses()[1].port })
    here:reloaded { ["a.lua"] = says("named again", "tcp://127.0.0.1:" .. port) }
    assert.same({ "named again", port }, { here:ask(), here:addresses()[1].port })
  end)

  it("opens those that are new, and closes those that have gone", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" }
    local first <const> = here:addresses()[1]
    here:reloaded { ["a.lua"] = says("kept", "tcp://127.0.0.1:" .. first.port) .. says "new" }
    local new <const> = here:addresses()[2]
    assert.same({ "kept", "new" }, { here:ask(1), here:ask(2) })
    here:reloaded { ["a.lua"] = says("left", "tcp://127.0.0.1:" .. new.port) }
    assert.equal("refused", refuses(first))
    assert.same({ "left", new.port }, { here:ask(), here:addresses()[1].port })
  end)

  it("closes one of two addresses of a server", function()
    local two <const> = [[
      require "perigee.net".serve({ "tcp://127.0.0.1:0", "tcp://127.0.0.1:0" }, function(conn) conn:write "two" end)]]
    local here <close> = reloading.start { ["a.lua"] = two }
    local before <const> = here:addresses()
    here:reloaded { ["a.lua"] = says("one", "tcp://127.0.0.1:" .. before[2].port) }
    assert.equal("refused", refuses(before[1]))
    assert.same({ "one", before[2].port }, { here:ask(), here:addresses()[1].port })
    here:reloaded { ["a.lua"] = two:gsub(":0", ":" .. before[2].port, 1) }
    assert.same({ "two", "two", before[2].port }, { here:ask(1), here:ask(2), here:addresses()[1].port })
  end)

  it("closes all, and the service ends when its clients have gone", function()
    local here <close> = reloading.start { ["a.lua"] = HOLDS:format "nil" }
    local address <const> = here:addresses()[1]
    local conn <close> = here:connect()
    helper.eventually(function() return shared.count == 1 end)
    here:reloaded { ["a.lua"] = "" }
    assert.equal("refused", refuses(address))
    conn:close()
    here.run:wait()
    assert.equal(0, here.run:tasks())
  end)

  it("opens and closes nothing when it fails after it has opened some", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" }
    local opened
    shared.tell = function(server) opened = server.address end
    here:refused { ["a.lua"] = [[
      local shared <const> = require "spec.fixtures.reloading".shared
      shared.tell(require "perigee.net".serve("tcp://127.0.0.1:0", print))
      shared.tell(require "perigee.net".serve("tcp://127.0.0.1:0", print))
      error "no"
    ]] }
    assert.equal("refused", refuses(opened))
    assert.equal("one", here:ask())
  end)

  it("serves nobody by a new address while the script is loaded, and then those who have waited", function()
    local here <close> = reloading.start { ["a.lua"] = says "old" }
    local old <const> = here:addresses()[1].port
    shared.gate, shared.reached = task.channel(1), task.channel(1)
    here:write { ["a.lua"] = ([[
      local shared <const> = require "spec.fixtures.reloading".shared
      local net <const> = require "perigee.net"
      local kept <const> = net.serve("tcp://127.0.0.1:%d", function(conn) conn:write "new" end)
      local new <const> = net.serve("tcp://127.0.0.1:0", function(conn) conn:write "new" end)
      local page <const> = require "perigee.http".serve("http://127.0.0.1:0", function() return "new" end)
      shared.reached:send { kept.address, new.address, page.address }
      shared.gate:receive()
    ]]):format(old) }
    local reload <const> = task.spawn(function() return here.run:reload {} end)
    local seen <const> = shared.reached:receive()
    assert.equal(old, seen[1].port)
    assert.equal("old", ask(seen[1]))
    local waiting <close> = assert(net.connect(seen[2], { timeout = 20 }))
    local page <const> = task.spawn(http_ask, seen[3])
    assert.equal("old", ask(seen[1]))
    assert.equal("waiting", page.state)
    shared.gate:send(true)
    assert.is_true(reload:join().ok)
    assert.equal("new", waiting:read_all())
    assert.equal("new", ask(seen[1]))
    assert.equal("new", page:join())
    assert.equal(seen[2].port, here:addresses()[2].port)
  end)

  it("turns those away who wait at a new address of a script that fails", function()
    local here <close> = reloading.start { ["a.lua"] = says "old" }
    shared.gate, shared.reached = task.channel(1), task.channel(1)
    here:write { ["a.lua"] = says "kept" .. [[
      local shared <const> = require "spec.fixtures.reloading".shared
      shared.reached:send(require "perigee.net".serve("tcp://127.0.0.1:0", print).address)
      shared.gate:receive()
      error "no"
    ]] }
    local reload <const> = task.spawn(function() return here.run:reload {} end)
    local waiting <close> = assert(net.connect(shared.reached:receive(), { timeout = 20 }))
    shared.gate:send(true)
    assert.is_false(reload:join().ok)
    assert.is_nil(waiting:read(1))
  end)

  it("has max_connections as the new version says: fewer", function()
    local here <close> = reloading.start { ["a.lua"] = HOLDS:format "{ max_connections = 3 }" }
    local conns <const> = { here:connect(), here:connect(), here:connect() }
    helper.eventually(function() return shared.count == 3 end)
    here:reloaded { ["a.lua"] = HOLDS:format "{ max_connections = 2 }" }
    conns[4] = here:connect()
    conns[1]:shutdown()
    conns[1]:read_all()
    assert.equal(0, shared.count)
    conns[2]:close()
    helper.eventually(function() return shared.count == 1 end)
    for _, conn in ipairs(conns) do conn:close() end
  end)

  it("has max_connections as the new version says: more", function()
    local here <close> = reloading.start { ["a.lua"] = HOLDS:format "{ max_connections = 1 }" }
    local first <close> = here:connect()
    helper.eventually(function() return shared.count == 1 end)
    local second <close> = here:connect()
    local third <close> = here:connect()
    here:reloaded { ["a.lua"] = HOLDS:format "{ max_connections = 3 }" }
    helper.eventually(function() return shared.count == 2 end)
    here:reloaded { ["a.lua"] = HOLDS:format "{ max_connections = 1 }" }
    here:reloaded { ["a.lua"] = HOLDS:format "nil" }
    local fourth <close> = here:connect()
    helper.eventually(function() return shared.count == 1 end)
    assert.is_true(first.is_open and second.is_open and third.is_open and fourth.is_open)
  end)

  it("refuses options that the listener cannot have", function()
    local here <close> = reloading.start { ["a.lua"] = says "one" }
    for options, message in pairs {
      ["{ max_connections = 0 }"] = "max_connections", ["{ nonsense = 1 }"] = "nonsense",
      ["{ tls = {} }"] = "certificate",
      ["{ backlog = 'x' }"] = "backlog",
    } do
      assert.matches("a.lua:1: .*" .. message, here:refused { ["a.lua"] = says("two", nil, options) }.message)
    end
    local port <const> = here:addresses()[1].port
    local answer <const> = here:refused { ["a.lua"] = says("two", "tls://127.0.0.1:" .. port) }
    assert.matches("a.lua:1: .*tls", answer.message)
    assert.equal("one", here:ask())
  end)

  it("has the body limit of the new version for requests of clients that are there", function()
    local page <const> = [[
      require "perigee.http".serve("http://127.0.0.1:0", function(request)
        local body <const>, _, code <const> = request:body()
        return body and tostring(#body) or code
      end, { body_limit = %d })
    ]]
    local here <close> = reloading.start { ["a.lua"] = page:format(10) }
    local conn <close> = assert(net.connect("tcp://127.0.0.1:" .. here:addresses()[1].port, { timeout = 20 }))
    local function post(size)
      conn:write(("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s"):format(size, ("x"):rep(size)))
      local head <const> = conn:read_until "\r\n\r\n"
      if not head then return nil end
      return conn:read(math.tointeger(tonumber(head:lower():match "content%-length: (%d+)")))
    end
    assert.equal("10", post(10))
    assert.equal("limit", post(11))
    here:reloaded { ["a.lua"] = page:format(100) }
    assert.equal("100", post(100))
    here:reloaded { ["a.lua"] = page:format(10) }
    assert.equal("limit", post(100))
  end)

  it("turns TLS on and off at the same port", function()
    shared.tls = nil
    local here <close> = reloading.start { ["a.lua"] = says "plain" }
    local port <const> = here:addresses()[1].port
    shared.tls = certificates.of "localhost"
    local encrypted <const> = says("encrypted", "tls://127.0.0.1:" .. port,
      '{ tls = require "spec.fixtures.reloading".shared.tls }')
    local function ask_encrypted()
      return ask(("tls://127.0.0.1:%d"):format(port), { tls = certificates.trusting(), timeout = 20 })
    end
    here:reloaded { ["a.lua"] = encrypted }
    assert.equal("encrypted", ask_encrypted())
    assert.equal(("tls://127.0.0.1:%d"):format(port), tostring(here:addresses()[1]))
    here:reloaded { ["a.lua"] = says("plain again", "tcp://127.0.0.1:" .. port) }
    assert.equal("plain again", here:ask())
    assert.equal(("tcp://127.0.0.1:%d"):format(port), tostring(here:addresses()[1]))
    here:reloaded { ["a.lua"] = encrypted }
    assert.equal("encrypted", ask_encrypted())
  end)

  it("speaks another protocol at the same port: lines, HTTP, lines", function()
    local here <close> = reloading.start { ["a.lua"] = says "line" }
    local port <const> = here:addresses()[1].port
    local held <close> = here:connect()
    assert.equal("line", held:read_all())
    here:reloaded { ["a.lua"] = http_says("page", "http://127.0.0.1:" .. port) }
    assert.equal("page", http_ask(here:addresses()[1]))
    assert.equal(("http://127.0.0.1:%d"):format(port), tostring(here:addresses()[1]))
    here:reloaded { ["a.lua"] = http_says("newer page", "http://127.0.0.1:" .. port) }
    assert.equal("newer page", http_ask(here:addresses()[1]))
    here:reloaded { ["a.lua"] = says("line again", "tcp://127.0.0.1:" .. port) }
    assert.same({ "line again", port }, { here:ask(), here:addresses()[1].port })
  end)

  it("changes no protocol when the script fails", function()
    local here <close> = reloading.start { ["a.lua"] = says "line" }
    local port <const> = here:addresses()[1].port
    here:refused { ["a.lua"] = http_says("page", "http://127.0.0.1:" .. port) .. "error 'no'" }
    assert.equal("line", here:ask())
    here:reloaded { ["a.lua"] = says "line again" }
    assert.equal("line again", here:ask())
  end)

  it("keeps the file of a Unix socket, and removes that of one which has gone", function()
    local path <const> = helper.temporary_name()
    local here <close> = reloading.start { ["a.lua"] = says("one", "unix:" .. path) }
    here:reloaded { ["a.lua"] = says("two", "unix:" .. path) }
    assert.equal("two", here:ask())
    here:reloaded { ["a.lua"] = http_says("page", "unix:" .. path) }
    assert.equal("other", system.file_kind(path))
    here:reloaded { ["a.lua"] = says("three", "unix:" .. path) }
    assert.equal("three", here:ask())
    here:refused { ["a.lua"] = says("four", "unix:" .. path) .. "error 'no'" }
    assert.equal("three", here:ask())
    here:reloaded { ["a.lua"] = says "elsewhere" }
    assert.is_nil((system.file_kind(path)))
  end)

  it("answers datagrams by the handler that got them", function()
    local echo <const> = [[
      local shared <const> = require "spec.fixtures.reloading".shared
      require "perigee.net".serve("udp://127.0.0.1:0", function(message)
        if message == "wait" then
          shared.waiting = true
          shared.gate:receive()
        end
        return message .. " %s"
      end)
    ]]
    local here <close> = reloading.start { ["a.lua"] = echo:format "one" }
    shared.gate = task.channel(1)
    local socket <close> = assert(net.udp())
    local at <const> = here:addresses()[1]
    socket:send("wait", at)
    helper.eventually(function() return shared.waiting end)
    here:reloaded { ["a.lua"] = echo:format "two" }
    assert.equal(at.port, here:addresses()[1].port)
    socket:send("now", at)
    assert.equal("now two", (socket:receive(20)))
    shared.gate:send(true)
    assert.equal("wait one", (socket:receive(20)))
    here:reloaded { ["a.lua"] = says "no datagrams" }
    assert.equal(0, here:service().generation.servers[1]:active())
  end)

  it("moves an address from one service to another", function()
    local here <close> = reloading.start({ ["a.lua"] = says "a" .. says "moved by a", ["b.lua"] = says "b" },
      { scripts = { "a.lua", "b.lua" } })
    local a <const>, moved <const> = table.unpack(here:addresses "a")
    here:reloaded { ["a.lua"] = says("a", "tcp://127.0.0.1:" .. a.port),
      ["b.lua"] = says "b" .. says("moved to b", "tcp://127.0.0.1:" .. moved.port) }
    assert.equal("moved to b", ask(moved))
  end)

  it("moves an address from one service to another that comes first", function()
    local here <close> = reloading.start({ ["a.lua"] = says "a", ["b.lua"] = says "b" .. says "moved by b" },
      { scripts = { "a.lua", "b.lua" } })
    local b <const>, moved <const> = table.unpack(here:addresses "b")
    here:reloaded { ["b.lua"] = says("b", "tcp://127.0.0.1:" .. b.port),
      ["a.lua"] = says "a" .. says("moved to a", "tcp://127.0.0.1:" .. moved.port) }
    assert.equal("moved to a", ask(moved))
  end)
end)
