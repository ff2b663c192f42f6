local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

local assert_failure <const> = helper.assert_failure

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

local ways <const> = { { "net.pair", "TCP" }, { "TCP", "TLS" }, { "TLS", "TCP" }, { "TLS", "TLS" } }

for _, way in ipairs(ways) do describe(("a pipe from %s to %s"):format(table.unpack(way)), function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local source, from, to, target
    before_each(function()
      source, from = helper.transports[way[1]]()
      to, target = helper.transports[way[2]] { send_buffer = 100000, receive_buffer = 100000 }
    end)
    after_each(function()
      for _, conn in ipairs { source, from, to, target } do conn:abort() end
    end)

    it("moves everything, pending bytes first, and tells how much", function()
      local text <const> = ("0123456789"):rep(helper.is_tiny and 500 or 300000)
      source:write "line\n"
      assert.equal("li", (from:read(2)))
      task.spawn(function() source:write(text) source:close() end)
      local pipe <const> = task.spawn(from.pipe, from, to)
      assert.is_true(target:read(#text + 3) == "ne\n" .. text)
      assert.equal(#text + 3, (pipe:join()))
      assert.is_true(to:write "and on")
      assert.equal("and on", (target:read(6)))
    end)

    it("does not take more than the other takes", function()
      local writer <const> = task.spawn(function() while source:write(("x"):rep(1000)) do end end)
      to.high_water = 20000
      local pipe <const> = parked(from.pipe, from, to)
      helper.eventually(function() return to.queued > 20000 and writer.state == "waiting" end)
      assert.is_true(to.queued <= 20000 + 65536)
      pipe:cancel()
      writer:cancel()
      pipe:join()
      writer:join()
    end)

    it("goes on while the other takes slowly", function()
      local size <const> = helper.is_tiny and 20000 or 4000000
      local text <const> = ("x"):rep(size)
      to.high_water, to.timeout = size // 2, 0.2
      task.spawn(function() source:write(text) source:close() end)
      local pipe <const> = parked(from.pipe, from, to)
      for _ = 1, 20 do
        task.sleep(0.05)
        target:read(#text // 20)
      end
      assert.equal(#text, (pipe:join()))
    end)

    it("fails when nothing comes or goes in time", function()
      from.timeout = 0.01
      assert_failure("timeout", "^pipe from .*: timed out", from:pipe(to))
      task.spawn(function() while source:write(("x"):rep(100000)) do end end)
      to.high_water, to.timeout, from.timeout = 1000, 0.05, 20
      assert_failure("timeout", "^pipe from .*: timed out", from:pipe(to))
    end)

    it("fails when either is closed", function()
      local pipe <const> = parked(from.pipe, from, to)
      from:close()
      assert_failure("closed", "^read from .*: the connection is closed", pipe:join())
      assert_failure("closed", "^read from .*: the connection is closed", from:pipe(to))
      to:close()
      assert_failure("closed", "^write to .*: the connection is closed", source:pipe(to))
    end)

    it("fails when the target is reset", function()
      local pipe <const> = parked(from.pipe, from, to)
      target:abort()
      local writer <const> = task.spawn(function() while source:write "x" do task.sleep(0) end end)
      local moved <const>, message <const>, code <const> = pipe:join()
      assert.is_nil(moved)
      assert.matches("^write to t[cl][ps]://127.0.0.1:%d+: ", message)
      assert.is_true(code == "reset" or code == "closed")
      writer:cancel()
      writer:join()
    end)

    it("loses nothing when it is cancelled", function()
      local pipe <const> = parked(from.pipe, from, to)
      source:write "before"
      assert.equal("before", (target:read(6)))
      pipe:cancel()
      pipe:join()
      source:write "after"
      assert.equal("after", (from:read(5)))
    end)

    it("is refused while another task reads or writes", function()
      local reader <const> = parked(from.read, from, 1)
      assert.has_error(function() from:pipe(to) end, "another task is reading from this connection")
      reader:cancel()
      assert.is_false((pcall(from.pipe, from, "x")))
      assert.is_false((pcall(from.pipe, from)))
    end)
  end)
end) end
