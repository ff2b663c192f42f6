-- HTTP and WebSocket, as anyone would first write it.
local fanout <const> = require "perigee.fanout"
local http <const> = require "perigee.http"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "http://127.0.0.1:8080", files = "." }
local room <const> = fanout.new { policy = "close" }
local app <const> = http.app()

app:get("/hello", function() return "Hello, world" end)
app:get("/hello/{name}", function(request) return "Hello, " .. request.params.name end)
app:get("/json", function()
  return { id = 7, name = "lamp", price = 19.75, active = true, tags = { "home", "light" } }
end)
app:static("/files", options.files)

app:websocket("/echo", function(socket)
  for text in socket:messages() do socket:send(text) end
end)

app:websocket("/room", function(socket)
  room:add(socket)
  for text in socket:messages() do room:write(text) end
end)

app:get("/events", function() return http.events(room) end)
app:post("/publish", function(request)
  room:write(request:body())
  return http.no_content()
end)

http.serve(options.listen, app, { idle_timeout = 3600 })
