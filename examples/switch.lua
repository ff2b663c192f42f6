--- A switch: a page whose ON/OFF button goes through the server and back; all pages that are open follow.
---   http://127.0.0.1:8002

local fanout <const> = require "perigee.fanout"
local http <const> = require "perigee.http"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "http://127.0.0.1:8002" }
local pages <const>, app <const> = fanout.new(), http.app()
local state = "OFF"

app:use(function(request, next)
  return http.of(next(request)):set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:")
end)
app:static("/", service.path "switch")
app:websocket("/state", function(socket)
  pages:add(socket)
  socket:send(state)
  for text in socket:messages() do
    if text == "ON" or text == "OFF" then
      state = text
      pages:write(state)
    end
  end
end)

http.serve(options.listen, app)
