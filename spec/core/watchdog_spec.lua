local core <const> = require "core.task"
local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"
local watchdog <const> = require "core.watchdog"

-- Globals of a spec are looked up by a function of busted's.
local coroutine <const>, error <const>, pcall <const>, xpcall <const> = coroutine, error, pcall, xpcall

local STOP <const> = 0.3

--- Runs `f` while the watchdog watches.
local function watched(options, f)
  assert(watchdog.start(options))
  local _ <close> = setmetatable({}, { __close = watchdog.stop })
  return f()
end

local function loop()
  while true do end
end

--- What becomes of a task that runs `f`.
local function fate_of(f)
  local messages <close> = helper.failures()
  return watched({ warn = 0, stop = STOP }, function()
    local t <const> = task.spawn(f)
    helper.eventually(function() return t.state == "failed" or t.state == "returned" end)
    return t.state, messages[1] or ""
  end)
end

local function closing(f)
  return setmetatable({}, { __close = f })
end

--- Each of them goes on for ever, unless it is stopped.
local runaways <const> = {
  ["a loop"] = loop,
  ["a loop that catches all errors"] = function()
    while true do pcall(loop) end
  end,
  ["a loop of calls into C"] = function()
    while true do pcall(error, "x") end
  end,
  ["a message handler that loops"] = function()
    while true do xpcall(loop, loop) end
  end,
  ["a loop in a coroutine in a coroutine"] = function()
    coroutine.wrap(function() coroutine.wrap(loop)() end)()
  end,
  ["loops that catch all errors, in coroutines"] = function()
    while true do
      pcall(coroutine.wrap(function()
        while true do pcall(loop) end
      end))
    end
  end,
  ["a loop that resumes one coroutine after the other"] = function()
    while true do coroutine.resume(coroutine.create(loop)) end
  end,
  ["a loop in a __close"] = function()
    local _ <close> = closing(loop)
    loop()
  end,
  ["a loop in the __close of a coroutine that is closed"] = function()
    local inner <const> = coroutine.create(function()
      local _ <close> = closing(loop)
      coroutine.yield()
    end)
    coroutine.resume(inner)
    coroutine.close(inner)
    loop()
  end,
  ["a comparison that loops"] = function() table.sort({ 3, 2, 1 }, loop) end,
  ["a replacement that loops"] = function() return ("x"):gsub(".", loop) end,
  ["an endless recursion that is caught"] = function()
    local function deeper(n) return 1 + deeper(n + 1) end
    while true do pcall(deeper, 1) end
  end,
  ["a metamethod that calls itself"] = function()
    local t <const> = setmetatable({}, { __index = function(t, k) return t[k + 1] end })
    while true do pcall(function() return t[1] end) end
  end,
  ["waits whose errors are caught"] = function()
    pcall(loop)
    while true do pcall(task.sleep, 0.001) end
  end,
  ["yields whose errors are caught"] = function()
    pcall(loop)
    while true do pcall(coroutine.yield) end
  end,
  ["a loop in a group"] = function()
    task.group(function(group)
      group:spawn(task.sleep, math.huge)
      loop()
    end)
  end,
}

describe("the watchdog", function()
  helper.leaves_nothing(before_each, after_each)

  for name, f in pairs(runaways) do
    it("stops " .. name, function()
      local state <const>, message <const> = fate_of(f)
      assert.equal("failed", state)
      assert.matches("watchdog_spec.lua:%d+: ran for %d+%.%d s without yielding", message)
    end)
  end

  it("says where the task was", function()
    local line <const> = debug.getinfo(loop, "S").linedefined + 1
    local _ <const>, message <const> = fate_of(loop)
    if not message:find("watchdog_spec.lua:" .. line .. ": ran for", 1, true) then error(message) end
  end)

  it("leaves the task a moment to close what is open", function()
    local closed = false
    fate_of(function()
      local _ <close> = closing(function() closed = true end)
      loop()
    end)
    assert.is_true(closed)
  end)

  it("raises again at every wait of a task that was stopped", function()
    local raised <const> = {}
    fate_of(function()
      pcall(loop)
      for i = 1, 3 do raised[i] = select(2, pcall(task.sleep, 0)) end
    end)
    for i = 1, 3 do assert.matches("watchdog_spec.lua:%d+: ran for", raised[i]) end
  end)

  it("cancels what a task that is stopped has spawned", function()
    local child
    fate_of(function()
      child = task.spawn(task.sleep, math.huge)
      loop()
    end)
    assert.equal("cancelled", child.state)
  end)

  it("leaves those alone that wait", function()
    local other <const> = task.spawn(function()
      for _ = 1, 20 do task.sleep(0.001) end
      return "well"
    end)
    fate_of(loop)
    assert.equal("well", other:join())
  end)

  it("leaves no hook behind", function()
    local inner <const> = coroutine.create(function()
      while true do coroutine.yield(pcall(loop)) end
    end)
    fate_of(function() coroutine.resume(inner) end)
    assert.is_nil((debug.gethook()))
    coroutine.resume(coroutine.create(function() return 1 + 1 end))
    coroutine.close(inner)
    assert.is_nil((debug.gethook(inner)))
  end)

  it("tells of a slice that was long when it has ended", function()
    local told <const> = {}
    watchdog.on_slow(function(...) told[#told + 1] = table.pack(...) end)
    local scope <const> = core.scope "context"
    watched({ warn = 0.05, stop = 0 }, function()
      local t <const> = scope:spawn(function()
        while #told == 0 and watchdog.slices().longest < 0.1 do end
        assert.equal(0, #told)
        task.sleep(0)
        assert.equal(1, #told)
      end)
      assert.is_nil(select(2, t:join()))
      local slices <const> = watchdog.slices()
      assert.same({ 1, 0 }, { slices.warned, slices.stopped })
    end)
    watchdog.on_slow(function() end)
    local seconds <const>, traceback <const>, context <const>, stopped <const> = table.unpack(told[1], 1, 4)
    assert.is_true(seconds >= 0.05)
    assert.matches("^stack traceback:\n.*watchdog_spec.lua:%d+: in", traceback)
    assert.equal("context", context)
    assert.is_false(stopped)
  end)

  it("tells that a slice was stopped, with the traceback of the coroutine and of its task", function()
    local told
    watchdog.on_slow(function(...) told = table.pack(...) end)
    fate_of(function() coroutine.wrap(loop)() end)
    watchdog.on_slow(function() end)
    assert.is_true(told[4])
    assert.matches("resumed in the task:\n.*watchdog_spec.lua", told[2])
  end)

  it("keeps its hook from scripts while it watches", function()
    watched({}, function()
      assert.has_error(function() debug.sethook(loop, "l") end,
        "debug.sethook: the watchdog has the hook; without it, by --warn-after 0 --stop-after 0, there is one")
    end)
    local called = false
    debug.sethook(function() called = true end, "l")
    debug.sethook()
    assert.is_true(called)
  end)

  it("can be started once", function()
    watched({}, function() assert.has_error(function() watchdog.start() end) end)
    watched({}, function() end)
  end)

  it("does nothing with neither limit", function()
    watched({ warn = 0, stop = 0 }, function()
      assert.same({ longest = 0, warned = 0, stopped = 0 }, watchdog.slices())
    end)
  end)
end)
