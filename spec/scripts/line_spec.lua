local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local GREETING <const> = "Hello. Say a line, or quit.\r\n"

local function start(options)
  return helper.serve("scripts/line.lua --set line.listen=tcp://127.0.0.1:0 " .. (options or ""))
end

local function connect(address)
  local conn <const> = assert(net.connect(address, { timeout = 20 }))
  assert.equal(GREETING, conn:read(#GREETING))
  return conn
end

describe("the line script", function()
  helper.leaves_nothing(before_each, after_each)

  it("greets, numbers lines and says goodbye to nc as a telnet client", function()
    local _ <close>, _ <const>, port <const> = start()
    local output <const> = helper.run(("printf 'one\\r\\ntwo\\r\\nquit\\r\\n' | nc -t 127.0.0.1 %d"):format(port))
    assert.equal(GREETING .. "1: one\r\n2: two\r\nGoodbye.\r\n", output)
  end)

  it("answers each line before it has the next", function()
    local _ <close>, address <const> = start()
    local conn <close> = connect(address)
    for number, line in ipairs { "one", "", "three" } do
      conn:write(line, "\r\n")
      assert.equal(number .. ": " .. line, conn:read_line())
    end
  end)

  it("takes lines that end in LF, that come in pieces, and a last one without an end", function()
    local _ <close>, address <const> = start()
    local conn <close> = connect(address)
    conn:write "on"
    conn:flush()
    conn:write "e\ntwo\nthr"
    assert.equal("1: one", conn:read_line())
    assert.equal("2: two", conn:read_line())
    conn:write "ee"
    conn:shutdown()
    assert.equal("3: three\r\nGoodbye.\r\n", conn:read_all())
  end)

  it("counts the lines of each client for itself", function()
    local _ <close>, address <const> = start()
    local first <close>, second = connect(address), connect(address)
    first:write "a\n"
    assert.equal("1: a", first:read_line())
    second:write "b\n"
    assert.equal("1: b", second:read_line())
    first:write "c\n"
    assert.equal("2: c", first:read_line())
    second:close()
  end)

  it("ends the conversation at a line over the limit", function()
    local _ <close>, address <const> = start "--set line.line_limit=10"
    local conn <close> = connect(address)
    conn:write(("x"):rep(10), "\n", ("x"):rep(11), "\nnever\n")
    assert.equal("1: xxxxxxxxxx\r\nGoodbye.\r\n", conn:read_all())
  end)

  it("logs who has connected", function()
    local process <close>, address <const> = start()
    local conn <close> = connect(address)
    assert.equal(tostring(conn.address), process:wait_for "info  line  connected peer=(%S+)")
  end)
end)
