local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local post <const>, chunked <const>, echo <const> = fixture.post, fixture.chunked, fixture.echo

describe("a request's body", function()
  helper.leaves_nothing(before_each, after_each)

  it("comes whole, of a length or in chunks, however it is cut", function()
    local _ <close>, url <const> = fixture.serve(echo)
    for _, text in ipairs { post("Content-Length: 11\r\n", "hello world"), chunked { "hello", " ", "world" } } do
      for size = 1, helper.is_tiny and 20 or 7 do
        local conn <close> = fixture.connect(url)
        for i = 1, #text, size do
          conn:write(text:sub(i, i + size - 1))
          conn:flush()
        end
        assert.equal("hello world", fixture.read(conn).body)
      end
    end
  end)

  it("comes whole from two pieces, wherever the cut is", function()
    local _ <close>, url <const> = fixture.serve(echo)
    local conn <close> = fixture.connect(url)
    local text <const> = chunked { "hello", " world" }:gsub("5\r\n", "05;a=\"b\"\r\n")
    for cut = 1, #text - 1 do
      conn:write(text:sub(1, cut))
      conn:flush()
      task.sleep(0.001)
      conn:write(text:sub(cut + 1))
      local answer <const> = fixture.read(conn)
      assert.same({ cut, 200, "hello world" }, { cut, answer.status, answer.body })
    end
  end)

  it("is empty when there is none", function()
    local _ <close>, url <const> = fixture.serve(function(request) return ("[%s]"):format(request:body()) end)
    assert.equal("[]", fixture.ask(url, "GET /").body)
  end)

  it("is the same string when it is asked for again", function()
    local _ <close>, url <const> = fixture.serve(function(request) return request:body() .. request:body() end)
    assert.equal("abab", fixture.ask(url, post("Content-Length: 2\r\n", "ab")).body)
  end)

  it("can be large, and is followed by the next request", function()
    local size <const> = helper.is_tiny and 5000 or 900000
    local _ <close>, url <const> = fixture.serve(function(request) return tostring(#request:body()) end)
    local conn <close> = fixture.connect(url)
    conn:write(post(("Content-Length: %d\r\n"):format(size), ("x"):rep(size)), chunked { "a", ("b"):rep(size - 1) })
    assert.equal(tostring(size), fixture.read(conn).body)
    assert.equal(tostring(size), fixture.read(conn).body)
  end)

  it("comes in pieces by chunks", function()
    local _ <close>, url <const> = fixture.serve(function(request)
      local size = 0
      for chunk in request:chunks() do size = size + #chunk end
      return tostring(size)
    end)
    assert.equal("12", fixture.ask(url, chunked { "hello", " ", "worlds" }).body)
  end)

  it("comes in pieces by read_some, and then nil", function()
    local got
    local _ <close>, url <const> = fixture.serve(function(request)
      local pieces <const> = {}
      while true do
        local piece <const> = request:read_some()
        if not piece then break end
        pieces[#pieces + 1] = piece
      end
      got = table.concat(pieces)
      return ("%s %s"):format(request:read_some(), select(2, pcall(request.body, request)):match "read in pieces")
    end)
    assert.equal("nil read in pieces", fixture.ask(url, chunked { "hello", "world" }).body)
    assert.equal("helloworld", got)
  end)

  it("fails in the loop over its chunks when it is no body, and request.failure says why", function()
    local failure
    local _ <close>, url <const> = fixture.serve(function(request)
      for _ in request:chunks() do end
      failure = request.failure
      return "well"
    end)
    local conn <close> = fixture.connect(url)
    conn:write(post("Transfer-Encoding: chunked\r\n", "5\r\nhellowrong"), "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    local answer <const> = fixture.read(conn)
    assert.same({ "well", "close" }, { answer.body, answer.headers.connection })
    assert.is_true(fixture.is_over(conn))
    assert.matches("^read the body: ", failure)
  end)

  it("that is cut short fails with 'closed'", function()
    local failure
    local _ <close>, url <const> = fixture.serve(function(request) failure = table.pack(request:body()) end)
    local conn <const> = fixture.connect(url)
    conn:write(post("Content-Length: 10\r\n", "hello"))
    conn:close()
    helper.eventually(function() return failure end)
    assert.same({ nil, "read the body: the peer ended before the end of the body", "closed", n = 3 }, failure)
  end)

  it("that comes too slowly fails with 'timeout'", function()
    local _ <close>, url <const> = fixture.serve(echo, { body_timeout = 0.05 })
    local conn <close> = fixture.connect(url)
    conn:write(post("Content-Length: 10\r\n", "hello"))
    assert.equal(408, fixture.read(conn).status)
  end)

  it("is JSON, or why it is none", function()
    local _ <close>, url <const> = fixture.serve(function(request)
      local value <const>, message <const>, code <const> = request:json()
      if message then return http.refuse(message, code) end
      return { got = value }
    end)
    assert.equal('{"got":[1,2.5,null]}', fixture.ask(url, post("Content-Length: 12\r\n", "[1,2.5,null]")).body)
    local answer <const> = fixture.ask(url, post("Content-Length: 3\r\n", "[1,"))
    assert.equal(400, answer.status)
    assert.matches("invalid JSON at byte 4", answer.body, 1, true)
  end)

  it("cannot be read once the request is answered", function()
    local kept
    local _ <close>, url <const> = fixture.serve(function(request)
      kept = request
      return "well"
    end)
    fixture.ask(url, post("Content-Length: 2\r\n", "ab"))
    helper.eventually(function() return not kept.is_open end)
    assert.same({ nil, "read the body: the request has been answered", "closed" }, { kept:body() })
    assert.equal("POST", kept.method)
  end)

  it("is read by one task at a time", function()
    local failure
    local _ <close>, url <const> = fixture.serve(function(request)
      local other <const> = task.spawn(function() request:read_some() end)
      task.sleep(0)
      failure = select(2, pcall(request.read_some, request))
      other:cancel()
      return "well"
    end)
    local conn <close> = fixture.connect(url)
    conn:write(post "Content-Length: 5\r\n")
    assert.equal("well", fixture.read(conn).body)
    assert.matches("another task is reading this request's body", failure, 1, true)
  end)
end)
