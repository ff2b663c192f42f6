--- Whatever two implementations might read differently is refused: 400, or what fits better, and the connection ends.
--- Nothing of it is handled, and nothing behind it.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"

local CHUNKED <const> = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

local refused <const> = {
  ["a bare LF in the first line"] = { "GET / HTTP/1.1\nHost: a\r\n\r\n" },
  ["a bare LF behind a field"] = { "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n" },
  ["a bare LF that ends the head"] = { "GET / HTTP/1.1\r\nHost: a\r\n\n" },
  ["a bare CR in the first line"] = { "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["a CR twice"] = { "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n" },
  ["a DEL in a field"] = { "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n" },
  ["a byte beyond ASCII in a name"] = { "GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n" },
  ["a bare CR in a field"] = { "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n" },
  ["a NUL in a field"] = { "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n" },
  ["a NUL in the target"] = { "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["an encoded NUL in the path"] = { "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["a broken escape in the path"] = { "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["a space before the colon"] = { "GET / HTTP/1.1\r\nHost : a\r\n\r\n" },
  ["a tab before the colon"] = { "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n" },
  ["a folded field"] = { "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n" },
  ["a folded first field"] = { "GET / HTTP/1.1\r\n Host: a\r\n\r\n" },
  ["a field without a name"] = { "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n" },
  ["a field without a colon"] = { "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n" },
  ["a name that is no token"] = { "GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n" },
  ["no Host"] = { "GET / HTTP/1.1\r\n\r\n" },
  ["two Hosts"] = { "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n" },
  ["two Hosts in one"] = { "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" },
  ["a Host with a space"] = { "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" },
  ["another Host in small letters"] = { "GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n" },
  ["two Hosts in HTTP/1.0"] = { "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n" },
  ["a Host with a path"] = { "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" },
  ["a Host with a user"] = { "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" },
  ["a Host with a bad port"] = { "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n" },
  ["two spaces in the first line"] = { "GET  / HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["a space behind the version"] = { "GET / HTTP/1.1 \r\nHost: a\r\n\r\n" },
  ["a tab in the first line"] = { "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["a fragment in the target"] = { "GET /#x HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["a target without a slash"] = { "GET x HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["a method that is no token"] = { "G(T / HTTP/1.1\r\nHost: a\r\n\r\n" },
  ["HTTP/0.9"] = { "GET /\r\n\r\n" },
  ["the preface of HTTP/2"] = { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  ["HTTP/3.7"] = { "GET / HTTP/3.7\r\nHost: a\r\n\r\n", 505 },
  ["a version in small letters"] = { "GET / http/1.1\r\nHost: a\r\n\r\n" },
  ["two lengths"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx" },
  ["two equal lengths"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx" },
  ["a list of lengths"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx" },
  ["two lengths in HTTP/1.0"] = { "POST / HTTP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx" },
  ["a length with a space inside"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\nx" },
  ["a length with a point"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1.0\r\n\r\nx" },
  ["a length with a sign"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx" },
  ["a negative length"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" },
  ["a length in hex"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\nx" },
  ["an empty length"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n" },
  ["a length of 2^64 + 1"] = { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nx" },
  ["a length with chunks"] =
    { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
  ["chunks with a length"] =
    { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" },
  ["a length with chunks in HTTP/1.0"] =
    { "POST / HTTP/1.0\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
  ["an empty coding"] = { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n" },
  ["two codings"] =
    { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" },
  ["chunked twice"] = { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n" },
  ["a coding that we do not know"] = { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501 },
  ["a coding that is not chunked last"] = { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n" },
  ["a coding that looks like chunked"] = { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n" },
  ["a vertical tab around chunked"] = { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \vchunked\r\n\r\n" },
  ["chunks in HTTP/1.0"] = { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
  ["an expectation that we do not know"] = { "GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n", 417 },
  ["a first line without an end"] = { "GET /" .. ("x"):rep(9000), 414 },
  ["a long first line"] = { "GET /" .. ("x"):rep(9000) .. " HTTP/1.1\r\nHost: a\r\n\r\n", 414 },
  ["101 fields"] = { "GET / HTTP/1.1\r\nHost: a\r\n" .. ("X: y\r\n"):rep(100) .. "\r\n", 431 },
  ["33 KiB of fields"] =
    { "GET / HTTP/1.1\r\nHost: a\r\n" .. ("X: " .. ("y"):rep(1000) .. "\r\n"):rep(33) .. "\r\n", 431 },
}

local bad_chunks <const> = {
  ["a size that is no number"] = "x\r\n", ["no size"] = "\r\n", ["a size with 0x"] = "0x1\r\na\r\n0\r\n\r\n",
  ["a negative size"] = "-1\r\n", ["a size of 2^64"] = "10000000000000000\r\n",
  ["a bare LF behind a size"] = "1\na\r\n0\r\n\r\n",
  ["a space before a size"] = " 1\r\na\r\n0\r\n\r\n", ["more data than the size says"] = "1\r\nab\r\n0\r\n\r\n",
  ["a bare LF behind data"] = "1\r\na\n0\r\n\r\n", ["a NUL in an extension"] = "1;a=\0\r\na\r\n0\r\n\r\n",
  ["a bare LF behind the last chunk"] = "1\r\na\r\n0\n\r\n", ["a trailer without a colon"] = "0\r\nX\r\n\r\n",
  ["a size of 17 digits"] = "00000000000000001\r\na\r\n0\r\n\r\n", ["a size with an underscore"] = "1_0\r\n",
  ["a bare CR behind a size"] = "1\ra\r\n0\r\n\r\n", ["a bare CR in an extension"] = "1;a\rb\r\na\r\n0\r\n\r\n",
  ["a folded trailer"] = "0\r\nX: y\r\n z\r\n\r\n",
  ["a coding in the trailer"] = "0\r\nTransfer-Encoding: chunked\r\n\r\n",
  ["a length in the trailer"] = "0\r\nContent-Length: 1\r\n\r\n",
}

describe("the HTTP server refuses", function()
  helper.leaves_nothing(before_each, after_each)

  for what, case in pairs(refused) do
    it(what, function()
      local handled = 0
      local _ <close>, url <const> = fixture.serve(function() handled = handled + 1 end)
      local conn <close> = fixture.connect(url)
      conn:write(case[1], "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
      local answer <const> = fixture.read(conn)
      assert.equal(case[2] or 400, answer.status)
      assert.equal("close", answer.headers.connection)
      assert.is_true(#answer.body > 10)
      assert.is_true(fixture.is_over(conn))
      assert.equal(0, handled)
    end)
  end

  for what, body in pairs(bad_chunks) do
    it("a chunked body with " .. what, function()
      local paths <const>, failure = {}
      local _ <close>, url <const> = fixture.serve(function(request)
        table.insert(paths, request.path)
        local all <const>, message <const>, code <const> = request:body()
        failure = code
        return all or require("perigee.http").refuse(message, code)
      end)
      local conn <close> = fixture.connect(url)
      conn:write(CHUNKED, body, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
      local answer <const> = fixture.read(conn)
      assert.equal(400, answer.status)
      assert.is_true(fixture.is_over(conn))
      assert.equal("protocol", failure)
      assert.same({ "/" }, paths)
    end)
  end

  it("the same when nobody reads the body", function()
    local paths <const> = {}
    local _ <close>, url <const> = fixture.serve(function(request)
      table.insert(paths, request.path)
      return "well"
    end)
    local conn <close> = fixture.connect(url)
    conn:write(CHUNKED, "x\r\n", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    assert.equal(200, fixture.read(conn).status)
    assert.is_true(fixture.is_over(conn))
    assert.same({ "/" }, paths)
  end)
end)
