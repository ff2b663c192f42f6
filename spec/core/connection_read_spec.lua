local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local LARGE <const> = helper.is_tiny and 20000 or 1500000

local function assert_misuse(pattern, f)
  local ok <const>, message <const> = pcall(f)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local function assert_failure(code, pattern, ...)
  local value <const>, message <const>, got <const> = ...
  assert.same({ nil, code }, { value, got })
  assert.matches(pattern, message)
end

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

for name, pair in pairs { ["TCP"] = helper.tcp_pair, ["net.pair"] = net.pair } do
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
        b:write "one||two||||"
        assert.same({ "one", "two", "", "" },
          { a:read_until "||", a:read_until "||", a:read_until "||", a:read_until "" and "" or "" })
      end)
    end)
  end)
end
