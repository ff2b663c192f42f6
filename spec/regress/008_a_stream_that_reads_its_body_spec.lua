--- A stream that had read the request's body was not told any more that its client had gone.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

describe("a stream that reads the request's body", function()
  helper.leaves_nothing(before_each, after_each)

  for name, read in pairs {
    ["at once"] = function(request) return request:body() end,
    ["in pieces"] = function(request)
      local bytes = ""
      for piece in request:chunks() do bytes = bytes .. piece end
      return bytes
    end,
  } do
    it("is cancelled when its client goes later, read " .. name, function()
      local body, ended
      local server <close>, url <const> = fixture.serve(function(request)
        return http.stream(function(write)
          local _ <close> = setmetatable({}, { __close = function() ended = true end })
          write "begun"
          body = read(request)
          task.sleep(math.huge)
        end)
      end)
      local conn <close> = fixture.connect(url)
      conn:write "POST / HTTP/1.1\r\nHost: spec\r\nContent-Length: 3\r\n\r\na"
      conn:read_line()
      conn:write "bc"
      helper.eventually(function() return body end)
      assert.equal("abc", body)
      conn:abort()
      helper.eventually(function() return ended end)
      assert.is_true(server.is_open)
    end)
  end
end)
