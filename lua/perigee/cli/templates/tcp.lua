--- perigee new tcp NAME: lines over TCP.

return {
  try = "nc 127.0.0.1 9000",
  service = [==[
--- {{NAME}}: answers every line, over TCP.
---   perigee run {{NAME}}.lua --watch     and in another terminal: nc 127.0.0.1 9000

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

-- Each option can be set from outside: perigee run {{NAME}}.lua --set {{NAME}}.listen=tcp://*:9000
local options <const> = service.options { listen = "tcp://127.0.0.1:9000", line_limit = 4096 }

-- What is to survive a reload is kept by a name; all else is made anew. Save this file under `run --watch`, or say
-- `perigee reload`: the count goes on. When its form changes, raise its version, and bring the old along:
--   service.state("lines", initial, { version = 2, migrate = function(old, from) return { count = old.count } end })
local lines <const> = service.state("lines", function() return { count = 0 } end)

-- A connection ends on the code that it began with; what is `live` is called as it is now. So change the answer while
-- nc is connected, save, and say another line.
local answer <const> = service.live("answer", function(line)
  lines.count = lines.count + 1
  return ("%d: %s\n"):format(lines.count, line:upper())
end)

-- A task for each connection: it waits here without holding up the others. The connection is closed when it returns,
-- and an error is logged, and ends this connection alone.
net.serve(options.listen, function(conn)
  conn:write "Hello. Say a line, or quit.\n"
  for line in conn:lines(options.line_limit) do
    if line == "quit" then break end
    conn:write(answer(line))
  end
end)

-- Next: conn.timeout = 60 lets silent clients go; perigee.frame has other messages than lines; `perigee cert localhost`
-- and --set '{{NAME}}.listen=tls://127.0.0.1:9000?certificate=localhost.crt' encrypt.
]==],
  spec = [==[
--- perigee test {{SPEC}}

local net <const> = require "perigee.net"
local testing <const> = require "perigee.testing"

local script <const> = (debug.getinfo(1, "S").source:match "^@(.*/)" or "") .. "../{{NAME}}.lua"

describe("{{NAME}}", function()
  local server

  local function connect()
    local conn <const> = assert(net.connect(server.address, { timeout = 5 }))
    assert.equal("Hello. Say a line, or quit.", conn:read_line())
    return conn
  end

  -- A server of its own for each test, at a free port.
  before_each(function() server = testing.run(script, { listen = "tcp://127.0.0.1:0", line_limit = 100 }) end)
  after_each(function() server:close() end)

  it("counts the lines, and answers each in capitals", function()
    local conn <close> = connect()
    conn:write "one\ntwo\n"
    assert.equal("1: ONE", conn:read_line())
    assert.equal("2: TWO", conn:read_line())
  end)

  it("ends the conversation at quit", function()
    local conn <close> = connect()
    conn:write "quit\n"
    assert.equal("", conn:read_all())
  end)

  it("ends the conversation at a line over the limit", function()
    local conn <close> = connect()
    conn:write(("x"):rep(101), "\n")
    assert.equal("", conn:read_all())
  end)
end)
]==],
}
