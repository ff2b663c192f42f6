--- The answers of pubsub.lua are those of redis-server, byte for byte: each line is a command, given to both.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local pubsub <const> = require "spec.fixtures.pubsub"
local lines_of <const> = require "spec.fixtures.redis_commands"
local redis <const> = require "spec.fixtures.redis"

--- What a command is answered: all that comes up to the answer of a PING behind it, or the end.
local function ask(client, text)
  client.conn:write(text, "\r\nping the-end\r\n")
  local parts <const> = {}
  local ending <const> = "$7\r\nthe-end\r\n"
  repeat
    local part <const> = client.conn:read_some()
    parts[#parts + 1] = part or "closed"
    local all <const> = table.concat(parts)
    if not part then return all end
    if all:sub(-#ending) == ending then return (all:sub(1, -#ending - 1):gsub("*2\r\n$4\r\npong\r\n$", "")) end
  until false
end

local function compare(lines, before)
  local theirs <close> = redis.start { port = true }
  local ours <close> = pubsub.start()
  local server <const> = { address = "tcp://127.0.0.1:" .. theirs.port }
  local left, right = pubsub.client(server), pubsub.client(ours)
  local function start(client)
    if before then client:call(before, 3) end
  end
  start(left)
  start(right)
  for line in lines:gmatch "[^\n]+" do
    assert.equal(("%s\n%s"):format(line, ask(left, line)), ("%s\n%s"):format(line, ask(right, line)))
  end
  left.conn:close()
  right.conn:close()
end

--- The same for commands that belong together: all that comes up to the end of the connection.
local function compare_whole(lines, before)
  local theirs <close> = redis.start { port = true }
  local ours <close> = pubsub.start()
  local function story(address)
    local client <close> = pubsub.client { address = address }
    if before then client:call(before, 3) end
    client.conn:write(lines:gsub("\n", "\r\n"), "quit\r\n")
    return (client.conn:read_all())
  end
  assert.equal(story("tcp://127.0.0.1:" .. theirs.port), story(ours.address))
end

describe("the pubsub script answers as redis-server", function()
  helper.leaves_nothing(before_each, after_each)

  it("about strings and times", function() compare(lines_of.strings) end)
  it("about numbers, several strings and the names of keys", function() compare(lines_of.more_strings) end)
  it("about transactions", function() compare_whole(lines_of.transactions) end)
  it("about transactions by version 3 of RESP", function() compare_whole(lines_of.transactions_3, "HELLO") end)
  it("about lists", function() compare(lines_of.lists) end)
  it("about the connection", function() compare(lines_of.others) end)
  it("about topics", function() compare(lines_of.pubsub) end)
  it("by version 3 of RESP", function() compare(lines_of.version_3, "HELLO") end)

  it("when the protocol is broken", function()
    local theirs <close> = redis.start { port = true }
    local ours <close> = pubsub.start()
    local function answer(address, bytes)
      local conn <close> = assert(net.connect(address, { timeout = 20 }))
      conn:write(bytes)
      conn:shutdown()
      return (conn:read_all())
    end
    -- It may close with bytes unread: then the kernel may throw away what it has answered.
    local function answer_of_redis(bytes)
      return helper.eventually(function() return answer("tcp://127.0.0.1:" .. theirs.port, bytes) end)
    end
    for _, bytes in ipairs(lines_of.protocol) do
      local expected <const> = answer_of_redis(bytes)
      local name <const> = ("%q "):format(bytes:sub(1, 50))
      assert.equal(name .. expected, name .. answer(ours.address, bytes))
    end
  end)

  it("to who waits for a list that others fill", function()
    local theirs <close> = redis.start { port = true }
    local ours <close> = pubsub.start()
    local function story(address)
      local first <close> = pubsub.client { address = address }
      local second <close> = pubsub.client { address = address }
      local pusher <close> = pubsub.client { address = address }
      local heard <const> = {}
      local function hear(...) heard[#heard + 1] = table.pack(...) end
      first:send("BLPOP", "a", "b", 0)
      first:send("ECHO", "behind")
      pubsub.wait_until_blocked(pusher, 1)
      second:send("BRPOP", "b", "a", 0)
      pubsub.wait_until_blocked(pusher, 2)
      hear(pusher:call("RPUSH", "b", "1", "2", "3"))
      hear(pusher:call("LLEN", "b"))
      hear(first:next())
      hear(first:next())
      hear(second:next())
      hear(pusher:call("LRANGE", "b", 0, -1))
      return heard
    end
    assert.same(story("tcp://127.0.0.1:" .. theirs.port), story(ours.address))
  end)
end)
