local helper <const> = require "spec.helper"
local pubsub <const> = require "spec.fixtures.pubsub"
local websocket <const> = require "perigee.websocket"

--- A copy of the script: its server, a function that reloads it changed, and its directory, to be closed at last.
local function start()
  local file <close> = assert(io.open "scripts/pubsub.lua")
  local text <const> = file:read "a"
  local directory <const> = helper.directory { ["pubsub.lua"] = text }
  local control <const> = tostring(directory) .. "/control"
  local server <const> = pubsub.start("--control " .. control, tostring(directory) .. "/pubsub.lua")
  return server, function(changed)
    local to <const> = assert(io.open(tostring(directory) .. "/pubsub.lua", "w"))
    to:write(changed(text))
    to:close()
    local output <const>, status <const> = helper.run(("%s reload --control %s"):format(helper.binary, control))
    assert(status == 0, output)
  end, directory
end

local function with_command(name)
  return function(text)
    local command <const> = ("%%0{ %s = { 1, function() return 'new' end } }, "):format(name)
    local changed <const>, count <const> = text:gsub("resp%.answers%(", command)
    assert(count == 1)
    return changed
  end
end

describe("a reload of the pubsub script", function()
  helper.leaves_nothing(before_each, after_each)

  it("keeps keys, lists, subscribers and those who wait", function()
    local server <const>, reload <const>, directory <const> = start()
    local _ <close> = directory
    local _ <close> = server
    local control <close> = pubsub.client(server)
    local listener <close> = pubsub.client(server)
    local matcher <close> = pubsub.client(server)
    local waiter <close> = pubsub.client(server)
    local events <close> = helper.start(("curl -sN %s/topics/news"):format(server.page))
    local socket <close> = assert(websocket.connect(server.page:gsub("^http", "ws") .. "/topics/news"))
    control:call("SET", "a", "b", "EX", 100)
    control:call("RPUSH", "l", "1", "2")
    listener:call("SUBSCRIBE", "news")
    matcher:call("HELLO", 3)
    matcher:call("PSUBSCRIBE", "n*")
    waiter:send("BLPOP", "jobs", 0)
    pubsub.wait_until_blocked(control, 1)
    helper.eventually(function() return control:call("PUBSUB", "NUMSUB", "news")[2] == 3 end)
    for generation = 2, 4 do
      reload(with_command "NEWS" )
      server:wait_for("reloaded generation=" .. generation)
      assert.equal(4, control:call("PUBLISH", "news", "hello"))
      assert.same({ "message", "news", "hello" }, listener:next())
      assert.same({ "pmessage", "n*", "news", "hello" }, (matcher:next()))
      assert.equal("hello", (socket:receive()))
      events:wait_for(("data: hello\n\n"):rep(generation - 1))
    end
    assert.same({ "b", 2 }, { control:call("GET", "a"), control:call("LLEN", "l") })
    assert.equal(1, control:call("RPUSH", "jobs", "x"))
    assert.same({ "jobs", "x" }, waiter:next())
    socket:send "by socket"
    assert.same({ "message", "news", "by socket" }, listener:next())
    assert.same({ "unsubscribe", "news", 0 }, listener:call("UNSUBSCRIBE", "news"))
  end)

  it("keeps transactions that have begun, and what they watch", function()
    local server <const>, reload <const>, directory <const> = start()
    local _ <close> = directory
    local _ <close> = server
    local control <close> = pubsub.client(server)
    local one <close> = pubsub.client(server)
    local two <close> = pubsub.client(server)
    one:call "MULTI"
    one:call("SET", "a", "1")
    two:call("WATCH", "b")
    two:call "MULTI"
    two:call("SET", "c", "1")
    reload(with_command "NOVELTY")
    server:wait_for "reloaded generation=2"
    one:call "NOVELTY"
    control:call("SET", "b", "changed")
    assert.same({ "OK", "new" }, one:call "EXEC")
    assert.is_nil(two:call "EXEC")
    assert.same({ "1", 0 }, { control:call("GET", "a"), control:call("EXISTS", "c") })
  end)

  it("has the new commands answer clients that are there", function()
    local server <const>, reload <const>, directory <const> = start()
    local _ <close> = directory
    local _ <close> = server
    local client <close> = pubsub.client(server)
    assert.equal("ERR", client:call("NOVELTY").kind)
    reload(with_command "NOVELTY")
    assert.equal("new", client:call "NOVELTY")
  end)
end)
