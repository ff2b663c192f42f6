--- The type of a file was sent unchecked, so a line end in it added headers; a 204 that was a file or a stream was
--- followed by its body, which the client took for the next answer; a handler could answer with 1xx, and so never.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local log <const> = require "perigee.log"

local FILE <const> = "scripts/echo.lua"
local NEXT <const> = "GET /next HTTP/1.1\r\nHost: spec\r\nAccept: a\r\nAccept: b\r\nCookie: a=b\r\nCookie: c=d\r\n\r\n"

local function with_status(response, status)
  response.status = status
  return response
end

local answers <const> = {
  ["/type"] = function() return http.file(FILE, { type = "text/plain\r\nX-Evil: yes" }) end,
  ["/parts"] = function() return http.multipart(function(send) send "x" end, { type = "a/b\r\nX-Evil: yes" }) end,
  ["/file"] = function() return with_status(http.file(FILE), 204) end,
  ["/stream"] = function() return http.stream(function(write) write "body" end, { status = 204 }) end,
  ["/103"] = function() return http.response(103) end,
  ["/101"] = function() return http.response(101) end,
  ["/next"] = function(request) return request.headers.accept .. " " .. request.headers.cookie end,
}

local function read_both(url, path)
  local conn <close> = fixture.connect(url)
  conn:write("GET " .. path .. " HTTP/1.1\r\nHost: spec\r\n\r\n" .. NEXT)
  return fixture.read(conn), fixture.read(conn)
end

describe("a response", function()
  helper.leaves_nothing(before_each, after_each)
  setup(function() log.configure { write = function() end } end)
  teardown(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  it("has no type with a line end", function()
    local server <close>, url <const> = fixture.serve(function(request) return answers[request.path](request) end)
    local answer <const> = read_both(url, "/type")
    assert.same({ 500, nil }, { answer.status, answer.headers["x-evil"] })
    local conn <close> = fixture.connect(url)
    conn:write "GET /parts HTTP/1.1\r\nHost: spec\r\n\r\n"
    assert.not_matches("X-Evil", conn:read_all(), 1, true)
    assert.is_true(server.is_open)
  end)

  it("without a body is followed by the next answer", function()
    local server <close>, url <const> = fixture.serve(function(request) return answers[request.path](request) end)
    for path, status in pairs { ["/file"] = 204, ["/stream"] = 204, ["/103"] = 500, ["/101"] = 500 } do
      local first <const>, second <const> = read_both(url, path)
      assert.same({ path, status, 200, "a, b a=b; c=d" }, { path, first.status, second.status, second.body })
    end
    assert.is_true(server.is_open)
  end)
end)
