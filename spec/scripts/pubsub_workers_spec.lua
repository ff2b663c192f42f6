local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local pubsub <const> = require "spec.fixtures.pubsub"

local CLIENTS <const> = 12 -- so many that the kernel would have chosen each worker

local function clients_of(server)
  local clients <const> = {}
  for i = 1, CLIENTS do clients[i] = pubsub.client(server) end
  return setmetatable(clients, { __close = function()
    for _, client in ipairs(clients) do client:__close() end
  end })
end

--- The supervisor at work: a server, and a function that runs commands of the binary for it.
local function start(mode)
  local directory <const> = helper.directory { ["a"] = "" }
  local control <const> = ("--control %s/control"):format(directory)
  local server <const> = pubsub.start(("%s %s"):format(mode, control))
  return server, function(words) return helper.run(("%s %s %s"):format(helper.binary, words, control)) end, directory
end

local function workers_of(command)
  return json.decode((command "status --json")).workers
end

local function assert_meet(server, round)
  local listeners <close> = clients_of(server)
  local writers <close> = clients_of(server)
  for _, client in ipairs(listeners) do client:call("SUBSCRIBE", "news") end
  local events <const> = {}
  local _ <close> = setmetatable({}, { __close = function() for _, one in ipairs(events) do one:__close() end end })
  for i = 1, 4 do events[i] = helper.start(("curl -sN -m 30 %s/topics/news"):format(server.page)) end
  helper.eventually(function() return assert(writers[1]:call("PUBSUB", "NUMSUB", "news"))[2] == CLIENTS + 4 end)
  for i, client in ipairs(writers) do
    assert.equal(CLIENTS + 4, client:call("PUBLISH", "news", round .. " " .. i))
    client:call("SET", "key " .. i, round)
    client:call("RPUSH", "list", round)
  end
  for i, client in ipairs(listeners) do
    for j = 1, CLIENTS do assert.same({ "message", "news", round .. " " .. j }, client:next()) end
    assert.equal(round, writers[i]:call("GET", "key " .. CLIENTS + 1 - i))
    assert.equal(round, writers[i]:call("LPOP", "list"))
  end
  for i = 1, 4 do
    helper.run(("curl -s -d 'by POST %d' %s/topics/news"):format(i, server.page))
    assert.same({ "message", "news", "by POST " .. i }, listeners[1]:next())
  end
  for _, one in ipairs(events) do one:wait_for "data: by POST 4" end
end

for _, mode in ipairs { "--workers 2", "--workers 2 --balance" } do
  describe("the pubsub script, with " .. mode, function()
    helper.leaves_nothing(before_each, after_each)

    it("has all clients see each other, also after a death, a reload and an upgrade", function()
      local server <const>, command <const>, directory <const> = start(mode)
      local _ <close> = directory
      local _ <close> = setmetatable({}, { __close = function() command "stop" end })
      local _ <close> = server
      assert_meet(server, "first")
      os.execute("kill -9 " .. workers_of(command)[1].pid)
      helper.eventually(function()
        local first <const> = workers_of(command)[1]
        return first.restarts == 1 and first.state == "serving"
      end)
      assert_meet(server, "after a death")
      assert.same({ "reloaded pubsub: generation 2\n", 0 }, { command "reload" })
      assert_meet(server, "after a reload")
      assert.equal(0, select(2, command "upgrade"))
      assert.equal(0, server:wait()) -- until then, the old first worker may get clients
      assert_meet(server, "after an upgrade")
    end)
  end)
end
