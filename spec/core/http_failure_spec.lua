local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local GET <const> = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

local function fail()
  error "the secret reason"
end

--- What a server for `what` answers, and what it logs meanwhile.
local function ask(what, options)
  local log <close> = fixture.log()
  local _ <close>, url <const> = fixture.serve(what, options)
  local answer <const> = fixture.ask(url, "GET /")
  return answer, tostring(log)
end

describe("a handler that raises", function()
  helper.leaves_nothing(before_each, after_each)

  it("gives 500 with an id that the log has too, beside the traceback", function()
    local answer <const>, log <const> = ask(fail)
    local id <const> = answer.headers["x-request-id"]
    assert.equal(500, answer.status)
    assert.matches("^%x+$", id)
    assert.equal("Internal Server Error\nrequest " .. id .. "\n", answer.body)
    for _, part in ipairs { "request=" .. id, "the secret reason", "stack traceback", "http_failure_spec.lua:9" } do
      assert.matches(part, log, 1, true)
    end
  end)

  it("shows the traceback to the client in development alone", function()
    local answer <const> = ask(fail, { dev = true })
    assert.matches("the secret reason", answer.body, 1, true)
    assert.matches("stack traceback", answer.body, 1, true)
  end)

  it("does not end its connection", function()
    local log <close> = fixture.log()
    local _ <close>, url <const> = fixture.serve(fail)
    local conn <close> = fixture.connect(url)
    conn:write(GET, GET)
    assert.equal(500, fixture.read(conn).status)
    assert.equal(500, fixture.read(conn).status)
    assert.matches("secret", tostring(log), 1, true)
  end)

  it("answers with the response that it raises, and logs nothing", function()
    local answer <const>, log <const> = ask(function() error(http.error(404, "no such item")) end)
    assert.equal(404, answer.status)
    assert.matches("no such item", answer.body, 1, true)
    assert.equal("", log)
  end)

  it("leaves the answer to the application's error handler", function()
    local app <const> = http.app()
    app:get("/", fail)
    app:on_error(function(request, failure)
      task.sleep(0.001)
      return http.response(503, request.path .. " failed: " .. failure:match "secret")
    end)
    local answer <const>, log <const> = ask(app)
    assert.same({ 503, "/ failed: secret" }, { answer.status, answer.body })
    assert.matches("the secret reason", log, 1, true)
  end)

  it("has an error handler that raises too", function()
    local failures <close> = helper.failures()
    local app <const> = http.app()
    app:get("/", fail)
    app:on_error(function() error "worse" end)
    local answer <const> = ask(app)
    assert.equal(500, answer.status)
    assert.not_matches("worse", answer.body, 1, true)
    assert.matches("worse", failures[1], 1, true)
  end)

  it("in the middle of a stream cuts the connection, so that nobody takes it for the whole", function()
    local log <close> = fixture.log()
    local _ <close>, url <const> = fixture.serve(function()
      return function(write)
        write "begun"
        task.sleep(0.01)
        error "in the middle"
      end
    end)
    local conn <close> = fixture.connect(url)
    conn:write(GET)
    local all = ""
    for chunk in conn:chunks() do all = all .. chunk end
    assert.matches("begun", all, 1, true)
    assert.not_matches("\r\n0\r\n", all, 1, true)
    assert.matches("in the middle", tostring(log), 1, true)
  end)
end)

describe("a handler that returns", function()
  helper.leaves_nothing(before_each, after_each)

  for what, case in pairs {
    ["a boolean"] = { true, "the handler returned a boolean" },
    ["a coroutine"] = { coroutine.create(print), "the handler returned a thread" },
    ["what is no JSON"] = { { f = print }, "cannot encode a function at f" },
    ["a cycle"] = { (function() local t = {} t.t = t return t end)(), "a cycle" },
    ["a status that is none"] = { http.response(42, "x"), "response status must be an integer from 100 to 599" },
    ["a header with a line end"] = { http.response(200, "x", { ["X-A"] = "b\r\nX-C: d" }), "X-A" },
    ["a header's name with a line end"] = { http.response(200, "x", { ["X-A\r\nX-B"] = "c" }), "no name of a header" },
    ["a redirect with a line end"] = { http.redirect "/a\r\nSet-Cookie: b=c", "Location" },
    ["a header that is a table of tables"] = { http.response(200, "x", { ["X-A"] = { {} } }), "X-A" },
    ["a length of its own"] = { http.response(200, "x", { ["content-length"] = "5" }), "the server sets it" },
    ["a file that is not there"] = { http.file "/nowhere/at/all", "/nowhere/at/all" },
    ["a file that is a directory"] = { http.file "/tmp", "/tmp" },
  } do
    it(what .. " gives 500, and the log says why", function()
      local answer <const>, log <const> = ask(function() return case[1] end)
      assert.equal(500, answer.status)
      assert.is_nil(answer.headers["x-c"])
      assert.matches(case[2], log, 1, true)
    end)
  end

  for what, case in pairs {
    ["a string"] = { "text", 200, "text", "text/plain; charset=utf-8" },
    ["an empty string"] = { "", 200, "", "text/plain; charset=utf-8" },
    ["a number"] = { 42, 200, "42", "text/plain; charset=utf-8" },
    ["a table"] = { { a = 1 }, 200, '{"a":1}', "application/json" },
    ["an empty table"] = { {}, 200, "{}", "application/json" },
    ["nothing"] = { nil, 204, "", nil },
    ["a response without a body"] = { http.response(202), 202, "", nil },
    ["a response with a type of its own"] =
      { http.response(200, "a,b", { ["content-type"] = "text/csv" }), 200, "a,b", "text/csv" },
    ["HTML"] = { http.html "<p>", 200, "<p>", "text/html; charset=utf-8" },
    ["XML"] = { http.xml "<a/>", 200, "<a/>", "application/xml" },
    ["JSON with a status"] = { http.json({ a = 1 }, 418), 418, '{"a":1}', "application/json" },
  } do
    it(what .. " is answered so", function()
      local answer <const> = ask(function() return case[1] end)
      assert.same({ case[2], case[3], case[4] }, { answer.status, answer.body, answer.headers["content-type"] })
    end)
  end

  it("a list for a header sends it several times", function()
    local answer <const> = ask(function() return http.response(200, "x", { ["X-A"] = { "1", "2" } }) end)
    assert.same({ "1", "2" }, answer.headers["x-a"])
  end)
end)
