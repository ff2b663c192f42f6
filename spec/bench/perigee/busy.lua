-- HTTP with a handler that computes for about 200 us, so that what is measured is the server.
local http <const> = require "perigee.http"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "http://127.0.0.1:8080" }
local STEPS <const> = 30000
local app <const> = http.app()

app:get("/busy", function()
  local sum = 0
  for i = 1, STEPS do sum = (sum + i * i) % 65521 end
  return tostring(sum)
end)

http.serve(options.listen, app)
