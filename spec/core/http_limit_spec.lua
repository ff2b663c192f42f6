--- How long a body may be, and when it is asked for by 100 Continue.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local post <const>, chunked <const>, echo <const> = fixture.post, fixture.chunked, fixture.echo

describe("a request's body", function()
  helper.leaves_nothing(before_each, after_each)

  it("over the limit is refused at once by its head, without being waited for", function()
    local app <const> = http.app()
    app:post("/", echo)
    local _ <close>, url <const> = fixture.serve(app)
    local conn <close> = fixture.connect(url)
    conn:write(post "Content-Length: 10000000000\r\n")
    local answer <const> = fixture.read(conn)
    assert.same({ 413, "close" }, { answer.status, answer.headers.connection })
    assert.is_true(fixture.is_over(conn))
  end)

  it("over the limit is refused when it comes in chunks", function()
    local _ <close>, url <const> = fixture.serve(echo, { body_limit = 10 })
    assert.equal(200, fixture.ask(url, chunked { "hello", "world" }).status)
    assert.equal(413, fixture.ask(url, chunked { "hello", "world", "!" }).status)
  end)

  it("over the limit does not keep its client from the answer, also when that only reads behind it", function()
    local _ <close>, url <const> = fixture.serve(echo, { body_limit = 10 })
    local size <const> = helper.is_tiny and 20000 or 3000000
    local conn <close> = fixture.connect(url)
    assert(conn:write(post(("Content-Length: %d\r\n"):format(size)), ("x"):rep(size)))
    assert(conn:flush())
    assert.equal(413, fixture.read(conn).status)
    local again <close> = fixture.connect(url)
    assert(again:write(chunked { ("x"):rep(size) }))
    assert(again:flush())
    assert.equal(413, fixture.read(again).status)
  end)

  it("has the limit of its route", function()
    local app <const> = http.app()
    app:post("/", echo, { body_limit = 20 })
    app:put("/", echo)
    local _ <close>, url <const> = fixture.serve(app, { body_limit = 10 })
    assert.equal(200, fixture.ask(url, post("Content-Length: 15\r\n", ("x"):rep(15))).status)
    assert.equal(413, fixture.ask(url, post("Content-Length: 25\r\n", ("x"):rep(25))).status)
    assert.equal(413, fixture.ask(url, (post("Content-Length: 15\r\n", ("x"):rep(15)):gsub("POST", "PUT"))).status)
  end)

  it("is asked for by 100 Continue only when the handler wants it", function()
    local _ <close>, url <const> = fixture.serve(function(request)
      return request.method == "POST" and echo(request) or "not wanted"
    end)
    local conn <close> = fixture.connect(url)
    conn:write(post "Content-Length: 5\r\nExpect: 100-continue\r\n")
    assert.equal(100, fixture.read(conn).status)
    conn:write "hello"
    assert.equal("hello", fixture.read(conn).body)
    conn:write((post "Content-Length: 5\r\nExpect: 100-continue\r\n":gsub("POST", "PUT")))
    local answer <const> = fixture.read(conn)
    assert.same({ "not wanted", "close" }, { answer.body, answer.headers.connection })
    assert.is_true(fixture.is_over(conn))
  end)

  it("is not asked for when it is there already, nor of HTTP/1.0, which knows no 100 Continue", function()
    local _ <close>, url <const> = fixture.serve(echo)
    local conn <close> = fixture.connect(url)
    conn:write(post("Content-Length: 5\r\nExpect: 100-Continue\r\n", "hello"))
    local first <const> = fixture.read(conn) -- where one byte is read at a time, the body is never there already
    assert.equal("hello", (helper.is_tiny and fixture.read(conn) or first).body)
    local old <close> = fixture.connect(url)
    old:write "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    old:flush()
    task.sleep(0.02)
    old:write "hello"
    local answer <const> = fixture.read(old)
    assert.same({ 200, "hello" }, { answer.status, answer.body })
  end)

  it("over the limit is refused without 100 Continue", function()
    local _ <close>, url <const> = fixture.serve(echo, { body_limit = 10 })
    local conn <close> = fixture.connect(url)
    conn:write(post "Content-Length: 11\r\nExpect: 100-continue\r\n")
    local answer <const> = fixture.read(conn)
    assert.same({ 413, "close" }, { answer.status, answer.headers.connection })
    assert.is_true(fixture.is_over(conn))
  end)
end)
