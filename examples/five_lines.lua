--- The shortest service: echo in five lines.   printf 'hi\n' | nc -q1 127.0.0.1 7100

local net <const>, service <const> = require "perigee.net", require "perigee.service"
local options <const> = service.options { listen = "tcp://127.0.0.1:7100" }
net.serve(options.listen, function(conn)
  for chunk in conn:chunks() do conn:write(chunk) end
end)
