local certificates <const> = require "spec.fixtures.certificates"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local reloading <const> = require "spec.fixtures.reloading"
local websocket <const> = require "perigee.websocket"

local shared <const> = reloading.shared
local RELOADS <const> = 50

--- Everything that a version of the script has made: the spec sees by this weak table what is left of it.
local HEAD <const> = [[
  local shared <const> = require "spec.fixtures.reloading".shared
  local function watch(name, value)
    shared.watched[value] = name
    return value
  end
  watch("environment", _ENV)
  watch("module", require "beside")
  local net <const>, http <const> = require "perigee.net", require "perigee.http"
  local service <const>, task <const> = require "perigee.service", require "perigee.task"
]]

--- What is left that the version which serves has not made: "module 49, environment 49" by name and how many.
local function left_over()
  collectgarbage()
  collectgarbage()
  local counts <const>, names <const> = {}, {}
  for _, name in pairs(shared.watched) do
    if not counts[name] then names[#names + 1] = name end
    counts[name] = (counts[name] or 0) + 1
  end
  table.sort(names)
  for i, name in ipairs(names) do names[i] = name .. " " .. counts[name] end
  return table.concat(names, ", ")
end

local function start(text, options)
  local here <const> = reloading.start({ ["a.lua"] = "require 'perigee.net'.serve('tcp://127.0.0.1:0', print)",
    ["beside.lua"] = "return { f = function() return _ENV end }" }, options)
  shared.watched = setmetatable({}, { __mode = "k" })
  here:write { ["a.lua"] = HEAD .. text }
  return here
end

local function descriptors()
  local count = 0
  for _ in require "lfs".dir "/proc/self/fd" do count = count + 1 end
  return count
end

local KINDS <const> = {
  ["its environment, modules and closures"] = [[
    net.serve("tcp://127.0.0.1:0", watch("handler", function(conn) return watch and conn:close() end))
    G = watch("global", { _ENV, G })
    string.shout = watch("library", function() return G end)
  ]],
  ["an application of HTTP"] = [[
    local app <const> = watch("app", http.app())
    app:use(watch("middleware", function(request, next) return next(request, watch) end))
    app:get("/", watch("handler", function() return watch and "a" end))
    app:mount("/b", watch("mounted", http.app()))
    app:on_error(watch("on_error", function() return watch and "b" end))
    app:websocket("/ws", watch("websocket", function() return watch end))
    http.serve("http://127.0.0.1:0", app, { access_log = true })
  ]],
  ["a server of datagrams"] = [[
    net.serve("udp://127.0.0.1:0", watch("handler", function() return watch and "a" end))
  ]],
  ["timers and background tasks"] = [[
    net.serve("tcp://127.0.0.1:0", print)
    task.spawn(watch("timer", function() while watch do task.sleep(1000) end end))
    task.spawn(watch("parent", function()
      task.group(function(group) group:spawn(watch("child", function() return watch, task.sleep(1000) end)) end)
    end))
    local channel <const> = watch("channel", task.channel(1))
    task.spawn(watch("receiver", function() return channel:receive(), watch end))
    task.spawn(watch("deadline", function() return task.deadline(1000, task.sleep, 1000), watch end))
  ]],
  ["fan-outs that are no state"] = [[
    local fanout <const> = watch("fanout", require "perigee.fanout".new())
    net.serve("tcp://127.0.0.1:0", watch("handler", function(conn)
      fanout:add(conn)
      conn:read_all()
    end))
  ]],
  ["live functions, and functions for reload and stop"] = [[
    net.serve("tcp://127.0.0.1:0", print)
    watch("reference", service.live("f", watch("live", function() return watch end)))
    service.on_reload(watch("on_reload", function() return watch end))
    service.on_stop(watch("on_stop", function() return watch end))
  ]],
  ["state that is asked for"] = [[
    net.serve("tcp://127.0.0.1:0", print)
    service.state("s", watch("initial", function() return {} end),
      { migrate = watch("migrate", function(old) return watch and old end) })
    service.state("n", {}, { version = service.current().number,
      migrate = watch("migrate more", function(old) return watch and old end) })
    watch("options", service.options { a = 1 })
  ]],
  ["TLS contexts"] = [[
    local context <const> = watch("context", require "perigee.tls".server(shared.tls))
    net.serve("tls://127.0.0.1:0", watch("handler", function() return watch end), { tls = context })
    http.serve("https://127.0.0.1:0", watch("page", function() return watch end), { tls = shared.tls })
  ]],
  ["coroutines and objects with finalizers"] = [[
    net.serve("tcp://127.0.0.1:0", print)
    local co <const> = watch("coroutine", coroutine.create(function() return watch, coroutine.yield() end))
    coroutine.resume(co)
    local object <const> = watch("object", setmetatable({}, { __gc = function() return watch end }))
    function loop() return co, object end
  ]],
}

describe("what is left of replaced code", function()
  helper.leaves_nothing(before_each, after_each)

  before_each(function() shared.tls = nil end)

  for what, text in pairs(KINDS) do
    it(("is nothing: %s"):format(what), function()
      local here <close> = start(text)
      shared.tls = certificates.of "localhost"
      here:reloaded()
      local once <const>, before <const> = left_over(), descriptors()
      for _ = 1, RELOADS do here:reloaded() end
      here:wait_until_alone()
      helper.eventually(function() return left_over() == once end, 5)
      assert.equal(once, left_over())
      assert.equal(before, descriptors())
    end)

    it(("is nothing of versions that fail: %s"):format(what), function()
      local here <close> = start(text .. "\nerror 'no'")
      shared.tls = certificates.of "localhost"
      local before <const> = descriptors()
      for _ = 1, RELOADS do here:refused() end
      here:wait_until_alone()
      pcall(helper.eventually, function() return left_over() == "" end, 5)
      assert.equal("", left_over())
      assert.equal(before, descriptors())
    end)
  end

  it("is nothing of versions with a syntax error in a module", function()
    local here <close> = start "require 'broken'"
    here:write { ["broken.lua"] = "= 1" }
    for _ = 1, RELOADS do here:refused() end
    here:wait_until_alone()
    assert.equal("", left_over())
  end)

  it("is nothing once its connections have ended", function()
    local here <close> = start [[
      net.serve("tcp://127.0.0.1:0", watch("handler", function(conn)
        conn:write "hello\n"
        return watch, conn:read_all()
      end))
      local app <const> = watch("app", http.app())
      app:get("/", watch("page", function() return watch and "page" end))
      app:websocket("/ws", watch("websocket", function(socket) return watch, socket:receive() end))
      http.serve("http://127.0.0.1:0", app)
    ]]
    here:reloaded()
    local conns <const> = {}
    for i = 1, RELOADS do
      local port <const> = here:addresses()[2].port
      conns[i] = { here:connect(1), assert(net.connect("tcp://127.0.0.1:" .. port, { timeout = 20 })),
        assert(websocket.connect(("ws://127.0.0.1:%d/ws"):format(port), { timeout = 20 })) }
      assert.equal("hello", conns[i][1]:read_line())
      conns[i][2]:write "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
      conns[i][2]:read_until "page"
      here:reloaded()
    end
    assert.matches(("environment %d"):format(RELOADS + 1), left_over())
    for _, three in ipairs(conns) do
      three[1]:close()
      three[3]:close()
    end
    here:wait_until_alone()
    helper.eventually(function()
      return left_over() == "app 1, environment 1, handler 1, module 1, page 1, websocket 1"
    end, 5)
    for _, three in ipairs(conns) do three[2]:close() end
  end)

  it("is nothing once its live connections use newer code", function()
    local here <close> = start [[
      local hear <const> = service.live("hear", watch("live", function(line) return watch and line end))
      net.serve("tcp://127.0.0.1:0", watch("handler", function(conn)
        for line in conn:lines() do conn:write(hear(line), "\n") end
        return watch
      end))
    ]]
    here:reloaded()
    local conn <close> = here:connect()
    for i = 1, RELOADS do
      conn:write(i, "\n")
      assert.equal(tostring(i), conn:read_line())
      here:reloaded()
    end
    -- The connection's own handler is of the first version, and holds that: no other is held.
    helper.eventually(function() return left_over():find "environment 2" end, 5)
    conn:close()
    here:wait_until_alone()
    helper.eventually(function() return left_over():find "environment 1," end, 5)
  end)

  it("is nothing once the drain deadline has cut it off", function()
    local here <close> = start([[
      net.serve("tcp://127.0.0.1:0", watch("handler", function(conn)
        conn:write "hello\n"
        return watch, conn:read_all()
      end))
    ]], { reload_drain = 0 })
    here:reloaded()
    for _ = 1, RELOADS do
      local conn <close> = here:connect(1)
      conn:read_line()
      here:reloaded()
      assert.is_nil((conn:read(1)))
    end
    here:wait_until_alone()
    helper.eventually(function() return left_over() == "environment 1, handler 1, module 1" end, 5)
  end)

  it("is nothing after addresses and protocols have changed", function()
    local here <close> = start ""
    local function page(n)
      return HEAD .. ("http.serve('http://127.0.0.1:0', watch('page', function() return watch and '%d' end))"):format(n)
    end
    local function line(n)
      return HEAD .. ("net.serve({ 'tcp://127.0.0.1:0', 'tcp://127.0.0.1:0' }, watch('line', "
        .. "function() return watch, %d end))"):format(n)
    end
    here:reloaded { ["a.lua"] = page(0) }
    local before <const> = descriptors()
    for i = 1, RELOADS do
      here:reloaded { ["a.lua"] = line(i) }
      here:reloaded { ["a.lua"] = page(i) }
    end
    here:wait_until_alone()
    helper.eventually(function() return left_over() == "environment 1, module 1, page 1" end, 5)
    assert.equal(before, descriptors())
  end)
end)
