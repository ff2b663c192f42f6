local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

local LARGE <const> = helper.is_tiny and 5000 or 5000000

local assert_failure <const> = helper.assert_failure

local function with_file(content, f)
  local path <const> = helper.temporary_name()
  local file <const> = assert(io.open(path, "wb"))
  file:write(content)
  file:close()
  local ok <const>, message <const> = pcall(f, path)
  os.remove(path)
  if not ok then error(message, 0) end
end

for name, pair in pairs(helper.transports) do
  describe("send_file over " .. name, function()
    helper.leaves_nothing(before_each, after_each)

    describe("", function()
      local a, b
      before_each(function() a, b = pair() end)
      after_each(function() a:abort() b:abort() end)

      it("sends a range of a file, the rest of it, or all", function()
        with_file("0123456789", function(path)
          for _, case in ipairs {
            { nil, nil, "0123456789" }, { 3, nil, "3456789" }, { 3, 4, "3456" }, { 9, 1, "9" }, { nil, 2, "01" },
            { 10, nil, "" }, { 10, 0, "" }, { 5, 0, "" }, { 20, nil, nil }, { 5, 6, nil }, { 11, 0, nil },
          } do
            local sent <const>, message <const>, code <const> = a:send_file(path, case[1], case[2])
            if case[3] then assert.equal(case[3], sent and b:read(#case[3]))
            else assert_failure("protocol", "^send file " .. path:gsub("%p", "%%%0"), sent, message, code) end
          end
        end)
        assert.equal(0, a.queued)
      end)

      it("sends an open file from where it is told, and leaves it open", function()
        with_file("0123456789", function(path)
          local file <close> = io.open(path, "rb")
          file:read(5)
          assert.is_true((a:send_file(file, 2, 3)))
          assert.equal("234", (b:read(3)))
          assert.equal("56789", file:read "a")
          file:close()
          assert.is_false((pcall(a.send_file, a, file)))
        end)
      end)

      it("sends much, in its place between writes", function()
        local content <const> = ("0123456789"):rep(LARGE // 10)
        with_file(content, function(path)
          task.spawn(function()
            a:write "before"
            a:send_file(path)
            a:write "after"
            a:shutdown()
          end)
          assert.is_true(b:read_all() == "before" .. content .. "after")
        end)
      end)

      it("returns when the kernel has taken it, and a close sends the rest", function()
        local content <const> = ("0123456789"):rep(LARGE)
        with_file(content, function(path)
          local t <const> = task.spawn(a.send_file, a, path)
          if not helper.is_tiny then
            helper.eventually(function() return t.state == "waiting" and a.queued > 0 end)
          else
            task.sleep(0)
            task.sleep(0)
          end
          a:close()
          assert_failure("closed", "the connection is closed", t:join())
          if helper.is_tiny then return end
          assert.is_true(b:read_all() == content)
        end)
      end)

      it("ends the connection when the file becomes shorter meanwhile", function()
        with_file(("x"):rep(LARGE * 10), function(path)
          local t <const> = task.spawn(a.send_file, a, path)
          helper.eventually(function() return t.state == "waiting" end)
          assert(io.open(path, "wb")):close()
          task.spawn(function() for _ in b:chunks() do task.sleep(0) end end)
          assert_failure("protocol", "^write to .*: No data available", t:join())
          assert_failure("protocol", "No data available", a:write "x")
          a:close()
        end)
      end)

      it("refuses what is no regular file", function()
        assert_failure("unreachable", "^send file /nowhere/at/all: No such file", a:send_file "/nowhere/at/all")
        assert_failure("unreachable", "^send file /tmp: ", a:send_file "/tmp")
        assert_failure("unreachable", "^send file /dev/null: ", a:send_file "/dev/null")
        local fifo <const> = helper.temporary_name()
        os.remove(fifo)
        os.execute("mkfifo " .. fifo)
        assert_failure("unreachable", "^send file ", a:send_file(fifo))
        os.remove(fifo)
        assert.is_true(a:write "x")
        assert.equal("x", (b:read(1)))
      end)

      it("refuses misuse", function()
        assert.is_false((pcall(a.send_file, a)))
        assert.is_false((pcall(a.send_file, a, {})))
        assert.is_false((pcall(a.send_file, a, "/tmp", -1)))
        assert.is_false((pcall(a.send_file, a, "/tmp", 0, -1)))
        assert.is_false((pcall(a.send_file, a, "/tmp", "x")))
        a:close()
        assert_failure("closed", "^write to .*: the connection is closed", a:send_file "/nowhere/at/all")
      end)
    end)
  end)
end
