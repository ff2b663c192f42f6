local json <const> = require "perigee.rpc.json"
local rpc <const> = require "perigee.rpc"

-- Arguments have their number in the field n: a peer that sent a table with the key n had the loop go as far.
describe("a multicall", function()
  local service <const> = rpc.service {
    add = function(x, y) return x + y end, count = function(...) return select("#", ...) end,
    large = function() return ("x"):rep(1000000) end,
  }

  local function refusal_of(parameters)
    local _ <const>, results <const> =
      service:call("system.multicall", { { { methodName = "add", params = parameters } } })
    return results[1].faultString
  end

  it("takes no other length than that of its lists", function()
    local why <const> = "a call has a methodName and an array of params"
    assert.equal(why, refusal_of { n = math.maxinteger })
    assert.equal(why, refusal_of { 1, 2, n = math.maxinteger })
    local scattered <const> = {}
    for exponent = 0, 62 do scattered[1 << exponent] = 1 end -- # may say 2^62
    assert.equal(why, refusal_of(scattered))
    assert.is_false((service:call("system.multicall", { scattered })))
  end)

  it("makes no more calls when the results are long", function()
    local calls <const> = {}
    for i = 1, 20 do calls[i] = { methodName = "large", params = {} } end
    local _ <const>, results <const> = service:call("system.multicall", { calls })
    assert.equal(20, #results)
    assert.equal(1000000, #results[5][1])
    assert.same({ faultCode = -32000, faultString = "the results of the calls before this one are too long" },
      results[6])
  end)

  it("in a batch of JSON-RPC makes no more calls when the answers are long", function()
    local one <const> = '{"jsonrpc":"2.0","method":"large","id":1}'
    local answer <const> = json.answer(service, "[" .. one .. ("," .. one):rep(99) .. "]")
    assert.is_true(#answer < 6000000)
    assert.truthy(answer:find("the answers to the calls before this one are too long", 1, true))
  end)
end)

describe("a call", function()
  it("has at most 10,000 parameters", function()
    local service <const> = rpc.service { count = function(...) return select("#", ...) end }
    local many <const> = {}
    for i = 1, 10001 do many[i] = i end
    local ok <const>, fault <const> = service:call("count", many)
    assert.same({ false, -32602, "a call has at most 10000 parameters" }, { ok, fault.code, fault.message })
    many[10001] = nil
    assert.same({ true, 10000 }, { service:call("count", many) })
  end)
end)
