--- Messages to many are in memory once, whoever waits for them.

local fanout <const> = require "perigee.fanout"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local function pairs_of(count)
  local members <const>, ends <const> = {}, {}
  for i = 1, count do members[i], ends[i] = net.pair() end
  return members, ends, function()
    for i = 1, count do
      members[i]:close()
      ends[i]:close()
    end
  end
end

local function resident()
  collectgarbage()
  local file <close> = assert(io.open "/proc/self/smaps_rollup")
  return tonumber(file:read "a":match "Rss:%s+(%d+) kB") * 1024
end

describe("what fan-outs send", function()
  helper.leaves_nothing(before_each, after_each)

  it("comes in order, whatever else is written to the members", function()
    local members <const>, ends <const>, close <const> = pairs_of(5)
    local all <const>, odd <const>, expected <const> = fanout.new(), fanout.new(), {}
    for i, member in ipairs(members) do
      all:add(member)
      if i % 2 == 1 then odd:add(member) end
      expected[i] = {}
    end
    local readers <const> = {}
    for i, far in ipairs(ends) do readers[i] = task.spawn(function() return (far:read_all()) end) end
    local function expect(text, chosen)
      for i in ipairs(members) do
        if chosen(i) then table.insert(expected[i], text) end
      end
    end
    for number = 1, 300 do
      local text <const> = ("%d %s\n"):format(number, ("x"):rep(number * 37 % 700))
      all:write(text)
      expect(text, function() return true end)
      if number % 3 == 0 then
        odd:write("odd " .. text)
        expect("odd " .. text, function(i) return i % 2 == 1 end)
      end
      if number % 7 == 0 then
        members[2]:write("own ", text)
        expect("own " .. text, function(i) return i == 2 end)
      end
      if number % 50 == 0 then members[1]:flush() end
    end
    for i, texts in ipairs(expected) do
      members[i]:shutdown()
      assert.equal(table.concat(texts), (readers[i]:join(20)))
    end
    close()
  end)

  it("takes no memory for each who is slow", function()
    if helper.is_tiny or system.versions().sanitized then return end -- ASan keeps freed memory in quarantine
    local COUNT <const>, MESSAGES <const> = 100, 20000
    local members <const>, ends <const>, close <const> = pairs_of(COUNT)
    local room <const> = fanout.new { limit = 64 << 20 }
    for _, member in ipairs(members) do room:add(member) end
    local text <const> = ("x"):rep(99) .. "\n"
    room:write(text)
    local before <const> = resident()
    for _ = 1, MESSAGES do assert.equal(COUNT, room:write(text)) end
    assert.is_true(members[1].queued >= MESSAGES * #text - (1 << 20))
    assert.is_true(resident() - before < 20 << 20) -- a copy for each would be 200 MB
    assert.equal(text, ends[COUNT]:read_line() .. "\n")
    close()
  end)
end)
