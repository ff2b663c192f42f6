--- Half-close: "I have said everything, but I still listen." The server here cannot answer before it has seen the
--- end of the text; a client that closed its connection to show that end would never get the answer.

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:0", text = "the quick brown fox" }

local function count_words(conn)
  local text <const> = assert(conn:read_all()) -- waits for the end of the stream
  local _ <const>, words <const> = text:gsub("%S+", "")
  conn:write(#text, " bytes, ", words, " words\n")
end

-- Port 0 is any free port. Closed variables close at the end of the script, so this one serves no longer than it runs.
local server <close> = net.serve(options.listen, count_words)
local conn <close> = assert(net.connect(server.address))

conn:write(options.text)
conn:shutdown()         -- ends our side; the other direction stays open
print(conn:read_line()) -- 19 bytes, 4 words
print(conn:read_line()) -- nil, and why: the server has closed its side too
