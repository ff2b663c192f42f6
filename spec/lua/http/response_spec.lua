local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"

--- The answer to a request, with header fields, when a handler returns `value`.
local function answer_with(value, fields, method)
  local _ <close>, url <const> = fixture.serve(function() return value end)
  return fixture.ask(url, ("%s / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n"):format(method or "GET",
    fields or ""))
end

describe("a response's header fields", function()
  helper.leaves_nothing(before_each, after_each)

  it("are set, read and taken away by any case of the name", function()
    local response <const> = http.text "x":set("X-One", "1"):set("x-ONE", "2"):set("X-Two", "3"):set("x-two", nil)
    assert.same({ "2", nil, "text/plain; charset=utf-8" },
      { response:get "X-One", response:get "X-Two", response:get "content-type" })
    local answer <const> = answer_with(response)
    assert.same({ "2", nil }, { answer.headers["x-one"], answer.headers["x-two"] })
  end)

  it("may be there several times, in the order in which they were added", function()
    local list <const> = { "1" }
    local response <const> = http.response(200, "x", { ["X-A"] = list }):add("x-a", "2"):add("X-A", "3"):add("X-B", "4")
    assert.same({ "1" }, list)
    local headers <const> = answer_with(response).headers
    assert.same({ { "1", "2", "3" }, "4" }, { headers["x-a"], headers["x-b"] })
  end)

  it("name what the answer depends on once each, as whole names", function()
    for _, case in ipairs {
      { nil, { "Origin" }, "Origin" }, { "origin", { "Origin" }, "origin" }, { "*", { "Origin" }, "*" },
      { "Accept, Origin", { "ORIGIN", "accept" }, "Accept, Origin" },
      { "X-Origin", { "Origin" }, { "X-Origin", "Origin" } }, { nil, { "A", "B", "a", "b" }, { "A", "B" } },
    } do
      local response <const> = http.text "x":set("Vary", case[1])
      for _, name in ipairs(case[2]) do response:vary(name) end
      assert.same(case[3], response:get "Vary")
    end
  end)

  it("keep what they depend on beside that of compression", function()
    local answer <const> = answer_with(http.text(("hello "):rep(1000)):vary "Origin", "Accept-Encoding: gzip\r\n")
    assert.same({ "gzip", { "Origin", "Accept-Encoding" } },
      { answer.headers["content-encoding"], answer.headers.vary })
  end)
end)

describe("a cookie that is refused", function()
  for what, case in pairs {
    ["for its name"] = { { "a b", "1" }, "cookie name 'a b'" }, ["for no name"] = { { "", "1" }, "cookie name ''" },
    ["for its value"] = { { "a", "1;2" }, "a cookie's value must have no space" },
    ["for bytes beyond ASCII"] = { { "a", "\xc3\xa9" }, "a cookie's value" },
    ["for no value"] = { { "a" }, "a cookie's value" },
    ["for its path"] = { { "a", "1", { path = "/;x" } }, "option 'path'" },
    ["for its domain"] = { { "a", "1", { domain = "x\r\ny" } }, "option 'domain'" },
    ["for a part of a second"] = { { "a", "1", { max_age = 1.5 } }, "option 'max_age'" },
    ["for a site that there is not"] = { { "a", "1", { same_site = "never" } }, "option 'same_site'" },
    ["for an unknown option"] = { { "a", "1", { maxage = 1 } }, "there is no option 'maxage'" },
  } do
    it(what .. " raises at the script's line", function()
      local response <const> = http.text "x"
      local ok <const>, message <const> = pcall(function()
        response:set_cookie(case[1][1], case[1][2], case[1][3])
      end)
      assert.is_false(ok)
      assert.matches("^spec/lua/http/response_spec.lua:%d+: ", message)
      assert.matches(case[2], message, 1, true)
      assert.is_nil(response:get "Set-Cookie")
    end)
  end

  it("is none of those for other sites, which are made secure", function()
    local response <const> = http.text "x":set_cookie("a", "", { same_site = "none" })
    assert.same({ "a=; Path=/; Secure; HttpOnly; SameSite=None" }, response:get "Set-Cookie")
  end)
end)

