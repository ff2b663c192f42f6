--- What was said while chat was reloaded was lost, where the bus is a Redis: the older version had stopped to listen
--- before the newer one was heard by the server, what it was about to send went with its connection, and what the
--- kernel still had for it was not read.

local chat <const> = require "spec.fixtures.chat"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local redis <const> = require "spec.fixtures.redis"
local task <const> = require "perigee.task"

local RELOADS <const> = 10
local AHEAD <const> = 1000 -- lines that may be under way: a chat whose Redis falls 10000 events behind drops the oldest

describe("chat on a Redis", function()
  helper.leaves_nothing(before_each, after_each)

  --- Says numbers until the reloads are over; then the last one.
  local function talk(conn, state)
    local number = 0
    repeat
      while number - state.heard >= AHEAD do task.sleep(0.001) end
      number = number + 1
      conn:write(number, "\n")
      chat.expect(conn, "ann: " .. number)
    until state.is_over
    conn:write "the last\n"
    return number
  end

  --- Hears the numbers in their order, each once and none missing, and returns the last.
  local function listen(conn, name, state)
    local number = 0
    local line
    repeat
      line = assert(conn:read_line())
      local said <const> = line:match("^" .. name .. ": (%d+)$")
      if said then
        number = number + 1
        assert.equal(tostring(number), said)
        state.heard = number
      end
    until line == name .. ": the last"
    return number
  end

  --- A way to the server that keeps what comes from there on the connections that there are, from hold() on, until
  --- release(): { url =, kept = } by those connections.
  local function way_to(server, query)
    local way <const> = { conns = {}, kept = {} }
    local function pass_on(from, to)
      for chunk in from:chunks() do
        if way.kept[to] then way.kept[to] = way.kept[to] .. chunk else to:write(chunk) end
      end
      to:close()
    end
    local listener <const> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      local there <close> = assert(net.connect("unix:" .. server.path))
      way.conns[conn] = true
      task.group(function(group)
        group:spawn(pass_on, there, conn)
        group:spawn(pass_on, conn, there)
      end)
      way.conns[conn] = nil
    end))
    way.url = ("redis://127.0.0.1:%d%s"):format(listener.address.port, query or "")
    function way.hold()
      for conn in pairs(way.conns) do way.kept[conn] = "" end
    end
    function way.release()
      for conn, bytes in pairs(way.kept) do
        way.kept[conn] = nil
        conn:write(bytes)
      end
    end
    return setmetatable(way, { __close = function()
      way.release()
      listener:close()
    end })
  end

  --- Runs body(ann, bob, way, reload): bob is at a process that gets what ann says by the way, and reload() reloads it.
  local function with_way(query, body)
    local server <close> = redis.start()
    local way <close> = way_to(server, query)
    local directory <close> = helper.directory { any = "" }
    local first <close>, at <const> = chat.start("--set chat.bus=" .. server.url)
    local second <close>, elsewhere <const> =
      chat.start(("--control %s/2 --set 'chat.bus=%s'"):format(directory, way.url))
    local ann <close> = chat.enter(at, "ann")
    local bob <close> = chat.enter(elsewhere, "bob")
    chat.ask_until(ann, "/who", "here: ann, bob")
    chat.ask_until(bob, "/who", "here: ann, bob")
    body(ann, bob, way, function()
      local run <close> = helper.start(("%s reload --control %s/2"):format(helper.binary, directory))
      assert.equal(0, run:wait(), run:output())
    end)
    local _ <const>, _ <const> = first, second
  end

  --- Says something that the way keeps from the older version, has that replaced, and says something more.
  local function say_around(ann, way, reload)
    way.hold()
    ann:write "before\n"
    helper.eventually(function()
      for _, bytes in pairs(way.kept) do
        if bytes:find("ann: before", 1, true) then return true end
      end
    end)
    reload()
    ann:write "after\n"
    chat.expect(ann, "ann: after")
  end

  it("hears what was on its way to the older version, before all that comes to the newer one", function()
    with_way(nil, function(ann, bob, way, reload)
      say_around(ann, way, reload)
      way.release()
      chat.expect(bob, "ann: before", "ann: after")
      chat.expect(bob, "ann: after", "ann: before")
    end)
  end)

  it("does not wait for long for what does not come", function()
    with_way("?timeout=1", function(ann, bob, way, reload)
      say_around(ann, way, reload)
      chat.expect(bob, "ann: after")
    end)
  end)

  it("loses nothing that is said while it is reloaded", function()
    local server <close> = redis.start()
    local directory <close> = helper.directory { any = "" }
    local at <const>, processes <const> = {}, {}
    for i = 1, 2 do
      processes[i], at[i] = chat.start(("--control %s/%d --set chat.bus=%s"):format(directory, i, server.url))
    end
    local first <close> = processes[1]
    local second <close> = processes[2]
    local ann <close> = chat.enter(at[1], "ann")
    local bob <close> = chat.enter(at[2], "bob")
    chat.ask_until(ann, "/who", "here: ann, bob")
    chat.ask_until(bob, "/who", "here: ann, bob")
    local state <const> = { is_over = false, heard = 0 }
    task.group(function(group)
      local said <const> = group:spawn(talk, ann, state)
      local heard <const> = group:spawn(listen, bob, "ann", state)
      for _ = 1, RELOADS do
        for i = 1, 2 do
          local reload <const> = ("%s reload --control %s/%d"):format(helper.binary, directory, i)
          local run <close> = helper.start(reload)
          assert.equal(0, run:wait(), run:output())
        end
      end
      state.is_over = true
      assert.equal(said:join(), heard:join())
    end)
    local _ <const>, _ <const> = first, second
  end)
end)
