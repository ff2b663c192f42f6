local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local rpc <const> = require "perigee.rpc"
local xmlrpc <const> = require "perigee.codec.xmlrpc"

local noted = {}

local api <const> = rpc.service {
  add = { function(x, y) return x + y end, help = "The sum of <two>\nnumbers & more." },
  echo = function(...) return ... end,
  nothing = function() end,
  note = function(what) noted[#noted + 1] = what end,
  refuse = function() error(rpc.fault(404, "no such item", { item = 7 })) end,
  refuse_oddly = function() error(rpc.fault(404, "no \xff", { print })) end,
  find = function(name) return nil, "there is no " .. name, "unreachable" end,
  fail = function() return nothing.here end, -- luacheck: ignore
  unsendable = function() return { 1, { print } } end,
  math = { sub = function(x, y) return x - y end },
}

local function call(method, params, id)
  return { jsonrpc = "2.0", method = method, params = params, id = id }
end

local function result(value, id)
  return { jsonrpc = "2.0", result = value, id = id }
end

describe("rpc over HTTP", function()
  local logged, server, url

  before_each(function()
    noted, logged = {}, {}
    log.configure { write = function(line) logged[#logged + 1] = line end }
  end)
  after_each(function()
    log.configure { write = function(line) io.stderr:write(line) end }
    if server then server:close() end
    server = nil
  end)
  helper.leaves_nothing(before_each, after_each) -- asked behind the above

  local function serve(options)
    server, url = fixture.serve(api:app(options))
  end

  local function post(body, fields, path)
    local head <const> = "POST %s HTTP/1.1\r\nHost: spec\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n%s"
    return fixture.ask(url, head:format(path or "/", #body, fields or "", body))
  end

  --- What is answered to a value, or a text, as JSON; nil when nothing is.
  local function ask(value, fields)
    local answer <const> = post(type(value) == "string" and value or json.encode(value),
      fields or "Content-Type: application/json\r\n")
    if answer.status == 204 then return nil end
    assert.same({ 200, "application/json" }, { answer.status, answer.headers["content-type"] })
    return (assert(json.decode(answer.body)))
  end

  local function assert_refused(code, id, value)
    local answer <const> = ask(value)
    assert.same({ "2.0", code, id, "string" },
      { answer.jsonrpc, answer.error.code, answer.id, type(answer.error.message) }, value)
    return answer.error.message, answer.error.data
  end

  describe("as JSON-RPC", function()
    before_each(function() serve() end)

    it("calls by position and by name, and answers with the id", function()
      assert.same(result(19, 1), ask(call("add", { 42, -23 }, 1)))
      assert.same(result(19, "a"), ask(call("add", { y = 42, x = -23 }, "a")))
      assert.same(result(-1, 1.5), ask(call("math.sub", { 2, 3 }, 1.5)))
      assert.same(result(json.null, 0), ask(call("nothing", nil, 0)))
      assert.same(result(json.null, 0), ask(call("nothing", json.array {}, 0)))
      assert.same(result({ json.array {}, { a = json.null } }, -1),
        ask '{"jsonrpc":"2.0","method":"echo","params":[[[],{"a":null}]],"id":-1}')
      assert.same(result(7, json.null), ask '{"jsonrpc":"2.0","id":null,"params":{"x":3,"y":4},"method":"add"}')
    end)

    it("answers nothing to what has no id", function()
      assert.is_nil(ask(call("note", { 1 })))
      assert.is_nil(ask(call("no_such_method", { 1 })))
      assert.is_nil(ask(call("fail", nil)))
      assert.is_nil(ask { call("note", { 2 }), call("note", { 3 }) })
      assert.same({ 1, 2, 3 }, noted)
    end)

    it("does what the specification shows", function()
      assert_refused(-32601, "1", call("foobar", nil, "1"))
      assert_refused(-32700, json.null, '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]')
      assert_refused(-32600, json.null, '{"jsonrpc": "2.0", "method": 1, "params": "bar"}')
      assert_refused(-32700, json.null,
        '[{"jsonrpc": "2.0", "method": "add", "params": [1,2], "id": "1"}, {"jsonrpc": "2.0", "method"]')
      assert_refused(-32600, json.null, "[]")
      local function simple(answers)
        for index, answer in ipairs(answers) do
          answers[index] = answer.error and { answer.error.code, answer.id } or answer
        end
        return answers
      end
      assert.same({ { -32600, json.null } }, simple(ask "[1]"))
      assert.same({ { -32600, json.null }, { -32600, json.null }, { -32600, json.null } }, simple(ask "[1,2,3]"))
      assert.same({ result(3, "1"), { -32600, json.null }, { -32601, "5" }, result({ "hello", 5 }, "9") }, simple(ask {
        call("add", { 1, 2 }, "1"), call("note", { 7 }), { foo = "boo" }, call("foo.get", { name = "myself" }, "5"),
        call("echo", { { "hello", 5 } }, "9") }))
    end)

    it("refuses what is no call", function()
      for _, text in ipairs {
        "{}", "null", "7", '"add"', "false", '{"jsonrpc":"1.0","method":"add","id":1}', '{"method":"add","id":1}',
        '{"jsonrpc":"2.0","method":"add","params":7,"id":1}', '{"jsonrpc":"2.0","method":"add","params":null,"id":1}',
        '{"jsonrpc":"2.0","method":"add","id":[1]}', '{"jsonrpc":"2.0","method":"add","id":true}',
        '{"jsonrpc":"2.0","method":null,"id":1}', '{"jsonrpc":"2.0","id":1}',
      } do
        assert_refused(-32600, json.null, text)
      end
      for _, text in ipairs { "", "x", "{", "\xff", "<a/>", ("["):rep(10000) } do
        assert_refused(-32700, json.null, text)
      end
    end)

    it("tells faults as they are raised, and of errors nothing", function()
      assert.same({ "no such item", { item = 7 } }, { assert_refused(404, 1, call("refuse", nil, 1)) })
      assert.same({ "there is no lamp", "unreachable" }, { assert_refused(1, 1, call("find", { "lamp" }, 1)) })
      assert.equal("add takes 2 parameters, not 3", (assert_refused(-32602, 1, call("add", { 1, 2, 3 }, 1))))
      assert.equal("add has no parameter z", (assert_refused(-32602, 1, call("add", { z = 1 }, 1))))
      assert.same({}, logged)
      assert.same({ "internal error" }, { assert_refused(-32603, 1, call("fail", nil, 1)) })
      assert.same({ "internal error" }, { assert_refused(-32603, 1, call("unsendable", nil, 1)) })
      assert.equal(2, #logged)
      assert.matches("a method has failed .*method=fail .*http_spec.lua:%d+:", logged[1])
      assert.matches('what a method returned cannot be sent method=unsendable reason="cannot encode a function at ',
        logged[2])
      assert.equal("no ?", (assert_refused(404, 1, call("refuse_oddly", nil, 1))))
    end)

    it("goes on with a batch when one of its calls fails", function()
      local answers <const> = ask { call("fail", nil, 1), call("unsendable", nil, 2), call("add", { 1, 2 }, 3) }
      assert.same({ -32603, -32603, 3 }, { answers[1].error.code, answers[2].error.code, answers[3].result })
    end)

    it("says that it is limited", function()
      local batch <const> = {}
      for i = 1, 1000 do batch[i] = call("note", { i }) end
      assert.is_nil(ask(batch))
      batch[1001] = call("note", { 1001 })
      assert.equal("a batch has at most 1000 calls", (assert_refused(-32000, json.null, batch)))
      assert.equal(1000, #noted)
      assert.equal(413, post(("x"):rep(1024 * 1024 + 1)).status)
    end)

    it("describes itself", function()
      local names <const> = ask(call("system.listMethods", nil, 1)).result
      assert.same({ "add", "echo", "fail", "find", "math.sub", "note", "nothing", "refuse", "refuse_oddly",
        "rpc.discover", "system.listMethods", "system.methodHelp", "system.methodSignature", "system.multicall",
        "unsendable" }, names)
      assert.equal("The sum of <two>\nnumbers & more.", ask(call("system.methodHelp", { "add" }, 1)).result)
      assert.equal("", ask(call("system.methodHelp", { "echo" }, 1)).result)
      assert.equal("undef", ask(call("system.methodSignature", { "add" }, 1)).result)
      assert_refused(-32601, 1, call("system.methodHelp", { "divide" }, 1))
      assert_refused(-32601, 1, call("system.methodSignature", { 7 }, 1))
      local document <const> = ask(call("rpc.discover", nil, 1)).result
      assert.same({ "1.2.6", "string", "string" },
        { document.openrpc, type(document.info.title), type(document.info.version) })
      assert.same({ name = "add", description = "The sum of <two>\nnumbers & more.", paramStructure = "either",
        params = { { name = "x", schema = {} }, { name = "y", schema = {} } },
        result = { name = "result", schema = {} } }, document.methods[1])
    end)

    it("makes several calls at once by system.multicall", function()
      local function multicall(calls) return ask(call("system.multicall", { json.array(calls) }, 1)) end
      assert.same({ { 3 }, { json.null }, { faultCode = 404, faultString = "no such item" },
        { faultCode = -32601, faultString = "there is no method divide" } }, multicall({
        { methodName = "add", params = { 1, 2 } }, { methodName = "nothing", params = json.array {} },
        { methodName = "refuse", params = json.array {} }, { methodName = "divide", params = { 1 } } }).result)
      assert.same({}, multicall({}).result)
      local answers <const> = multicall({ 7, { methodName = 7, params = {} }, { methodName = "add" },
        { methodName = "system.multicall", params = { {} } } }).result
      for _, answer in ipairs(answers) do assert.equal(-32602, answer.faultCode) end
      assert_refused(-32602, 1, call("system.multicall", { 7 }, 1))
      assert_refused(-32602, 1, call("system.multicall", { { a = 1 } }, 1))
      local many <const> = {}
      for i = 1, 1001 do many[i] = { methodName = "note", params = { i } } end
      assert_refused(-32000, 1, call("system.multicall", { many }, 1))
      assert.same({}, noted)
    end)
  end)

  describe("as XML-RPC", function()
    before_each(function() serve() end)

    local function ask_xml(text, fields)
      local answer <const> = post(text, fields or "Content-Type: text/xml\r\n", "/RPC2")
      assert.same({ 200, "text/xml" }, { answer.status, answer.headers["content-type"] })
      return xmlrpc.decode_response(answer.body)
    end

    it("calls methods, whose faults are answers of status 200", function()
      local function ask_call(...) return ask_xml(xmlrpc.encode_call(...)) end
      assert.same({ true, 5 }, { ask_call("add", { 2, 3 }) })
      assert.same({ true, -1 }, { ask_call("math.sub", { 2, 3 }) })
      assert.same({ true, nil, n = 2 }, table.pack(ask_call "nothing"))
      assert.same({ false, { code = 404, message = "no such item" } }, { ask_call "refuse" })
      assert.same({ false, { code = 404, message = "no ?" } }, { ask_call "refuse_oddly" })
      assert.same({ false, { code = 1, message = "there is no lamp" } }, { ask_call("find", { "lamp" }) })
      assert.same({ false, { code = -32601, message = "there is no method divide" } }, { ask_call "divide" })
      assert.same({ false, { code = -32603, message = "internal error" } }, { ask_call "fail" })
      assert.same({ false, { code = -32603, message = "internal error" } }, { ask_call "unsendable" })
    end)

    it("says what is no call", function()
      local bomb <const> = "<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall><methodName>&b;</methodName></methodCall>"
      for text, message in pairs {
        [""] = "invalid XML-RPC at byte 1: no element found", ["{}"] =
          "invalid XML-RPC at byte 1: not well-formed (invalid token)",
        ["<methodResponse/>"] = "invalid XML-RPC at byte 1: <methodCall> expected, not <methodResponse>",
        [bomb] = "invalid XML-RPC at byte 13: a DOCTYPE is refused",
      } do
        assert.same({ false, { code = -32700, message = message } }, { ask_xml(text) })
      end
    end)
  end)

  describe("for whomever comes", function()
    it("tells XML from JSON by the type, else by the first byte, on any path", function()
      serve()
      local xml <const>, text <const> = xmlrpc.encode_call("add", { 2, 3 }), json.encode(call("add", { 2, 3 }, 1))
      for _, fields in ipairs { "", "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: text/plain; charset=utf-8\r\n" } do
        for _, path in ipairs { "/", "/RPC2", "/a/b?c=d" } do
          assert.matches("^{.*5", post(text, fields, path).body)
          assert.matches("^{.*5", post(" \n" .. text, fields, path).body)
          for _, start in ipairs { "", "\xEF\xBB\xBF" } do
            assert.matches("^<.*5", post(start .. xml, fields, path).body)
          end
          assert.matches("^<.*5", post("\n" .. xml:gsub("^.-\n", ""), fields, path).body)
          assert.matches("^<.*5", post("\xFF\xFE" .. xml:gsub(".", "%0\0"), fields, path).body)
        end
      end
      for _, kind in ipairs { "text/xml", "Application/XML; charset=utf-8" } do
        assert.matches("^<.*fault", post(text, "Content-Type: " .. kind .. "\r\n").body)
      end
      assert.matches("^{.*error", post(xml, "Content-Type: application/json;charset=utf-8\r\n").body)
    end)

    it("has a limit for bodies that is set", function()
      serve { limit = 100, batch = 2 }
      assert.equal(413, post(("x"):rep(101)).status)
      assert.equal("a batch has at most 2 calls", (assert_refused(-32000, json.null, "[1,2,3]")))
    end)

    it("takes no compressed bodies", function()
      serve()
      local answer <const> = post("x", "Content-Encoding: gzip\r\n")
      assert.same({ 415, "identity" }, { answer.status, answer.headers["accept-encoding"] })
    end)

    it("refuses pages of other origins, and has no CORS headers", function()
      serve()
      local text <const> = json.encode(call("note", { 1 }, 1))
      for _, origin in ipairs { "http://evil.example", "null", "http://spec.evil.example", "https://spec:1" } do
        assert.equal(403, post(text, "Origin: " .. origin .. "\r\n").status)
      end
      assert.same({}, noted)
      local answer <const> = post(text, "Origin: http://spec\r\n")
      assert.equal(200, answer.status)
      for name in pairs(answer.headers) do assert.is_nil(name:find "^access%-control") end
      assert.equal(204, fixture.ask(url, "OPTIONS /").status)
    end)

    it("lets pages of the origins that are allowed call, with CORS headers", function()
      serve { origins = { "http://good.example" } }
      local text <const> = json.encode(call("note", { 1 }, 1))
      local answer <const> = post(text, "Origin: http://good.example\r\n")
      assert.same({ 200, "http://good.example" }, { answer.status, answer.headers["access-control-allow-origin"] })
      assert.equal(403, post(text, "Origin: http://evil.example\r\n").status)
      local asked <const> = fixture.ask(url, "OPTIONS / HTTP/1.1\r\nHost: spec\r\nConnection: close\r\n" ..
        "Origin: http://good.example\r\nAccess-Control-Request-Method: POST\r\n" ..
        "Access-Control-Request-Headers: content-type\r\n\r\n")
      assert.same({ 204, "http://good.example", "GET, HEAD, POST", "content-type" }, { asked.status,
        asked.headers["access-control-allow-origin"], asked.headers["access-control-allow-methods"],
        asked.headers["access-control-allow-headers"] })
    end)

    it("shows a browser the methods with their help, and loads nothing", function()
      serve()
      local head <const> =
        "GET / HTTP/1.1\r\nHost: spec:80\r\nConnection: close\r\nAccept: text/html,*/*;q=0.8\r\n\r\n"
      local answer <const> = fixture.ask(url, head)
      assert.same({ 200, "text/html; charset=utf-8" }, { answer.status, answer.headers["content-type"] })
      assert.matches("default%-src 'none'", answer.headers["content-security-policy"])
      assert.truthy(answer.body:find(
        "<code>add(x, y)</code></dt>\n<dd>The sum of &lt;two&gt;\nnumbers &amp; more.</dd>", 1, true))
      assert.truthy(answer.body:find("<code>echo(...)</code>", 1, true))
      assert.truthy(answer.body:find("http://spec:80/", 1, true))
      for link in answer.body:gmatch "[hs][rr][ec]f?=\"(.-)\"" do assert.equal("data:,", link) end
    end)

    it("shows curl the same as text", function()
      serve()
      local answer <const> = fixture.ask(url, "GET /anything")
      assert.same({ 200, "text/plain; charset=utf-8" }, { answer.status, answer.headers["content-type"] })
      assert.truthy(answer.body:find("\nadd(x, y)\n  The sum of <two>\n  numbers & more.\n", 1, true))
      assert.equal(200, fixture.ask(url, "HEAD /").status)
      local refused <const> = fixture.ask(url, "DELETE /")
      assert.same({ 405, "GET, HEAD, OPTIONS, POST" }, { refused.status, refused.headers.allow })
    end)

    it("is mounted in another application", function()
      local app <const> = http.app()
      app:get("/", function() return "home" end)
      app:mount("/rpc", api:app())
      server, url = fixture.serve(app)
      assert.equal("home", fixture.ask(url, "GET /").body)
      assert.matches("5", post(json.encode(call("add", { 2, 3 }, 1)), "", "/rpc").body)
      assert.matches("5", post(xmlrpc.encode_call("add", { 2, 3 }), "", "/rpc/RPC2").body)
    end)

    it("raises for options that are none", function()
      for message, options in pairs {
        ["there is no option 'body'"] = { body = 1 },
        ["option 'batch' must be an integer of 1 or more"] = { batch = 0 },
        ["option 'limit' must be an integer of 1 or more"] = { limit = 1.5 },
        ["option 'origins' must be a list or \"*\""] = { origins = "http://a" },
      } do
        assert.error_matches(function() api:app(options) end, message, 1, true)
      end
    end)
  end)
end)
