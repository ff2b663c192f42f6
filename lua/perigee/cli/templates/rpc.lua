--- perigee new rpc NAME: JSON-RPC 2.0 over HTTP.

return {
  try = [[curl -d '{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}' http://127.0.0.1:9082]],
  service = [==[
--- {{NAME}}: functions that are called by JSON-RPC 2.0 (https://www.jsonrpc.org/specification), over HTTP.
---   perigee run {{NAME}}.lua --watch     and in another terminal:
---   curl -d '{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}' http://127.0.0.1:9082

local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local service <const> = require "perigee.service"

-- Each option can be set from outside: perigee run {{NAME}}.lua --set {{NAME}}.listen=http://*:9082
local options <const> = service.options { listen = "http://127.0.0.1:9082" }

-- What is to survive a reload is kept by a name; all else is made anew. Save this file under `run --watch`, or say
-- `perigee reload`: the count goes on. When its form changes, raise its version, and bring the old along:
--   service.state("calls", initial, { version = 2, migrate = function(old, from) return { count = old.count } end })
local calls <const> = service.state("calls", function() return { count = 0 } end)

-- Next: write functions of your own. `params` is what the client sent: a list, or a table by name.
local methods <const> = {}

function methods.add(params)
  local x <const>, y <const> = params[1] or params.x, params[2] or params.y
  if not (math.type(x) and math.type(y)) then error { code = -32602, message = "add takes two numbers: x, y" } end
  return x + y
end

function methods.count() return calls.count end

-- The protocol. What answers a call is made as text here, so that a result which is no JSON fails this call alone.
local function answer(id, field, value)
  return json.encode { jsonrpc = "2.0", id = id, [field] = value }
end

local function refuse(id, code, message)
  return answer(id, "error", { code = code, message = message })
end

local is_id <const> = { string = true, number = true, ["nil"] = true } -- of what types; null is one too

local function is_call(call)
  return type(call) == "table" and call.jsonrpc == "2.0" and type(call.method) == "string"
    and (call.params == nil or type(call.params) == "table") and (is_id[type(call.id)] or call.id == json.null)
end

--- The answer to a call; nil to one without an id, which wants none.
local function respond(call)
  if not is_call(call) then return refuse(json.null, -32600, "Invalid Request") end
  local method <const> = methods[call.method]
  if not method then return call.id ~= nil and refuse(call.id, -32601, "Method not found") or nil end
  calls.count = calls.count + 1
  local ok <const>, result <const> = pcall(function()
    local value <const> = method(call.params or {})
    return answer(call.id, "result", value == nil and json.null or value)
  end)
  if type(result) == "userdata" then error(result, 0) end -- this task is to end, say for a deadline
  local is_refusal <const> = type(result) == "table" and result.code
  if not ok and not is_refusal then log.error("a call failed", { method = call.method, reason = result }) end
  if call.id == nil then return end
  if ok then return result end
  return refuse(call.id, is_refusal or -32603, is_refusal and result.message or "Internal error")
end

--- What answers a batch, a list of calls.
local function respond_all(batch)
  local answers <const> = {}
  for _, call in ipairs(batch) do answers[#answers + 1] = respond(call) end
  return #answers > 0 and "[" .. table.concat(answers, ",") .. "]" or nil
end

local app <const> = http.app()
app:post("/", function(request)
  local call <const>, message <const>, code <const> = request:json()
  if code == "protocol" then return http.json(refuse(json.null, -32700, "Parse error")) end
  if message then return http.refuse(message, code) end -- it was too long or too slow
  local text <const> = (type(call) == "table" and call[1] ~= nil and respond_all or respond)(call)
  return text and http.json(text) or http.no_content()
end)

http.serve(options.listen, app)
]==],
  spec = [==[
--- perigee test {{SPEC}}

local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local testing <const> = require "perigee.testing"

local script <const> = (debug.getinfo(1, "S").source:match "^@(.*/)" or "") .. "../{{NAME}}.lua"

describe("{{NAME}}", function()
  local server

  --- What is answered to a text, or to a value as JSON.
  local function post(value)
    local body <const> = type(value) == "string" and value or json.encode(value)
    local conn <close> = assert(net.connect("tcp://127.0.0.1:" .. server.port, { timeout = 5 }))
    local head <const> = "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    conn:write(head:format(#body), body)
    local answer <const> = conn:read_all():match "\r\n\r\n(.*)$"
    return answer ~= "" and json.decode(answer) or nil
  end

  local function call(method, params, id)
    return { jsonrpc = "2.0", method = method, params = params, id = id }
  end

  local function result(value, id)
    return { jsonrpc = "2.0", result = value, id = id }
  end

  local function refusal(code, id)
    return function(answer) return answer.error.code == code and answer.id == id end
  end

  -- A server of its own for each test, at a free port.
  before_each(function() server = testing.run(script, { listen = "http://127.0.0.1:0" }) end)
  after_each(function() server:close() end)

  it("calls a method, with its parameters in order or by name", function()
    assert.same(result(5, 1), post(call("add", { 2, 3 }, 1)))
    assert.same(result(5, "a"), post(call("add", { x = 2, y = 3 }, "a")))
    assert.same(result(3, 2), post(call("count", nil, 2)))
  end)

  it("answers each of a batch, but those without an id", function()
    assert.same({ result(3, 1), result(7, 2) },
      post { call("add", { 1, 2 }, 1), call("add", { 0, 0 }), call("add", { 3, 4 }, 2) })
    assert.is_nil(post { call("add", { 1, 2 }) })
  end)

  it("says what was wrong", function()
    assert.is_true(refusal(-32700, json.null)(post "no JSON"))
    assert.is_true(refusal(-32600, json.null)(post "[]"))
    assert.is_true(refusal(-32601, 1)(post(call("nothing", nil, 1))))
    assert.is_true(refusal(-32602, 1)(post(call("add", { 1, "two" }, 1))))
  end)
end)
]==],
}
