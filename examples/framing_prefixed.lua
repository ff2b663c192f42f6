--- Messages with their length before them. A stream has no messages: what was written in one piece may arrive in
--- several, or together with the next. Here each message follows its length, a 32-bit integer in network byte order.

local frame <const> = require "perigee.frame"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:0" }

-- The limit is what one message may make us hold: a larger length is refused before anything of it is read.
local function shout(conn)
  local frames <const> = frame.prefixed(conn, ">I4", { limit = 65536 })
  for message in frames:messages() do frames:send(message:upper()) end
end

-- Port 0 is any free port. Closed variables close at the end of the script, so this one serves no longer than it runs.
local server <close> = net.serve(options.listen, shout)
local conn <close> = assert(net.connect(server.address))
local frames <const> = frame.prefixed(conn, ">I4")

-- Three requests at once, then three answers: the boundaries hold.
for _, text in ipairs { "one", "", "two lines\nin one message" } do frames:send(text) end
for _ = 1, 3 do print(#frames:receive()) end -- 3, 0, 24

-- By hand, as any other language would: four bytes of length, then the message.
conn:write("\0\0\0\5", "hello")
print(frames:receive()) -- HELLO
