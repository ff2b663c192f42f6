--- Deadlines: one time limit around several steps, however many waits are in them.

local net <const> = require "perigee.net"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options { listen = "tcp://127.0.0.1:0", seconds = 0.5 }

-- A peer that greets, then falls silent, as one does whose machine has crashed.
local server <close> = net.serve(options.listen, function(conn)
  conn:write "welcome\n"
  conn:read_all()
end)

local function converse()
  local conn <close> = assert(net.connect(server.address))
  print("the peer says: " .. conn:read_line())
  local _ <close> = setmetatable({}, { __close = function() print "leaving, everything is closed" end })
  conn:write "how are you?\n"
  return conn:read_line() -- will never come
end

-- Past the deadline the function is unwound from where it waits; its <close> variables run.
local answer <const>, _, code <const> = task.deadline(options.seconds, converse)
print("the answer: " .. (answer or code)) -- timeout

-- In time it returns what the function returns, and true when that is nothing.
print("in time: " .. tostring(task.deadline(options.seconds, task.sleep, 0))) -- true

-- Without a deadline there is still conn.timeout, the limit of each read and write: 300 seconds unless set.
local conn <close> = assert(net.connect(server.address))
conn.timeout = options.seconds
print(conn:read_line()) -- welcome
print(conn:read_line()) -- nil, a message that names the peer, timeout
