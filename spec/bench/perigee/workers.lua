-- HTTP for several workers: /busy computes for about 200 us, so that hardly anything of the time is the load's.
local http <const> = require "perigee.http"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "http://127.0.0.1:8080" }
local STEPS <const> = 30000
local app <const> = http.app()

app:get("/hello", function() return "Hello, world" end)
app:get("/busy", function()
  local sum = 0
  for i = 1, STEPS do sum = (sum + i * i) % 65521 end
  return tostring(sum)
end)

http.serve(options.listen, app)
