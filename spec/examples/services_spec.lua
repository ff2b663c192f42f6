local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local ECHO <const> = "--set echo.listen=tcp://127.0.0.1:0"

--- What a service answers to a text, up to its end.
local function ask(address, text)
  local conn <close> = assert(net.connect(address, { timeout = 20 }))
  assert(conn:write(text))
  conn:shutdown()
  return conn:read_all()
end

--- The proxy in front of an upstream, until its process is closed.
local function start_proxy(upstream)
  return helper.serve("examples/proxy.lua --set proxy.listen=tcp://127.0.0.1:0 --set proxy.upstream="
    .. tostring(upstream))
end

describe("the example", function()
  helper.leaves_nothing(before_each, after_each)

  it("five_lines is an echo service, in five lines of code", function()
    local _ <close>, address <const> = helper.serve "examples/five_lines.lua --set five_lines.listen=tcp://127.0.0.1:0"
    assert.equal("hello\n", ask(address, "hello\n"))
    local lines = 0
    for line in io.lines "examples/five_lines.lua" do
      if line:find "^%s*[^-%s]" then lines = lines + 1 end
    end
    assert.equal(5, lines)
  end)

  it("proxy passes bytes both ways, and the end of the stream", function()
    local _ <close>, upstream <const> = helper.serve("scripts/echo.lua " .. ECHO)
    local _ <close>, address <const> = start_proxy(upstream)
    local text <const> = ("0123456789"):rep(helper.is_tiny and 500 or 100000)
    assert.equal(text, ask(address, text))
  end)

  it("proxy answers before the client has said everything", function()
    local _ <close>, upstream <const> = helper.serve("scripts/echo.lua " .. ECHO)
    local _ <close>, address <const> = start_proxy(upstream)
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    for _, word in ipairs { "one", "two", "three" } do
      conn:write(word, "\n")
      assert.equal(word, conn:read_line())
    end
  end)

  it("proxy passes on that the upstream broke the connection", function()
    local upstream <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      conn:read(5)
      conn:abort()
    end))
    local _ <close>, address <const> = start_proxy(upstream.address)
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    conn:write "hello"
    assert.equal("reset", (select(3, conn:read(1))))
  end)

  it("proxy logs the reason when there is no upstream, and closes the client", function()
    local process <close>, address <const> = start_proxy "unix:@perigee-nobody"
    assert.equal("", ask(address, ""))
    process:wait_for "warn  proxy  connect to unix:@perigee%-nobody: .* client=tcp://127.0.0.1:%d+"
  end)

  for order, expected in pairs {
    fifo = "three\nfour\none\n", lifo = "one\nfour\nthree\n", priority = "one\nfour\nthree\n",
  } do
    it("queue_echo sends waiting lines back in the order " .. order, function()
      local _ <close>, address <const> = helper.serve(
        "examples/queue_echo.lua --set queue_echo.listen=tcp://127.0.0.1:0 --set queue_echo.order=" .. order)
      local answer <const> = ask(address, "three\nfour\none\n")
      if helper.is_tiny then expected = answer end -- byte by byte no line waits for another
      assert.equal(expected, answer)
      assert.equal(15, #answer)
    end)
  end

  it("switch brings its state back to every page", function()
    local websocket <const> = require "perigee.websocket"
    local _ <close>, url <const> = helper.serve "examples/switch.lua --set switch.listen=http://127.0.0.1:0"
    local address <const> = url:gsub("^http", "ws") .. "/state"
    local one <close> = assert(websocket.connect(address))
    local two <close> = assert(websocket.connect(address))
    assert.equal("OFF", one:receive())
    assert.equal("OFF", two:receive())
    one:send "ON"
    assert.equal("ON", one:receive())
    assert.equal("ON", two:receive())
    two:send "neither"
    two:send "OFF"
    assert.equal("OFF", one:receive())
  end)
end)
