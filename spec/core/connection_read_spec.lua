local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local task <const> = require "perigee.task"

local LARGE <const> = helper.is_tiny and 20000 or 1500000

local assert_failure <const> = helper.assert_failure

--- A task that waits, in what it runs.
local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

--- Writes so that the reader sees the bytes one by one.
local function trickle(conn, bytes)
  for byte in bytes:gmatch "." do
    conn:write(byte)
    for _ = 1, 3 do task.sleep(0) end
  end
end

for name, pair in pairs(helper.transports) do
  describe("reading over " .. name, function()
    helper.leaves_nothing(before_each, after_each)

    describe("", function()
      local a, b
      before_each(function() a, b = pair() end)
      after_each(function() a:abort() b:abort() end)

      it("exactly so many bytes takes them from one write or many", function()
        b:write "abcdef"
        assert.same({ "", "ab", "c" }, { a:read(0), a:read(2), (a:read(1)) })
        b:write("g", "hi")
        assert.equal("defghi", (a:read(6)))
      end)

      it("exactly so many bytes can be many", function()
        local text <const> = ("0123456789"):rep(LARGE // 10)
        local writer <const> = task.spawn(function() return b:write(text, "end") end)
        assert.is_true(a:read(#text) == text)
        assert.equal("end", (a:read(3)))
        assert.is_true((writer:join()))
      end)

      it("more than comes fails, and what has come stays", function()
        b:write "abc"
        b:shutdown()
        assert_failure("closed", "^read from .*: closed by the peer$", a:read(4))
        assert_failure("closed", "closed by the peer", a:read_until "x")
        assert.same({ "ab", "c" }, { a:read(2), (a:read_some()) })
        assert_failure("closed", "closed by the peer", a:read_some())
        assert_failure("closed", "closed by the peer", a:read(1))
        assert_failure("closed", "closed by the peer", a:read_line())
      end)

      it("fails after its timeout, and what has come stays", function()
        a.timeout = 0.01
        b:write "abc"
        assert_failure("timeout", "^read from .*: timed out$", a:read(4))
        assert_failure("timeout", "timed out", a:read_line())
        assert_failure("timeout", "timed out", a:read_all())
        a.timeout = 20
        b:write "d\n"
        assert.equal("abcd", (a:read_line()))
      end)

      it("some gives what is there, and at most what is asked for", function()
        b:write "abc"
        assert.equal("a", (a:read_some(1)))
        assert.equal(a:read(2), "bc")
        local t <const> = parked(a.read_some, a)
        b:write "x"
        assert.equal("x", (t:join()))
      end)

      it("until a delimiter drops it and keeps what follows", function()
        b:write "one||two||||rest"
        assert.same({ "one", "two", "", "rest" },
          { a:read_until "||", a:read_until "||", a:read_until "||", (a:read(4)) })
      end)

      it("until a delimiter finds it wherever reads divide it", function()
        local cases <const> = {
          { "a\r\n\r\n", "\r\n\r\n", "a" }, { "aaab", "aab", "a" }, { "\r\n\r\r\n\r\n", "\r\n\r\n", "\r\n\r" },
        }
        for _, case in ipairs(cases) do
          local t <const> = parked(a.read_until, a, case[2])
          trickle(b, case[1])
          assert.equal(case[3], (t:join()))
        end
      end)

      it("until a delimiter allows as many bytes as it is told, and no more", function()
        b:write "abc--abcd--"
        assert.equal("abc", (a:read_until("--", 3)))
        assert_failure("limit", "^read from .*: more bytes than the limit allows$", a:read_until("--", 3))
        assert_failure("limit", "more bytes", a:read_until("x", 3))
        assert.equal("abcd", (a:read_until("--", 4)))
      end)

      it("until a delimiter gives up at the limit without one", function()
        local writer <const> = task.spawn(function() while b:write(("x"):rep(100)) do task.sleep(0) end end)
        assert_failure("limit", "more bytes", a:read_until("\n", 1000))
        assert_failure("limit", "more bytes", a:read_line(1000))
        assert_failure("limit", "more bytes", a:read_all(1000))
        writer:cancel()
        assert.equal(("x"):rep(1000), (a:read(1000)))
      end)

      it("a line drops LF and CRLF, and keeps every other CR", function()
        b:write "unix\ndos\r\n\n\r\na\rb\n\r\r\nlast\r"
        b:shutdown()
        for _, line in ipairs { "unix", "dos", "", "", "a\rb", "\r", "last\r" } do
          assert.equal(line, (a:read_line()))
        end
        assert_failure("closed", "closed by the peer", a:read_line())
      end)

      it("a line works byte by byte", function()
        local t <const> = parked(function() return a:read_line(), a:read_line(), (a:read_line(3)) end)
        trickle(b, "one\r\n\r\nabc\r\n")
        assert.same({ "one", "", "abc" }, { t:join() })
      end)

      it("a line may have as many bytes as it is told, its end not counted", function()
        b:write "abc\nabc\r\nabcd\nabcd\r\nabc"
        b:shutdown()
        assert.same({ "abc", "abc" }, { a:read_line(3), (a:read_line(3)) })
        assert_failure("limit", "more bytes", a:read_line(3))
        assert.equal("abcd", (a:read_line(4)))
        assert_failure("limit", "more bytes", a:read_line(3))
        assert.equal("abcd", (a:read_line(4)))
        assert_failure("limit", "more bytes", a:read_line(2))
        assert.equal("abc", (a:read_line(3)))
      end)

      it("lines goes through all of them, and tells why it ended", function()
        b:write "one\n\nthree\r\nlast"
        b:shutdown()
        local got <const> = {}
        for line in a:lines() do got[#got + 1] = line end
        assert.same({ "one", "", "three", "last" }, got)
        assert.matches("closed by the peer", a.error)
      end)

      it("lines ends at a line that is too long, and at the timeout", function()
        b:write "abc\nabcd\n"
        local got <const> = {}
        for line in a:lines(3) do got[#got + 1] = line end
        assert.same({ "abc" }, got)
        assert.matches("more bytes than the limit allows", a.error)
        a.timeout = 0.01
        for line in a:lines() do got[#got + 1] = line end
        assert.same({ "abc", "abcd" }, got)
        assert.matches("timed out", a.error)
      end)

      it("chunks gives everything, in pieces of any size", function()
        local text <const> = ("0123456789"):rep(LARGE // 10)
        task.spawn(function() b:write(text) b:close() end)
        local pieces <const> = {}
        for chunk in a:chunks(1000) do
          assert.is_true(#chunk >= 1 and #chunk <= 1000)
          pieces[#pieces + 1] = chunk
        end
        assert.is_true(table.concat(pieces) == text)
        assert.matches("closed by the peer", a.error)
      end)

      it("chunks ends at the timeout and at a close", function()
        a.timeout = 0.01
        for _ in a:chunks() do error "there is nothing" end
        assert.matches("timed out", a.error)
        a:close()
        for _ in a:chunks(5) do error "there is nothing" end
        assert.matches("the connection is closed", a.error)
      end)

      it("everything takes what comes until the end, and then nothing", function()
        local text <const> = ("0123456789"):rep(LARGE // 10)
        task.spawn(function() b:write(text) b:close() end)
        assert.is_true(a:read_all() == text)
        assert.equal("", (a:read_all()))
      end)

      it("everything may be as much as it is told", function()
        b:write "abcd"
        b:shutdown()
        assert_failure("limit", "more bytes", a:read_all(3))
        assert.equal("abcd", (a:read_all(4)))
      end)

      it("into a buffer fills it, past what was pending", function()
        b:write "x\n1234"
        assert.equal("x", (a:read_line()))
        local words <const> = buffer.array("u16", 4)
        local t <const> = parked(a.read_into, a, words)
        b:write "5678rest"
        assert.equal(8, (t:join()))
        assert.equal("12345678", words:string())
        local some <const> = buffer.new(10)
        assert.equal(4, (a:read_into(some:view(2), 4)))
        assert.equal("\0rest\0\0\0\0\0", some:string())
        assert.equal(0, (a:read_into(buffer.new(0))))
      end)

      it("into a buffer takes more than the minimum when it is there", function()
        b:write "abcdef"
        b:shutdown()
        local bytes <const>, total = buffer.new(6), 0
        while total < 6 do total = total + a:read_into(bytes:view(total + 1), 1) end
        assert.equal("abcdef", bytes:string())
      end)

      it("into a buffer can be much", function()
        local text <const> = ("0123456789"):rep(LARGE // 10)
        task.spawn(function() b:write(text) end)
        local bytes <const> = buffer.new(#text)
        assert.equal(#text, (a:read_into(bytes)))
        assert.is_true(bytes:string() == text)
      end)

      it("into a buffer tells how much has come when it fails", function()
        local bytes <const> = buffer.new(4)
        b:write "ab"
        a.timeout = 0.05
        local count <const>, message <const>, code <const>, received <const> = a:read_into(bytes)
        assert.same({ nil, "timeout", 2, "ab\0\0" }, { count, code, received, bytes:string() })
        assert.matches("timed out", message)
        b:write "c"
        b:shutdown()
        assert.same({ 1, "closed" }, { select(4, a:read_into(bytes)), (select(3, a:read_into(bytes))) })
        assert.equal("cb\0\0", bytes:string())
      end)
    end)
  end)
end
