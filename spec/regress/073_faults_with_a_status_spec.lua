--- Many servers of JSON-RPC answer a fault by a status of its own, as 404 or 500: the client told of that alone.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local rpc <const> = require "perigee.rpc"

describe("a fault whose HTTP status is a failure", function()
  helper.leaves_nothing(before_each, after_each)

  local function try(status, answer)
    local server <close> = assert(http.serve("http://127.0.0.1:0", function(request)
      local text <const> = type(answer) == "string" and answer or json.encode(answer(request:json().id))
      return http.response(status, text)
    end))
    local remote <close> = rpc.connect(tostring(server.address))
    local result <const>, message <const>, code <const> = rpc.try(remote, "getblockhash", -1)
    http.close_idle()
    return result, message, code
  end

  local function failed(id)
    return { result = json.null, error = { code = -8, message = "Block height out of range" }, id = id }
  end

  it("is raised as a fault", function()
    assert.same({ nil, "Block height out of range", -8 }, { try(500, failed) })
    assert.same({ nil, "Block height out of range", -8 }, { try(400, function() return failed(json.null) end) })
  end)

  it("is but a status when it is no fault of this call", function()
    for _, answer in ipairs { "<html>", "", '{"status":500,"error":"Internal Server Error"}', "[]",
      function() return failed(1000) end, function(id) return { result = 1, id = id } end } do
      local result <const>, message <const>, code <const> = try(500, answer)
      assert.is_nil(result)
      assert.is_truthy(message:find("the server answers 500", 1, true), message)
      assert.equal("refused", code)
    end
  end)
end)
