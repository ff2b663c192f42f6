--- Echo for clients that have the key: they are sent 32 random bytes, and answer with their HMAC (document 000, 11.9).
---   hmac.new(b'peekaboo', s.recv(32), 'sha256').digest()
--- Without a name of a digest, Python took MD5 up to 3.7: --set auth_echo.digest=md5

local auth <const> = require "perigee.auth"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:18000", key = "peekaboo", digest = "sha256" }

net.serve(options.listen, function(conn)
  local ok <const>, reason <const> = auth.challenge(conn, options.key, { digest = options.digest })
  if not ok then return log.refusal("a client was turned away", { peer = tostring(conn.peer), reason = reason }) end
  for chunk in conn:chunks() do conn:write(chunk) end
end)
