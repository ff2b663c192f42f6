local net <const> = require "perigee.net"
local wire <const> = require "perigee.zeromq.wire"

local LIMIT <const> = 4096 -- bytes of a message

local messages <const> = {
  wire.ready "REP", wire.ready "SUB", wire.command("ERROR", "\5wrong"), wire.command("PING", "\0\10context"),
  wire.command("SUBSCRIBE", "cats"), wire.command("CANCEL", ""), wire.command("", ""),
  wire.message { "" }, wire.message { "\1cats" }, wire.message { "cats", "siamese" }, wire.message { "", "a", "", "b" },
  wire.message { ("x"):rep(300) }, wire.message { ("x"):rep(255), ("y"):rep(256), "z" }, "\2\0\0\0\0\0\0\0\1a",
  "\2\255\255\255\255\255\255\255\255a", "\6\0\0\0\0\0\0\0\4\3abc", "\1\0\4\1\0", "\8\0", "\4\2\5a",
}

local seeds <const> = {}
for _, text in ipairs(messages) do
  seeds[#seeds + 1] = text
  seeds[#seeds + 1] = wire.greeting .. wire.ready "REQ" .. text
end
seeds[#seeds + 1] = table.concat(messages, "", 1, 13)

local codes <const> = { protocol = true, limit = true, closed = true }

local function outcome_of(message, code)
  assert(codes[code] and not message:find "\n", message)
  return (message:gsub("tcp://%S+", ""):gsub("%d+", ""):gsub("0x%x+", ""):gsub("%b\"\"", ""))
end

--- What a command and a message are is what would be written again.
local function check_value(kind, value, body)
  if kind == "command" then
    assert(#value + #body <= 65536)
    if value ~= "READY" then return "command" end
    local properties <const>, message <const>, code <const> = wire.properties(body)
    return properties and "READY" or outcome_of(message, code)
  end
  local size = 0
  for _, part in ipairs(value) do size = size + #part end
  assert(size <= LIMIT and #value >= 1)
  return "message"
end

--- All that a connection sends: the greeting when it begins like one, then commands and messages to the first failure.
local function read_all(conn, bytes)
  if bytes:byte() == 0xff then
    local minor <const>, message <const>, code <const> = wire.read_greeting(conn)
    if not minor then return outcome_of(message, code) end
  end
  local last = "nothing"
  while true do
    local kind <const>, value <const>, body <const> = wire.read(conn, LIMIT)
    if not kind then return last .. ", " .. outcome_of(value, body) end
    last = check_value(kind, value, body)
  end
end

return {
  seeds = seeds,
  check = function(bytes)
    local ours <close>, theirs <const> = net.pair()
    local _ <close> = theirs
    ours.timeout = 5
    theirs:write(bytes)
    theirs:shutdown()
    return read_all(ours, bytes)
  end,
}
