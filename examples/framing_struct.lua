--- Binary records of a fixed size: values in an agreed byte order, as string.pack writes them.
--- Machines differ: the 16-bit integer 1 is the bytes 00 01 in network order (">"), and 01 00 on most processors ("<").

local frame <const> = require "perigee.frame"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

for _, format in ipairs { ">I2", "<I2" } do
  print(format, ("%02x %02x"):format(string.pack(format, 1):byte(1, 2)))
end

-- A measurement: sensor (2 bytes, unsigned), temperature in hundredths of a degree (4 bytes, signed), time (8 bytes).
local MEASUREMENT <const> = ">I2 i4 i8"

local here <const>, there <const> = net.pair() -- two connected ends; over TCP it is the same
local sender <const>, receiver <const> = frame.struct(here, MEASUREMENT), frame.struct(there, MEASUREMENT)

task.spawn(function()
  for sensor = 1, 3 do sender:send(sensor, sensor * -150, 1345055708 + sensor) end
  sender:send(70000, 0, 0) -- does not fit into two bytes: nil, message, "limit", and nothing is sent
  here:close()
end)

-- One message is three values.
for sensor, hundredths, time in receiver:messages() do
  print(("sensor %d: %.2f degrees at %s"):format(sensor, hundredths / 100, os.date("!%T", time)))
end
there:close()
