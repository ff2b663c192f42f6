local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local task <const> = require "perigee.task"

local LARGE <const> = helper.is_tiny and 5000 or 6000000
local SEVERAL_BUFFERS <const> = ("0123456789"):rep(helper.is_tiny and 6000 or 400000)
local MORE_THAN_A_KERNEL_TAKES <const> = ("x"):rep(1 << 24)

local function assert_misuse(pattern, f)
  local ok <const>, message <const> = pcall(f)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local assert_failure <const> = helper.assert_failure

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state ~= "ready" end)
  return t
end

--- Writes until the kernel takes no more, so that `conn` has something queued; returns all that was written.
local function fill(conn)
  local piece <const> = ("0123456789"):rep(100)
  local written <const> = {}
  conn.high_water = 1 << 30
  local queued
  repeat
    if conn.queued < #piece then
      conn:write(piece)
      written[#written + 1] = piece
    end
    queued = conn.queued
    for _ = 1, 3 do task.sleep(0) end -- the first may go on before the loop sends
    if conn.queued == queued then task.sleep(0.002) end
  until conn.queued == queued
  written[#written + 1] = ("more"):rep(helper.is_tiny and 2000 or 50000) -- than the kernel may still find room for
  conn:write(written[#written])
  conn.high_water = 1000
  return table.concat(written)
end

--- Buffers that are soon full, and whose sizes stay.
local BUFFERS <const> = { send_buffer = helper.is_tiny and 10000 or 200000,
  receive_buffer = helper.is_tiny and 10000 or 200000 }

for name, make_pair in pairs(helper.transports) do
  local function pair() return make_pair(BUFFERS) end
  describe("writing over " .. name, function()
    helper.leaves_nothing(before_each, after_each)

    describe("", function()
      local a, b
      before_each(function() a, b = pair() end)
      after_each(function() a:abort() b:abort() end)

      it("takes strings, numbers and buffers, in order", function()
        local words <const> = buffer.array("u16", 2):fill(0x4141)
        assert.is_true(a:write("a", 1, 2.5, "", words, words:view(2):cast "u8":view(1, 1), buffer.new(0), "\0z"))
        assert.is_true(a:write())
        assert.is_true(a:write "")
        a:shutdown()
        assert.equal("a12.5AAAAA\0z", (b:read_all()))
      end)

      it("sends much at once", function()
        local text <const> = ("0123456789"):rep(LARGE // 10)
        local writer <const> = task.spawn(function() return a:write(text, text, "end") end)
        assert.is_true(b:read(#text) == text)
        assert.is_true(b:read(#text) == text)
        assert.equal("end", (b:read(3)))
        assert.is_true((writer:join()))
      end)

      it("keeps the order of small and large pieces, strings and buffers", function()
        local sizes <const> = helper.is_tiny and { 1, 3, 7, 8, 10, 11, 12, 100 }
          or { 1, 100, 1999, 2001, 4095, 4096, 9000 }
        local pieces <const> = {}
        for i = 1, helper.is_tiny and 50 or 500 do
          pieces[i] = string.char(65 + i % 26):rep(sizes[i * 7 % #sizes + 1])
        end
        task.spawn(function()
          for i, piece in ipairs(pieces) do a:write(i % 5 == 0 and buffer.from(piece) or piece) end
          a:shutdown()
        end)
        assert.is_true(b:read_all() == table.concat(pieces))
      end)

      it("keeps what a string holds when the script has let go of it", function()
        local before <const> = fill(a)
        a.high_water = 1 << 30
        for i = 1, 20 do a:write((string.char(64 + i)):rep(5000)) end
        collectgarbage()
        collectgarbage()
        assert.is_true(b:read(#before) == before)
        for i = 1, 20 do assert.is_true(b:read(5000) == (string.char(64 + i)):rep(5000)) end
      end)

      it("returns when a buffer's memory is the caller's again", function()
        local bytes <const> = buffer.new(helper.is_tiny and 5000 or 1000000):fill(65)
        local writer <const> = task.spawn(function()
          a:write("x", bytes)
          bytes:fill(66)
        end)
        local got <const> = b:read(#bytes + 1)
        writer:join()
        assert.is_true(got == "x" .. ("A"):rep(#bytes))
      end)

      it("waits above high_water, so that a peer that never reads costs no more memory", function()
        local piece <const> = ("x"):rep(1000)
        local count = 0
        a.high_water = 20000
        local writer <const> = task.spawn(function()
          while a:write(piece) do count = count + 1 end
        end)
        local at
        helper.eventually(function()
          local before <const> = count
          task.sleep(0.01)
          at = count
          return at == before and writer.state == "waiting"
        end)
        assert.is_true(a.queued > 10000 and a.queued <= 21000)
        local reader <const> = task.spawn(function() for _ in b:chunks() do task.sleep(0) end end)
        helper.eventually(function() return count > at + 100 end)
        assert.is_true(a.queued <= 21000)
        writer:cancel()
        writer:join()
        a:close()
        reader:join()
      end)

      it("wakes a waiting writer when another task flushes", function()
        if helper.is_tiny then return end -- a flush takes many passes there
        local before <const> = fill(a)
        local taken <const> = #before - a.queued
        local writer <const> = parked(a.write, a, ("y"):rep(2000))
        assert.equal(taken, #b:read(taken))
        a:flush() -- in the same pass: that there is room was not told to `a` yet
        helper.eventually(function() return writer.state == "returned" end)
      end)

      it("is for one waiting task at a time", function()
        local writer <const> = parked(a.write, a, MORE_THAN_A_KERNEL_TAKES)
        assert_misuse("another task is waiting to write", function() a:write(MORE_THAN_A_KERNEL_TAKES) end)
        assert_misuse("another task is waiting to write", function() a:flush() end)
        writer:cancel()
        writer:join()
      end)

      it("fails after a timeout without progress", function()
        a.timeout = 0.01
        assert_failure("timeout", "^write to .*: timed out$", a:write(MORE_THAN_A_KERNEL_TAKES))
        assert_failure("timeout", "timed out", a:flush())
        assert.matches("timed out", a.error)
      end)

      it("goes on as long as there is progress", function()
        local before <const> = fill(a)
        a.timeout = 0.4
        local text <const> = ("z"):rep(helper.is_tiny and 3000 or 300000)
        local writer <const> = parked(function() return a:write(text), (a:flush()) end)
        local total <const> = #before + #text
        local received = 0
        while received < total do
          if received < total // 2 then task.sleep(0.02) end
          received = received + #b:read(math.min(total // 40, total - received))
        end
        assert.same({ true, true }, { writer:join() })
      end)

      it("flush waits until everything has gone", function()
        a.high_water = 1 << 30
        a:write(SEVERAL_BUFFERS)
        local flusher <const> = parked(function() return a:flush(), a.queued end)
        assert.equal("waiting", flusher.state)
        assert.is_true(b:read(#SEVERAL_BUFFERS) == SEVERAL_BUFFERS)
        assert.same({ true, 0 }, { flusher:join() })
        assert.is_true((a:flush()))
      end)

      it("ends when another task closes the connection, and what was written is still sent", function()
        a.high_water = 1000
        local writer <const> = parked(a.write, a, SEVERAL_BUFFERS)
        a:close()
        assert_failure("closed", "^write to .*: the connection is closed$", writer:join())
        assert_failure("closed", "the connection is closed", a:write "x")
        assert_failure("closed", "the connection is closed", a:flush())
        assert_failure("closed", "the connection is closed", a:shutdown())
        assert.is_true(b:read_all() == SEVERAL_BUFFERS)
      end)

      it("ends our side after all that was written", function()
        local before <const> = fill(a)
        assert.is_true(a:shutdown())
        assert_failure("closed", "^write to .*: the connection is closed$", a:write "x")
        assert_failure("closed", "the connection is closed", a:shutdown())
        assert.is_true(b:read_all() == before)
        b:write "answer"
        assert.equal("answer", (a:read(6)))
      end)

      it("sends what was written before a close, large things too", function()
        local text <const> = ("0123456789"):rep(LARGE // 10)
        a.high_water = 1 << 30
        a:write "first"
        a:write(text)
        a:write "last"
        a:close()
        assert.is_true(b:read_all(1 << 30) == "first" .. text .. "last")
      end)

      it("does not lose its last bytes when it closes with unread input", function()
        b:write(("junk"):rep(100))
        fill(a)
        a.high_water = 1 << 30
        a:write "bye"
        local t <const> = parked(b.read_all, b, 1 << 30)
        a:close()
        for _ = 1, 5 do
          b:write "more junk"
          task.sleep(0.001)
        end
        assert.matches("bye$", (t:join()))
      end)

      it("fails, but what the peer sent before can be read", function()
        b:write "response"
        b:flush()
        b:close()
        helper.eventually(function() return not a:write "request" end)
        assert.equal("resp", (a:read(4)))
        assert.equal("onse", (a:read(4)))
      end)

      it("fails when the peer has closed", function()
        b:close()
        local value, message, code
        helper.eventually(function()
          value, message, code = a:write "x"
          return not value
        end)
        assert.is_nil(value)
        assert.is_true(code == "closed" or code == "reset")
        assert.matches("^write to .*: ", message)
        assert_failure(code, "^write to ", a:flush())
        assert.is_string(a.error)
      end)

      it("wakes a waiting writer when the peer closes", function()
        local writer <const> = parked(a.write, a, MORE_THAN_A_KERNEL_TAKES)
        b:abort()
        local _, _, code <const> = writer:join()
        assert.is_true(code == "closed" or code == "reset")
        assert.equal(0, a.queued)
      end)

      it("is dropped by an abort", function()
        local before <const> = fill(a)
        a:abort()
        local got <const>, _, code <const> = b:read_all()
        assert.is_true(got == nil and code == "reset" or #got < #before)
      end)

      it("refuses what is no string, number or buffer, and then writes nothing", function()
        for i, value in ipairs { false, {}, print, a } do
          assert_misuse("bad argument #2 to 'write' %(string expected", function() a:write(i, value) end)
        end
        assert_misuse("bad argument #1 to 'write' %(string expected, got nil", function() a:write(nil) end)
        assert_misuse("bad argument #3 to 'write'", function() a:write("a", "b", nil) end)
        a:write "only this"
        a:shutdown()
        assert.equal("only this", (b:read_all()))
      end)
    end)
  end)
end