describe("a response made by", function()
  helper.leaves_nothing(before_each, after_each)

  for what, case in pairs {
    ["created"] = { http.created("/items/7", { id = 7 }), 201, '{"id":7}', { location = "/items/7" } },
    ["created, without a body"] = { http.created "/items/7", 201, "", { location = "/items/7" } },
    ["no_content"] = { http.no_content(), 204, "", { ["content-length"] = nil } },
    ["redirect"] = { http.redirect "/x?y=1", 303, "", { location = "/x?y=1" } },
    ["redirect, for good"] = { http.redirect("https://example.org/", 308), 308, "",
      { location = "https://example.org/" } },
    ["text"] = { http.text("x", 202), 202, "x", { ["content-type"] = "text/plain; charset=utf-8" } },
    ["html"] = { http.html "<p>", 200, "<p>", { ["content-type"] = "text/html; charset=utf-8" } },
    ["xml"] = { http.xml("<a/>", 400), 400, "<a/>", { ["content-type"] = "application/xml" } },
    ["refuse, for its limit"] = { http.refuse("m", "limit"), 413, nil, {} },
    ["refuse, for its time"] = { http.refuse("m", "timeout"), 408, nil, {} },
    ["refuse, for anything else"] = { http.refuse "m", 400, nil, {} },
  } do
    it(what .. " is sent so", function()
      local answer <const> = answer_with(case[1])
      assert.equal(case[2], answer.status)
      if case[3] then assert.equal(case[3], answer.body) end
      for name, value in pairs(case[4]) do assert.equal(value, answer.headers[name]) end
    end)
  end

  it("error says the status, its phrase and why, as JSON", function()
    local answer <const> = answer_with(http.error(404, 'no "x"'))
    assert.same({ 404, "application/json" }, { answer.status, answer.headers["content-type"] })
    assert.same({ status = 404, error = "Not Found", message = 'no "x"' },
      require "perigee.codec.json".decode(answer.body))
  end)

  it("error takes header fields, also numbers and a type of its own", function()
    local answer <const> = answer_with(http.error(429, "later", { ["Retry-After"] = 10, ["X-A"] = { "1", "2" },
      ["Content-Type"] = "application/problem+json" }))
    assert.same({ 429, "10", { "1", "2" }, "application/problem+json" }, { answer.status,
      answer.headers["retry-after"], answer.headers["x-a"], answer.headers["content-type"] })
    assert.equal("later", require "perigee.codec.json".decode(answer.body).message)
  end)

  it("error and response raise for headers that are none, at the script's line", function()
    for _, make in ipairs { function() return (http.error(429, "later", 10)) end,
      function() return (http.response(200, "<p>", "text/html")) end } do
      helper.assert_misuse("^spec/lua/http/response_spec.lua:%d+: bad argument 'headers' %(a table expected%)", make)
    end
  end)

  it("file is offered to be saved, under a name that stays within its quotes", function()
    local folder <close> = helper.directory { ["a.bin"] = "bytes" }
    local answer <const> = answer_with(http.file(tostring(folder) .. "/a.bin",
      { type = "text/csv", download = 'a"b\\\r\nX: y.csv', headers = { ["X-A"] = "b" } }))
    assert.same({ 200, "bytes", "text/csv", "b", 'attachment; filename="a_b___X: y.csv"' }, { answer.status,
      answer.body, answer.headers["content-type"], answer.headers["x-a"], answer.headers["content-disposition"] })
  end)

  it("any of them has the same head, and no body, for HEAD", function()
    for _, value in ipairs { "text", { a = 1 }, http.html "<p>", http.error(404) } do
      local get <const>, head <const> = answer_with(value), answer_with(value, "", "HEAD")
      assert.same({ get.status, get.headers["content-type"], get.headers["content-length"], "" },
        { head.status, head.headers["content-type"], head.headers["content-length"], head.body })
    end
  end)

  it("names itself", function()
    assert.equal("response: 404 Not Found", tostring(http.error(404)))
    assert.same({ true, false, false },
      { http.is_response(http.text "x"), http.is_response {}, http.is_response(nil) })
  end)
end)

describe("http.of", function()
  it("makes a response of what a handler may return", function()
    assert.same({ 204, 200, 200 }, { http.of(nil).status, http.of("x").status, http.of({}).status })
  end)

  it("gives one of its own, which may be changed", function()
    local shared <const> = http.response(200, "x", { ["X-A"] = "1" })
    http.of(shared):set("X-A", "2").status = 500
    assert.same({ 200, "1" }, { shared.status, shared:get "X-A" })
  end)
end)
