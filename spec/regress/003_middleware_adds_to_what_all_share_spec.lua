--- Files, WebSockets, and responses that a handler makes once: what middleware added for one client went to the next.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"

local UPGRADE <const> = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" ..
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"

local function ask(address, path, headers)
  local conn <close> = assert(net.connect((tostring(address):gsub("^http", "tcp")), { timeout = 20 }))
  conn:write("GET ", path, " HTTP/1.1\r\nHost: x\r\n", headers or "", "\r\n")
  return conn:read_until "\r\n\r\n"
end

describe("what middleware adds", function()
  helper.leaves_nothing(before_each, after_each)

  it("goes to one client alone", function()
    local count, app <const> = 0, http.app()
    app:use(function(request, next)
      count = count + 1
      return http.of(next(request)):set_cookie("session", "user" .. count)
    end)
    local same <const> = http.text "always this object"
    local listed <const> = http.text "and this list":add("Set-Cookie", "a=b")
    app:static("/files", "scripts")
    app:websocket("/socket", function() end)
    app:get("/same", function() return same end)
    app:get("/listed", function() return listed end)
    local server <close> = assert(http.serve("http://127.0.0.1:0", app))
    for _, path in ipairs { "/files/echo.lua", "/socket", "/same", "/listed" } do
      ask(server.address, path, path == "/socket" and UPGRADE)
      local head <const> = ask(server.address, path, path == "/socket" and UPGRADE)
      assert.same({ path, 1 }, { path, select(2, head:gsub("session=", "")) })
      assert.matches("session=user" .. count .. ";", head, 1, true)
    end
  end)
end)
