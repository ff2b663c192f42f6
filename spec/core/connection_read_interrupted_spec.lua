local helper <const> = require "spec.helper"
local buffer <const> = require "perigee.buffer"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local function assert_misuse(pattern, f)
  local ok <const>, message <const> = pcall(f)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

local assert_failure <const> = helper.assert_failure

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

local reads <const> = {
  read = function(conn) return conn:read(5) end,
  read_some = function(conn) return conn:read_some() end,
  read_until = function(conn) return conn:read_until "x" end,
  read_line = function(conn) return conn:read_line() end,
  read_all = function(conn) return conn:read_all() end,
  read_into = function(conn) return conn:read_into(buffer.new(5)) end,
}

for name, pair in pairs(helper.transports) do
  describe("a read over " .. name, function()
    helper.leaves_nothing(before_each, after_each)

    describe("", function()
      local a, b
      before_each(function() a, b = pair() end)
      after_each(function() a:abort() b:abort() end)

      for method, read in pairs(reads) do
        it("ends when another task closes the connection: " .. method, function()
          local t <const> = parked(read, a)
          a:close()
          assert_failure("closed", "^read from .*: the connection is closed$", t:join())
          assert_failure("closed", "the connection is closed", read(a))
          b:close()
        end)

        it("ends when the connection is closed while bytes wait: " .. method, function()
          b:write "one\n"
          assert.equal("on", (a:read(2)))
          a:close()
          assert_failure("closed", "the connection is closed", read(a))
        end)

        it("can be cancelled: " .. method, function()
          local t <const> = parked(read, a)
          t:cancel()
          assert.equal("cancelled", (select(3, t:join())))
          b:write "onexx"
          assert.equal("onexx", (a:read(5)))
        end)
      end

      it("that is cancelled with bytes there loses none", function()
        local t <const> = task.spawn(function() a:read(5) end)
        b:write "abc"
        helper.eventually(function() return b.queued == 0 and t.state == "waiting" end)
        task.sleep(0.002)
        t:cancel()
        t:join()
        assert.equal("abc", (a:read(3)))
      end)

      it("is woken by the peer's end", function()
        local t <const> = parked(a.read_line, a)
        b:close()
        assert_failure("closed", "closed by the peer", t:join())
      end)

      it("goes on after our side has ended", function()
        a:write "request"
        a:shutdown()
        assert.equal("request", (b:read_all()))
        b:write "response"
        b:close()
        assert.equal("response", (a:read_all()))
      end)

      it("is refused while another task reads", function()
        local t <const> = parked(a.read, a, 5)
        for method, read in pairs(reads) do
          local ok <const>, message <const> = pcall(read, a)
          assert.same({ method, false }, { method, ok })
          assert.matches("another task is reading from this connection", message)
        end
        b:write "abcde"
        assert.equal("abcde", (t:join()))
      end)

      it("may be interrupted by a deadline, and what has come stays", function()
        b:write "abc"
        assert_failure("timeout", "the deadline has passed", task.deadline(0.01, a.read, a, 5))
        assert.equal("abc", (a:read(3)))
      end)
    end)
  end)
end

describe("a read's timeout", function()
  helper.leaves_nothing(before_each, after_each)

  --- Writes a byte now and then, until the connection is closed.
  local function drip(conn, seconds, count)
    return task.spawn(function()
      for _ = 1, count do
        task.sleep(seconds)
        if not conn:write "." then return end
      end
      conn:close()
    end)
  end

  it("is for a whole line, record or frame, however its bytes trickle in", function()
    for _, read in ipairs { reads.read_line, reads.read_until, function(conn) return conn:read(1000) end } do
      local a <close>, b = net.pair()
      a.timeout = 0.03
      local dripping <const> = drip(b, 0.005, math.huge)
      assert_failure("timeout", "timed out", read(a))
      dripping:cancel()
      dripping:join()
      b:close()
    end
  end)

  it("begins anew with each line", function()
    local a <close>, b = net.pair()
    a.timeout = 0.5
    local writer <const> = task.spawn(function()
      for _ = 1, 8 do task.sleep(0.08) b:write "line\n" end
      b:close()
    end)
    local count = 0
    for _ in a:lines() do count = count + 1 end
    assert.equal(8, count)
    writer:join()
  end)

  it("is for the next bytes when much is read", function()
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    a.timeout, c.timeout = 0.5, 0.5
    drip(b, 0.08, 8)
    drip(d, 0.08, 8)
    local all <const> = task.spawn(a.read_all, a)
    local bytes <const> = buffer.new(8)
    assert.equal(8, (c:read_into(bytes)))
    assert.equal("........", (all:join()))
  end)

  it("may be none", function()
    local a <close>, b = net.pair()
    a.timeout = nil
    assert.equal(math.huge, a.timeout)
    local t <const> = parked(a.read, a, 1)
    b:write "x"
    assert.equal("x", (t:join()))
    b:close()
  end)
end)

describe("a connection that is reset", function()
  helper.leaves_nothing(before_each, after_each)

  it("tells every read so", function()
    local a <close>, b = helper.tcp_pair()
    local t <const> = parked(a.read_line, a)
    b:abort()
    assert_failure("reset", "^read from tcp://127.0.0.1:%d+: Connection reset by peer", t:join())
    for _, read in pairs(reads) do assert_failure("reset", "Connection reset by peer", read(a)) end
    for _ in a:chunks() do error "there is nothing" end
    assert.matches("Connection reset by peer", a.error)
  end)
end)

describe("misuse of reads", function()
  it("is an error that names the argument", function()
    local a <close>, b <const> = net.pair()
    b:close()
    assert_misuse("bad argument #1 to 'read' %(number expected, got no value", function() a:read() end)
    assert_misuse("bad argument #1 to 'read' %(bytes must be 0 or more", function() a:read(-1) end)
    assert_misuse("bad argument #1 to 'read' %(number expected, got string", function() a:read "*l" end)
    assert_misuse("bad argument #1 to 'read_some' %(bytes must be 1 or more", function() a:read_some(0) end)
    assert_misuse("bad argument #1 to 'read_until' %(string expected", function() a:read_until() end)
    assert_misuse("bad argument #1 to 'read_until' %(the delimiter is empty", function() a:read_until "" end)
    assert_misuse("bad argument #2 to 'read_until' %(bytes must be 1", function() a:read_until("x", 0) end)
    assert_misuse("bad argument #1 to 'read_line' %(bytes must be 1", function() a:read_line(0) end)
    assert_misuse("bad argument #1 to 'read_all' %(bytes must be 1", function() a:read_all(-5) end)
    assert_misuse("bad argument #1 to 'chunks' %(bytes must be 1", function() a:chunks(0) end)
    assert_misuse("bad argument #1 to 'lines' %(number expected", function() a:lines "x" end)
    assert_misuse("bad argument #1 to 'read_into' %(perigee.buffer expected", function() a:read_into "x" end)
    assert_misuse("bad argument #2 to 'read_into' %(minimum is more", function() a:read_into(buffer.new(3), 4) end)
    assert_misuse("perigee.connection expected", function() a.read(b.peer, 1) end)
  end)
end)
