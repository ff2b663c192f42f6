--- Messages that end in a delimiter: here each record ends in ";;", and may hold line feeds and single semicolons.

local frame <const> = require "perigee.frame"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:0" }

local function measure(conn)
  local frames <const> = frame.delimited(conn, ";;", { limit = 100 }) -- bytes of one message
  for message in frames:messages() do frames:send(#message, " bytes") end
  local _ <const>, reason <const>, code <const> = frames:receive() -- why did it end?
  if code ~= "closed" then frames:send("refused: ", code) end
  return reason
end

local server <close> = net.serve(options.listen, measure)
local conn <close> = assert(net.connect(server.address))
local frames <const> = frame.delimited(conn, ";;")

frames:send("a;b\nc")
print(frames:receive()) -- 5 bytes

-- A message that holds the delimiter would arrive as two: it is not sent.
local sent <const>, _, code <const> = frames:send("one;;two")
print(sent, code) -- nil protocol

frames:send(("x"):rep(101))
print(frames:receive()) -- refused: limit
