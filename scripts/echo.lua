--- Echo: sends back what it gets, on TCP, Unix and UDP sockets (RFC 862).
---   printf 'hi\n' | nc -q1 127.0.0.1 7000
--- Over TLS by its address alone: --set 'echo.listen=tls://127.0.0.1:7443?certificate=localhost.crt'

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = { "tcp://127.0.0.1:7000", "udp://127.0.0.1:7000" } }

local function echo_stream(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end

local function echo_datagram(message)
  return message
end

for _, address in ipairs(options.listen) do
  net.serve(address, address:match "^udp:" and echo_datagram or echo_stream)
end
