--- Thousands of clients that never finish their heads, and what others notice of them: nothing.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local CLIENTS <const> = helper.is_tiny and 500 or 5000
local SCRIPT <const> = [[
local http <const> = require "perigee.http"
http.serve("http://127.0.0.1:0", function() return "well" end, { header_timeout = 3 })
]]

local function open_slow(url)
  local conn <const> = assert(net.connect(url, { timeout = 60 }))
  conn:write "GET / HTTP/1.1\r\nHost: a\r\n"
  conn:flush()
  return conn
end

describe("five thousand slow clients #load", function()
  helper.leaves_nothing(before_each, after_each)

  it("do not keep others from being answered, and are sent away by 408", function()
    local folder <close> = helper.directory { ["slow.lua"] = SCRIPT }
    local _ <close>, address <const> = helper.serve(tostring(folder) .. "/slow.lua")
    local url <const> = address:gsub("^http", "tcp")
    local slow <const> = {}
    for i = 1, CLIENTS do slow[i] = open_slow(url) end
    local trickle <const> = task.spawn(function()
      while true do
        for i = 1, CLIENTS, 50 do slow[i]:write "X: y\r\n" end
        task.sleep(0.01)
      end
    end)
    for _ = 1, 200 do assert.equal("well", fixture.ask(url, "GET /").body) end
    for _, conn in ipairs(slow) do
      assert.equal("HTTP/1.1 408 Request Timeout", (conn:read_line()))
    end
    trickle:cancel()
    for _, conn in ipairs(slow) do conn:close() end
  end)
end)
