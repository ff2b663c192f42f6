--- Votes that survive reloads: save this file while it runs with --watch, or say `perigee reload`.
---   perigee run --watch examples/votes.lua &
---   printf 'tea\ntea\ncoffee\n' | nc -q1 127.0.0.1 7020

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:7020" }

--- Version 1 counted in plain numbers, by name. A new form has a new number, and a way there from the old one. When
--- that fails, or anything else here, the old code goes on with the old value.
local votes <const> = service.state("votes", {}, { version = 2, migrate = function(old)
  for name, count in pairs(old) do old[name] = { count = count, last = "unknown" } end
  return old
end })

--- Clients stay connected while the code changes: each of their lines is answered by the newest version of this.
local answer <const> = service.live("answer", function(conn, name)
  local vote <const> = votes[name] or { count = 0 }
  votes[name] = vote
  vote.count, vote.last = vote.count + 1, tostring(conn.peer)
  conn:write(("%s: %d\n"):format(name, vote.count))
end)

net.serve(options.listen, function(conn)
  for name in conn:lines() do answer(conn, name) end
end)
