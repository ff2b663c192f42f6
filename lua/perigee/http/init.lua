--- HTTP/1.1 (RFC 9110, RFC 9112): applications, servers, responses.
---   local app = http.app()
---   app:get("/hello/{name}", function(request) return "Hello, " .. request.params.name end)
---   http.serve("http://127.0.0.1:8080", app)
--- What a handler returns is the answer: a string is text, a table is JSON, nil is 204, a function(write) is a stream,
--- a response says for itself. A response can be raised too: error(http.error(404)).

local app <const> = require "perigee.http.app"
local client <const> = require "perigee.http.client"
local response <const> = require "perigee.http.response"
local middleware <const> = require "perigee.http.middleware"
require "perigee.http.request"

local M <const> = {
  app = app.new,
  serve = require("perigee.http.serve").serve,
  signer = require("perigee.http.cookie").signer,
  request = client.request,
  close_idle = client.close_idle,
}

for _, name in ipairs { "response", "of", "text", "html", "xml", "json", "created", "no_content", "redirect", "error",
  "file", "stream", "events", "multipart", "refuse" } do
  M[name] = response[name]
end
M.is_response = response.is

for _, name in ipairs { "basic_auth", "bearer_auth", "cors", "equal", "request_id" } do M[name] = middleware[name] end

return M
