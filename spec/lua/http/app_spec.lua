local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"

--- The body, or the status when it is none of 200.
local function ask(url, text)
  local answer <const> = fixture.ask(url, text)
  return answer.status == 200 and answer.body or answer.status, answer
end

local function say(text)
  return function() return text end
end

describe("an application", function()
  helper.leaves_nothing(before_each, after_each)

  it("finds handlers by method and pattern, the most literal first", function()
    local app <const> = http.app()
    app:get("/", say "root")
    app:get("/items", say "list")
    app:get("/items/new", say "new")
    app:get("/items/{id}", function(request) return "item " .. request.params.id end)
    app:post("/items", say "made")
    app:get("/files/{path...}", function(request) return "file " .. request.params.path end)
    app:get("/{a}/b/{c}", function(request) return request.params.a .. request.params.c end)
    app:route("PROPFIND", "/items", say "found")
    local _ <close>, url <const> = fixture.serve(app)
    for text, expected in pairs {
      ["GET /"] = "root", ["GET /items"] = "list", ["GET /items/new"] = "new", ["GET /items/7"] = "item 7",
      ["GET /items/7?x=/a/b"] = "item 7", ["POST /items"] = "made", ["PROPFIND /items"] = "found",
      ["GET /files/a/b.txt"] = "file a/b.txt", ["GET /x/b/y"] = "xy", ["GET /items/b/z"] = "itemsz",
      ["GET /items/caf%C3%A9%2Fbar"] = "item café/bar", ["GET /items/"] = 404, ["GET /items/7/8"] = 404,
      ["GET /files/"] = 404, ["GET /nothing"] = 404, ["GET http://spec/items"] = "list", ["GET http://spec"] = "root",
    } do
      assert.same({ text, expected }, { text, (ask(url, text)) })
    end
  end)

  it("answers what it has no handler for: 404, 405, OPTIONS, HEAD", function()
    local app <const> = http.app()
    app:get("/x", say "x")
    app:put("/x", say "put")
    local _ <close>, url <const> = fixture.serve(app)
    local status <const>, answer <const> = ask(url, "POST /x")
    assert.same({ 405, "GET, HEAD, OPTIONS, PUT" }, { status, answer.headers.allow })
    assert.same({ 204, "GET, HEAD, OPTIONS, PUT" },
      { ask(url, "OPTIONS /x"), select(2, ask(url, "OPTIONS /x")).headers.allow })
    assert.equal("1", fixture.ask(url, "HEAD /x").headers["content-length"])
    assert.equal(404, (ask(url, "POST /y")))
    assert.matches("nothing is served at /y", select(2, ask(url, "GET /y")).body, 1, true)
  end)

  it("mounts others, whose middleware, 404 and error handler stay theirs", function()
    local order <const> = {}
    local function note(name)
      return function(request, next)
        order[#order + 1] = name
        return next(request)
      end
    end
    local app <const>, api <const>, deep <const> = http.app(), http.app(), http.app()
    app:use(note "app"):use(note "second")
    api:use(note "api"):not_found(say "no such thing in the api")
    api:on_error(function() return http.error(503, "api") end)
    api:get("/", say "api root")
    api:get("/fail", function() error "x" end)
    deep:get("/fail", function() error "y" end)
    deep:get("/ok", say "deep")
    api:mount("/deep", deep)
    app:mount("/api", api)
    app:get("/", say "root")
    local log <close> = fixture.log()
    local _ <close>, url <const> = fixture.serve(app)
    assert.equal("deep", (ask(url, "GET /api/deep/ok")))
    assert.same({ "app", "second", "api" }, order)
    assert.equal("api root", (ask(url, "GET /api")))
    assert.equal("no such thing in the api", (ask(url, "GET /api/x")))
    assert.equal("no such thing in the api", (ask(url, "GET /api/deep/x")))
    assert.equal(404, (ask(url, "GET /apix")))
    assert.equal(503, (ask(url, "GET /api/fail")))
    assert.equal(503, (ask(url, "GET /api/deep/fail")))
    assert.matches("stack traceback", tostring(log), 1, true)
  end)

  it("lets middleware answer for the handler, and change what it answers", function()
    local app <const> = http.app()
    app:use(function(request, next)
      if request.query.stop then return "stopped" end
      return http.of(next(request)):set("X-Seen", request.path)
    end)
    app:get("/x", say "x")
    local _ <close>, url <const> = fixture.serve(app)
    assert.equal("stopped", (ask(url, "GET /x?stop=1")))
    local _ <const>, answer <const> = ask(url, "GET /x")
    assert.same({ "x", "/x" }, { answer.body, answer.headers["x-seen"] })
    assert.equal("/y", select(2, ask(url, "GET /y")).headers["x-seen"])
  end)

  for what, case in pairs {
    ["a pattern without a slash"] = { function(app) app:get("x", print) end, "pattern 'x'" },
    ["a parameter without a name"] = { function(app) app:get("/{}", print) end, "pattern '/{}'" },
    ["a rest that is not last"] = { function(app) app:get("/{a...}/b", print) end, "pattern" },
    ["a handler that is none"] = { function(app) app:get("/", "x") end, "bad argument 'handler'" },
    ["a second handler"] = { function(app) app:get("/", print):get("/", print) end, "GET /: it has a handler already" },
    ["an unknown option"] = { function(app) app:get("/", print, { limit = 1 }) end, "there is no option 'limit'" },
    ["a method with a space"] = { function(app) app:route("A B", "/", print) end, "bad argument 'method'" },
    ["middleware that is none"] = { function(app) app:use(1) end, "bad argument 'f'" },
    ["a prefix with a slash at its end"] = { function(app) app:mount("/x/", http.app()) end, "bad argument 'prefix'" },
    ["a mount of itself"] = { function(app) app:mount("/x", app) end, "bad argument 'app'" },
    ["a directory that is not there"] = { function(app) app:static("/", "/nowhere") end, "no such directory" },
    ["an unknown option of a WebSocket"] =
      { function(app) app:websocket("/", print, { size = 1 }) end, "there is no option 'size'" },
  } do
    it("refuses " .. what .. ", at the script's line", function()
      local ok <const>, message <const> = pcall(case[1], http.app())
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
      assert.matches("^spec/lua/http/app_spec.lua:%d+: ", message)
    end)
  end

  it("does not change once it is served", function()
    local app <const> = http.app()
    local _ <close> = fixture.serve(app)
    local ok <const>, message <const> = pcall(app.get, app, "/", print)
    assert.is_false(ok)
    assert.matches("the application is being served", message, 1, true)
  end)

  it("says which two handlers are in each other's way", function()
    local app <const>, api <const> = http.app(), http.app()
    api:get("/x", print)
    app:get("/api/x", print):mount("/api", api)
    local ok <const>, message <const> = pcall(http.serve, "http://127.0.0.1:0", app)
    assert.is_false(ok)
    assert.matches("GET /api/x: two handlers", message, 1, true)
  end)
end)

describe("http.serve", function()
  helper.leaves_nothing(before_each, after_each)

  for what, case in pairs {
    ["no application"] = { { "http://127.0.0.1:0", 1 }, "bad argument 'app'" },
    ["an unknown option"] = { { "http://127.0.0.1:0", print, { bodylimit = 1 } }, "there is no option 'bodylimit'" },
    ["an option out of range"] =
      { { "http://127.0.0.1:0", print, { header_count = 1000 } }, "option 'header_count' must be an integer from 1" },
    ["a scheme that is not HTTP's"] = { { "udp://127.0.0.1:0", print }, "http://, https:// and unix: can" },
    ["https without a certificate"] = { { "https://127.0.0.1:0", print }, "https:// needs a certificate" },
  } do
    it("refuses " .. what, function()
      local ok <const>, message <const> = pcall(http.serve, table.unpack(case[1]))
      assert.is_false(ok)
      assert.matches(case[2], message, 1, true)
    end)
  end

  it("fails for an address in use", function()
    local server <close> = assert(http.serve("http://127.0.0.1:0", print))
    local again <const>, message <const>, code <const> = http.serve(tostring(server.address), print)
    assert.is_nil(again)
    assert.matches("Address already in use", message, 1, true)
    assert.equal("exists", code)
  end)

  it("is only tried by perigee check, which says what is wrong with it", function()
    local head <const> = 'local http <const> = require "perigee.http"\nlocal app <const> = http.app()\n'
    local server <close> = assert(http.serve("http://127.0.0.1:0", print))
    for text, expected in pairs {
      ['app:get("/", print)\nhttp.serve("http://127.0.0.1:0", app)'] = "",
      ['http.serve("http://127.0.0.1:0", app, { bodylimit = 1 })'] = "x.lua:3: there is no option 'bodylimit'",
      ['app:get("x", print)'] = "x.lua:3: pattern 'x'",
      ['app:get("/", print):get("/", print)'] = "x.lua:3: GET /: it has a handler already",
      ['http.serve("http://192.0.2.1:1", app)'] = "x.lua:3: listen on http://192.0.2.1:1: Cannot assign requested",
      [('http.serve("%s", app)'):format(tostring(server.address))] = "x.lua: note: listen on http://127.0.0.1:",
    } do
      local folder <close> = helper.directory { ["x.lua"] = head .. text .. "\n" }
      local output <const>, status <const> = helper.run(("%s check %s/x.lua"):format(helper.binary, tostring(folder)))
      assert.matches(expected, output, 1, true)
      assert.equal((expected == "" or expected:find("note: ", 1, true)) and 0 or 1, status)
    end
  end)

  it("logs each answer when it is told to", function()
    local log <close> = fixture.log()
    local _ <close>, url <const> = fixture.serve(say "hello", { access_log = true })
    fixture.ask(url, "GET /a?b=c")
    assert.matches("info .*GET /a%?b=c .*bytes=5 .*status=200", tostring(log))
  end)
end)
