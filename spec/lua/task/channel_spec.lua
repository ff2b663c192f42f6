local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

local function parked(f, ...)
  local t <const> = task.spawn(f, ...)
  helper.eventually(function() return t.state == "waiting" end)
  return t
end

describe("a channel", function()
  helper.leaves_nothing(before_each, after_each)

  for _, capacity in ipairs { 0, 1, 2, 100 } do
    it("gives values in the order they were sent, holding " .. capacity, function()
      local channel <const> = task.channel(capacity)
      local sender <const> = task.spawn(function()
        for i = 1, 50 do channel:send(i) end
        channel:close()
      end)
      local got <const> = {}
      for value in channel:values() do got[#got + 1] = value end
      for i = 1, 50 do assert.equal(i, got[i]) end
      assert.equal(50, #got)
      sender:join()
    end)

    it("serves senders and receivers first come, first served, holding " .. capacity, function()
      local channel <const> = task.channel(capacity)
      local got, tasks <const> = {}, {}
      for i = 1, 5 do tasks[i] = parked(function() got[i] = channel:receive() end) end
      for i = 1, 5 do channel:send(i) end
      for _, t in ipairs(tasks) do t:join() end
      assert.same({ 1, 2, 3, 4, 5 }, got)
    end)
  end

  it("that holds values makes a sender wait when it is full", function()
    local channel <const> = task.channel(2)
    channel:send "a"
    channel:send "b"
    local sender <const> = parked(channel.send, channel, "c")
    assert.same({ 2, "channel: 2 of 2" }, { #channel, tostring(channel) })
    assert.equal("a", (channel:receive()))
    assert.is_true((sender:join()))
    assert.same({ "b", "c" }, { channel:receive(), (channel:receive()) })
  end)

  it("that holds none makes a sender wait until its value is taken", function()
    local channel <const> = task.channel()
    local sender <const> = parked(channel.send, channel, false)
    task.sleep(0)
    assert.equal("waiting", sender.state)
    assert.is_false((channel:receive()))
    assert.is_true((sender:join()))
  end)

  it("refuses nil and a capacity that is none", function()
    local channel <const> = task.channel(1)
    assert.has_error(function() channel:send(nil) end, "bad argument 'value' (nil cannot be sent)")
    for _, capacity in ipairs { -1, 1.5, "x" } do
      local ok <const>, message <const> = pcall(task.channel, capacity)
      assert.is_false(ok)
      assert.matches("bad argument 'capacity'", message)
    end
  end)

  it("loses nothing when a waiting receiver is cancelled", function()
    local channel <const> = task.channel(1)
    local first <const>, second <const> = parked(channel.receive, channel), parked(channel.receive, channel)
    first:cancel()
    channel:send "x"
    assert.equal("x", (second:join()))
  end)

  it("loses nothing when a receiver is cancelled after it was woken", function()
    local channel <const> = task.channel(1)
    local first <const>, second <const> = parked(channel.receive, channel), parked(channel.receive, channel)
    channel:send "x"
    first:cancel()
    assert.equal("cancelled", (select(3, first:join())))
    assert.equal("x", (second:join()))
  end)

  it("loses nothing when a receiver's deadline passes as it is woken", function()
    local channel <const> = task.channel(1)
    local first <const> = parked(task.deadline, 0.2, channel.receive, channel)
    local second <const> = parked(channel.receive, channel)
    local busy <const> = os.clock() + 0.21
    while os.clock() < busy do task.now() end
    channel:send "x"
    local third <const> = task.spawn(function() return first:join() end)
    local value <const> = third:join() or second:join()
    assert.equal("x", value)
    second:cancel()
  end)

  it("wakes the next sender when a waiting one is cancelled after it was woken", function()
    local channel <const> = task.channel(1)
    channel:send "a"
    local first <const>, second <const> = parked(channel.send, channel, "b"), parked(channel.send, channel, "c")
    assert.equal("a", (channel:receive()))
    first:cancel()
    assert.is_true((second:join()))
    assert.equal("c", (channel:receive()))
  end)

  it("takes back the value of a sender that is cancelled before it was taken", function()
    local channel <const> = task.channel()
    local first <const>, second <const> = parked(channel.send, channel, "a"), parked(channel.send, channel, "b")
    first:cancel()
    first:join()
    assert.equal("b", (channel:receive()))
    assert.is_true((second:join()))
    local third <const> = parked(channel.send, channel, "c")
    third:cancel()
    third:join()
    assert.equal(0, #channel)
  end)

  it("gives after a close what was sent before it, and then fails", function()
    local channel <const> = task.channel(2)
    channel:send "a"
    channel:send "b"
    channel:close()
    channel:close()
    assert.same({ nil, "send: the channel is closed", "closed" }, { channel:send "c" })
    assert.same({ "a", "b" }, { channel:receive(), (channel:receive()) })
    assert.same({ nil, "receive: the channel is closed", "closed" }, { channel:receive() })
    assert.equal("channel: 0 of 2 (closed)", tostring(channel))
  end)

  it("tells those that wait when it is closed", function()
    for _, capacity in ipairs { 0, 1 } do
      local full <const>, empty <const> = task.channel(capacity), task.channel(capacity)
      if capacity == 1 then full:send "held" end
      local tasks <const> = {
        parked(full.send, full, 1), parked(full.send, full, 2),
        parked(empty.receive, empty), parked(empty.receive, empty),
      }
      full:close()
      do local _ <close> = empty end
      for _, t in ipairs(tasks) do assert.equal("closed", (select(3, t:join()))) end
      assert.equal(capacity, #full)
    end
  end)

  it("passes values between many tasks, each once", function()
    local channel <const> = task.channel(3)
    local sum, count = 0, 0
    task.group(function(group)
      for i = 1, 20 do
        group:spawn(function() for j = 1, 20 do channel:send(i * 100 + j) end end)
        group:spawn(function()
          for _ = 1, 20 do
            local value <const> = channel:receive()
            sum, count = sum + value, count + 1
            if count % 7 == 0 then task.sleep(0) end
          end
        end)
      end
    end)
    assert.same({ 400, 424200 }, { count, sum })
  end)
end)
