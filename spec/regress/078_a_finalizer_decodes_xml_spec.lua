--- Decoding allocates, so finalizers run meanwhile: one that decoded a text of its own had the first one raise.

local xmlrpc <const> = require "perigee.codec.xmlrpc"

local function text_of(count)
  local list <const> = {}
  for index = 1, count do list[index] = { a = index, b = "b" .. index } end
  return xmlrpc.encode_response(list), list
end

describe("a text of XML-RPC", function()
  it("is decoded to its end while a finalizer decodes another", function()
    local text <const>, list <const> = text_of(2000)
    local small <const> = text_of(1)
    local runs, is_over = 0, false
    local function arm()
      setmetatable({}, { __gc = function()
        if is_over then return end
        runs = runs + 1
        assert(xmlrpc.decode_response(small))
        assert(not xmlrpc.decode_response "<methodResponse>")
        arm()
      end })
    end
    local _ <close> = setmetatable({}, { __close = function() is_over = true end })
    arm()
    for _ = 1, 100 do
      local before <const> = runs
      assert.same({ true, list }, { xmlrpc.decode_response(text) })
      if runs > before then return end
    end
    error "no finalizer has run"
  end)
end)
