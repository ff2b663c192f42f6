local buffer <const> = require "perigee.buffer"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local watchdog <const> = require "core.watchdog"

local ROOM <const> = 32 * 1024 * 1024

--- Runs `f` where scripts may have so many bytes more than they have now.
local function limited(f)
  collectgarbage()
  watchdog.limit_memory(collectgarbage "count" * 1024 // 1 + ROOM)
  local _ <close> = setmetatable({}, { __close = function() watchdog.limit_memory() end })
  return f()
end

--- What is said of a task that fails.
local function failure_of(f)
  local messages <close> = helper.failures()
  limited(function()
    task.spawn(f)
    helper.eventually(function() return messages[1] end)
  end)
  return messages[1]
end

describe("the limit of memory", function()
  helper.leaves_nothing(before_each, after_each)

  local cases <const> = {
    ["a string"] = function() return ("x"):rep(1000000000) end,
    ["a string that grows"] = function()
      local text = "x"
      while true do text = text .. text end
    end,
    ["a table that grows"] = function()
      local list <const> = {}
      while #list >= 0 do list[#list + 1] = { #list } end
    end,
    ["a buffer"] = function() return buffer.new(10000000000) end,
    ["many buffers"] = function()
      local list <const> = {}
      while true do list[#list + 1] = buffer.new(1000000) end
    end,
  }

  for name, f in pairs(cases) do
    it("fails the task that asks for too much with " .. name, function()
      local message <const> = failure_of(f)
      assert.matches("^not enough memory: %S+ %S+ asked for at .*memory_limit_spec.lua:%d+, %S+ %S+ are in use, " ..
        "the limit", message)
    end)
  end

  it("says how much was asked for", function()
    assert.matches("not enough memory: 953.7 MiB asked for", failure_of(cases["a string"]))
    assert.matches("not enough memory: 9.3 GiB asked for", failure_of(cases["a buffer"]))
  end)

  it("tells it to who joins the task", function()
    limited(function()
      local _ <const>, message <const>, code <const> = task.spawn(cases["a string"]):join()
      assert.matches("^not enough memory: 953.7 MiB asked for at", message)
      assert.equal("failed", code)
    end)
  end)

  it("can be caught, and explained", function()
    limited(function()
      local ok <const>, message <const> = pcall(cases["a string"])
      assert.is_false(ok)
      assert.equal("not enough memory", message)
      assert.matches("^not enough memory: 953.7 MiB asked for at", watchdog.explain(message))
      assert.equal("broken", watchdog.explain "broken")
    end)
  end)

  it("leaves the others alone", function()
    local messages <close> = helper.failures()
    limited(function()
      local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
        for line in conn:lines() do
          if line == "grow" then cases["a table that grows"]() end
          conn:write(line, "\n")
        end
      end))
      local first <close> = assert(net.connect(tostring(server.address)))
      local second <close> = assert(net.connect(tostring(server.address)))
      first:write "a\ngrow\n"
      assert.equal("a", first:read_line())
      assert.is_nil((first:read_line()))
      second:write "b\n"
      assert.equal("b", second:read_line())
    end)
    assert.equal(1, #messages)
  end)

  it("does not count what is garbage", function()
    limited(function()
      for _ = 1, 50 do
        task.spawn(function()
          local list <const> = {}
          for i = 1, 20 do list[i] = buffer.new(1000000) end
          return #("x"):rep(1000000) + 0 * #list
        end):join()
      end
    end)
  end)

  it("counts a buffer as long as there is one", function()
    limited(function()
      local kept = buffer.new(ROOM - 1000000)
      assert.has_error(function() buffer.new(2000000) end)
      assert.truthy(kept)
      kept = nil
      assert.equal(2000000, #buffer.new(2000000), kept)
    end)
  end)
end)
