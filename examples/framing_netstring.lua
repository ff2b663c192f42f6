--- Two more ways to tell a length: a netstring writes it in decimal digits, "5:hello,"; a varint in as few bytes as it
--- needs, seven bits in each, as Protocol Buffers do.

local frame <const> = require "perigee.frame"
local net <const> = require "perigee.net"

local function show(bytes)
  return (bytes:gsub("[^ -~]", function(byte) return ("<%02x>"):format(byte:byte()) end))
end

--- What goes over the wire for a message, and what the other side makes of it.
local function demonstrate(name, wrap, message)
  local here <close>, there = net.pair()
  wrap(here):send(message)
  here:shutdown()
  local wire <const> = there:read_all()
  there:write(wire) -- send it back as it is
  print(("%-9s %s  ->  %q"):format(name, show(wire), wrap(here):receive()))
  there:close()
end

for _, message in ipairs { "hello", "", "a,b:c" } do
  demonstrate("netstring", frame.netstring, message)
  demonstrate("varint", frame.varint, message)
end

-- Both are strict: what cannot be a length is told as "protocol", before anything is read on trust.
local here <close>, there = net.pair()
there:write "05:hello,"
print(frame.netstring(here):receive())
there:close()
