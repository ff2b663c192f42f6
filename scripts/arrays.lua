--- Arrays: sends the numbers 0.0, 1.0, 2.0 ... as float64 to whoever connects, all from one piece of memory that is
--- never copied (document 000, 11.13).
---   c.connect(('localhost', 25001)); a = numpy.zeros(50000000); recv_into(a, c)
---   --set arrays.count=1000

local buffer <const> = require "perigee.buffer"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "tcp://127.0.0.1:25001", count = 50000000 }

local numbers <const> = buffer.array("f64", options.count)
local is_filled = false

--- Memory costs nothing until it is touched, so that is left to the first client.
local function fill()
  if not is_filled then numbers:fill(0, 1) end
  is_filled = true
end

net.serve(options.listen, function(conn)
  fill()
  conn:write(numbers)
end)
