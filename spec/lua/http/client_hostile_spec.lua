--- Servers that do what they like.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local function read_head(conn)
  for line in conn:lines() do
    if line == "" then return true end
  end
end

--- A server that answers with whatever `answer(conn)` writes once it has read a request's head, and then closes.
local function serve(answer)
  local server <const> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
    if read_head(conn) then answer(conn) end
  end))
  return server, ("http://127.0.0.1:%d/"):format(server.address.port)
end

local function serve_text(text)
  return serve(function(conn) conn:write(text) end)
end

--- What comes of a request to a server that writes this text and closes.
local function ask(text, options)
  local _ <close>, url <const> = serve_text(text)
  local given <const> = { url = url, timeout = 20 }
  for name, value in pairs(options or {}) do given[name] = value end
  return http.request(given)
end

local function assert_failure(code, pattern, response, message, got)
  assert.same({ nil, code }, { response, got }, message)
  assert.matches("^GET http://127.0.0.1:%d+/: ", message)
  assert.matches(pattern, message, 1, true)
end

--- Writes a piece again and again, until the client has had enough.
local function endless(start, piece)
  local many <const> = piece:rep(1 + 4096 // #piece)
  return serve(function(conn)
    conn:write(start)
    while conn:write(many) do task.sleep(0) end
  end)
end

describe("the HTTP client", function()
  helper.leaves_nothing(before_each, after_each)

  it("has enough of headers without an end", function()
    for _, piece in ipairs { "X-Header: value\r\n", "x", ": \r\n", " folded\r\n" } do
      local _ <close>, url <const> = endless("HTTP/1.1 200 OK\r\nX: y\r\n", piece)
      local response <const>, message <const>, code <const> = http.request { url = url }
      assert.same({ nil, "limit" }, { response, code }, message)
    end
    local _ <close>, url <const> = endless("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    assert_failure("limit", "the head of the answer has more than 65536 bytes", http.request { url = url })
    local _ <close>, other <const> = endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n")
    assert_failure("limit", "the head of the answer has more than 65536 bytes", http.request { url = other })
  end)

  it("has enough of a body without an end", function()
    for _, head in ipairs { "", "Content-Length: 9223372036854775807\r\n", "Connection: close\r\n" } do
      local _ <close>, url <const> = endless("HTTP/1.1 200 OK\r\n" .. head .. "\r\n", "x")
      assert_failure("limit", "the body of the answer has more than 100000 bytes",
        http.request { url = url, limit = 100000 })
    end
    local _ <close>, url <const> = endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r\n")
    assert_failure("limit", "the body of the answer has more than 100000 bytes",
      http.request { url = url, limit = 100000 })
  end)

  it("takes a body of just the limit", function()
    assert.equal("12345678", assert(ask("HTTP/1.1 200 OK\r\n\r\n12345678", { limit = 8 })).body)
    assert_failure("limit", "more than 7 bytes", ask("HTTP/1.1 200 OK\r\n\r\n12345678", { limit = 7 }))
    assert.equal("", assert(ask("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", { limit = 0 })).body)
  end)

  it("counts the bytes of a compressed body when they are decoded", function()
    local zeros <const> = helper.python "import gzip, sys; sys.stdout.write(gzip.compress(bytes(10**7)).hex())"
    local bomb <const> = zeros:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end)
    local head <const> = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    assert_failure("limit", "the body of the answer has more than 1000000 bytes",
      ask(head:format(#bomb) .. bomb, { limit = 1000000 }))
    assert_failure("protocol", "", ask(head:format(7) .. "garbage"))
  end)

  describe("of which the body is compressed", function()
    --- What Python makes of 1,000 bytes.
    local function coded(expression)
      local hex <const> = helper.python("import gzip, sys, zlib\ntext = bytes(range(250)) * 4\nsys.stdout.write(("
        .. expression .. ").hex())")
      return (hex:gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))
    end

    local function answer(coding, body, length)
      local told <const> = length and ("Content-Length: %d\r\n"):format(length) or ""
      return ("HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n%s\r\n%s"):format(coding, told, body)
    end

    local forms <const> = { gzip = "gzip.compress(text)", ["X-GZip "] = "gzip.compress(text)",
      deflate = "zlib.compress(text)",
      ["\tDeflate"] = "(lambda c: c.compress(text) + c.flush())(zlib.compressobj(wbits=-15))" }

    it("decodes it", function()
      for coding, expression in pairs(forms) do
        local body <const> = coded(expression)
        local response <const> = assert(ask(answer(coding, body)))
        assert.same({ 1000, "\249" }, { #response.body, response.body:sub(-1) })
      end
      for _, coding in ipairs { "identity", "" } do assert.equal("text", assert(ask(answer(coding, "text"))).body) end
      for _, coding in ipairs { "gzip", "br" } do assert.equal("", assert(ask(answer(coding, "", 0))).body) end
    end)

    it("does not take its beginning for the whole", function()
      for coding, expression in pairs(forms) do
        local body <const> = coded(expression)
        for length = 1, #body - 1, 1 + #body // 50 do
          local piece <const> = body:sub(1, length)
          assert_failure("protocol", "the compressed body is cut off", ask(answer(coding, piece)))
        end
        local most <const> = body:sub(1, -2)
        assert_failure("protocol", "the compressed body is cut off", ask(answer(coding, most, #most)))
      end
    end)

    it("says what is wrong with it", function()
      local body <const> = coded "gzip.compress(text)"
      local wrong <const> = body:sub(1, -9) .. "\0" .. body:sub(-7)
      assert_failure("protocol", "the compressed body is damaged", ask(answer("gzip", wrong)))
      assert_failure("protocol", "something follows on the compressed body", ask(answer("gzip", body .. "x")))
      for _, coding in ipairs { "br", "gzip, gzip", "gzip\r\nContent-Encoding: gzip" } do
        assert_failure("protocol", "the body is coded as was not asked for", ask(answer(coding, body)))
      end
      assert_failure("protocol", "the body is coded as was not asked for",
        ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" .. body))
    end)

    it("leaves it alone when the caller says which codings it takes", function()
      local response <const> = assert(ask(answer("br", "as it is"), { headers = { ["Accept-Encoding"] = "br" } }))
      assert.equal("as it is", response.body)
    end)
  end)

  it("is closed upon at every byte of an answer", function()
    local head <const> = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nX-Header: value\r\n\r\n"
    local answer <const> = head .. "0123456789"
    for length = 0, #answer - 1 do
      local response <const>, message <const>, code <const> = ask(answer:sub(1, length))
      assert.is_nil(response, length .. " bytes: " .. tostring(response))
      assert.is_true(code == "closed" or code == "protocol" and length < #head, length .. " bytes: " .. message)
    end
    assert.equal("0123456789", assert(ask(answer)).body)
  end)

  it("is closed upon at every byte of a body in chunks", function()
    local head <const> = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    local body <const> = "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"
    for length = 0, #body - 2 do -- without the last LF nothing of it is missing
      local response <const>, message <const>, code <const> = ask(head .. body:sub(1, length))
      assert.is_nil(response, length .. " bytes: " .. tostring(response))
      assert.equal("closed", code, length .. " bytes: " .. message)
    end
    assert.equal("0123456789", assert(ask(head .. body)).body)
  end)

  it("is reset in the middle of an answer", function()
    for _, text in ipairs { "", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234" } do
      local _ <close>, url <const> = serve(function(conn)
        conn:write(text)
        conn:flush()
        conn:abort()
      end)
      local response <const>, message <const>, code <const> = http.request { url = url }
      assert.is_nil(response)
      assert.is_true(code == "reset" or code == "closed", message)
    end
  end)

  for name, text in pairs {
    ["no HTTP"] = "220 mail.example.test ESMTP\r\n", ["a TLS alert"] = "\x15\x03\x01\x00\x02\x02\x46",
    ["a status of four digits"] = "HTTP/1.1 2000 OK\r\n\r\n", ["a version without digits"] = "HTTP/x.y 200 OK\r\n\r\n",
    ["only line ends"] = "\r\n\r\n\r\n\r\n", ["a version of the future"] = "HTTP/7.7 200 OK\r\n\r\n",
  } do
    it("fails when the answer is " .. name, function()
      assert_failure("protocol", "", ask(text .. ("filler\r\n"):rep(10)))
    end)
  end

  for name, chunks in pairs {
    ["no length"] = "xyz\r\nabc\r\n", ["a negative length"] = "-3\r\nabc\r\n0\r\n\r\n",
    ["a length too large"] = "fffffffffffffffff\r\nabc\r\n",
    ["no end"] = "3\r\nabcdef\r\n0\r\n\r\n", ["nothing"] = "\r\n\r\n",
  } do
    it("fails when a chunk has " .. name, function()
      assert_failure("protocol", "chunk", ask("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" .. chunks))
    end)
  end

  for name, header in pairs {
    ["negative"] = "Content-Length: -5", ["no number"] = "Content-Length: x",
    ["too large"] = "Content-Length: 99999999999999999999",
  } do
    it("fails, or reads to the end, when the length is " .. name, function()
      local response <const>, message <const>, code <const> = ask("HTTP/1.1 200 OK\r\n" .. header .. "\r\n\r\nabc")
      assert.is_true(code == "protocol" or response.body == "abc", message)
    end)
  end

  for _, kind in ipairs { "tcp", "unix" } do
    it("does not take what follows an answer for the next one, over " .. kind, function()
      local path <const> = helper.temporary_name()
      local count, has_sent <const> = 0, task.channel(1)
      local server <close> = assert(net.serve(kind == "tcp" and "tcp://127.0.0.1:0" or "unix:" .. path, function(conn)
        count = count + 1
        while read_head(conn) do
          conn:write "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngoodHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
          conn:flush()
          has_sent:send(true)
        end
      end))
      local port <const> = kind == "tcp" and server.address.port or 80
      for i = 1, 3 do
        local response <const> = assert(http.request { url = ("http://127.0.0.1:%d/"):format(port),
          unix = kind == "unix" and path or nil, method = i == 2 and "POST" or "GET" })
        assert.equal("good", response.body)
        has_sent:receive()
      end
      assert.equal(3, count)
    end)
  end

  it("lets nothing of one answer into another when the length lies", function()
    local has_sent <const> = task.channel(1)
    local answers <const> = { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx" }
    local count = 0
    local _ <close>, url <const> = serve(function(conn)
      repeat
        count = count + 1
        conn:write(answers[count])
        conn:flush()
        has_sent:send(true)
      until not read_head(conn)
    end)
    assert.equal("abc", assert(http.request { url = url }).body)
    has_sent:receive()
    assert.equal("x", assert(http.request { url = url }).body)
  end)

  it("takes a zero byte, strange names and folded lines in headers without harm", function()
    for _, header in ipairs { "X-Zero: a\0b", "X\0Y: z", ": no name", "no colon", "X-Fold: a\r\n b", "X-\255: \255" } do
      local response <const>, _, code <const> =
        ask("HTTP/1.1 200 OK\r\nX-Y: z\r\n" .. header .. "\r\nContent-Length: 2\r\n\r\nok")
      assert.is_true(response and response.body == "ok" or code == "protocol", header)
    end
    local folded <const> = ask "HTTP/1.1 200 OK\r\nX-Fold: a\r\n  b\r\nContent-Length: 2\r\n\r\nok"
    assert.same({ "a   b", { "a   b" } }, { folded.headers["x-fold"], folded:values "x-fold" })
  end)

  it("passes provisional answers over, and keeps trailers out of the headers", function()
    local response <const> = assert(ask("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\nHTTP/1.1 200 OK\r\nX-Late: 2\r\n"
      .. "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Trailer: 3\r\n\r\n"))
    assert.same({ 200, "ok", nil, "2", nil }, { response.status, response.body, response.headers["x-early"],
      response.headers["x-late"], response.headers["x-trailer"] })
  end)

  it("does not switch protocols unasked", function()
    local response <const>, message <const>, code <const> =
      ask("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\ngarbage", { timeout = 1 })
    assert.is_true(code ~= nil or response.status == 101, message)
  end)

  for method, times in pairs { GET = 2, PUT = 2, POST = 1, PATCH = 1, PROPFIND = 1 } do
    it("sends " .. (times == 1 and "no " or "a ") .. method .. " again when a kept connection breaks", function()
      local seen <const> = {}
      local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
        while true do
          local line <const> = conn:read_line()
          if not line or not read_head(conn) then return end
          seen[#seen + 1] = line:match "^%S+"
          if #seen == 2 then return end
          conn:write "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        end
      end))
      local url <const> = ("http://127.0.0.1:%d/"):format(server.address.port)
      assert.equal("ok", assert(http.request { url = url }).body)
      local response <const>, message <const>, code <const> = http.request { url = url, method = method }
      assert.equal(1 + times, #seen)
      if times == 2 then assert.equal("ok", assert(response, message).body)
      else
        assert.same({ nil, method .. " " .. url .. ": the peer closed the connection without an answer", "closed" },
          { response, message, code })
      end
    end)
  end

  it("goes on with others while one never answers", function()
    local _ <close>, silent <const> = serve(function(conn) conn:read_all() end)
    local waiting <const> = task.spawn(http.request, { url = silent, timeout = 20 })
    assert.equal("ok", assert(ask "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").body)
    waiting:cancel()
  end)
end)
