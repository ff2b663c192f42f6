--- The bus of one machine: processes that are stopped, killed or strange, and what is left of them.

local address <const> = require "core.address"
local buses <const> = require "perigee.bus"
local frames <const> = require "perigee.bus.frames"
local helper <const> = require "spec.helper"
local listener <const> = require "core.listener"
local log <const> = require "perigee.log"
local members <const> = require "spec.fixtures.members"
local net <const> = require "perigee.net"
local places <const> = require "perigee.place"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local function sockets_of(place)
  local names <const> = {}
  for _, name in ipairs(system.list(place.members) or {}) do
    if name:find "%.sock$" then names[#names + 1] = name end
  end
  return names
end

describe("the bus of one machine", function()
  helper.leaves_nothing(before_each, after_each)

  local url, place

  before_each(function()
    local path <const> = helper.temporary_name()
    url = "local:" .. path
    place = assert(places.find(url))
  end)

  after_each(function()
    os.execute(("rm -rf '%s'"):format(place.directory))
  end)

  it("is one in a process, however often it is opened, and whatever path leads there", function()
    local link <const> = helper.temporary_name()
    os.execute(("ln -s '%s' '%s'"):format(place.directory, link))
    local one <close> = assert(buses.open(url))
    local other <close> = assert(buses.open("local:" .. link .. "/../" .. link:match "[^/]*$"))
    local subscription <close> = one:subscribe "news"
    other:publish("news", "here")
    assert.same({ "here", "news" }, { subscription:receive(10) })
    assert.equal(1, #sockets_of(place))
    os.remove(link)
  end)

  it("leaves nothing in shared memory when the last one has closed it", function()
    local bus <const> = assert(buses.open(url))
    local there <const> = members.start(url)
    assert.equal(2, #sockets_of(place))
    there:__close()
    helper.eventually(function() return #sockets_of(place) == 1 end)
    bus:close()
    assert.is_nil(system.file_kind(place.meeting))
  end)

  it("goes on when a process is killed, and removes what that has left", function()
    local bus <close> = assert(buses.open(url))
    local victim <close> = members.start(url)
    local there <close> = members.start(url)
    victim:tell("subscribe", "news")
    there:tell("subscribe", "news")
    victim:kill()
    for number = 1, 10 do bus:publish("news", tostring(number)) end
    for number = 1, 10 do assert.equal(tostring(number), (there:message())) end
    helper.eventually(function() return #sockets_of(place) == 2 end)
  end)

  it("removes what is left of those who were all killed", function()
    do
      local victim <close> = members.start(url)
      victim:kill()
    end
    assert.equal(1, #sockets_of(place))
    local bus <close> = assert(buses.open(url))
    assert.equal(1, #sockets_of(place))
    local _ <const> = bus
  end)

  it("does not wait for a process that is stopped, and tells it later how many messages it has lost", function()
    if helper.is_tiny then return end -- it is more than 16 MiB that is lost
    local large <const>, many <const> = ("x"):rep(1000000), 40
    local bus <close> = assert(buses.open(url))
    local there <close> = members.start(url, { limit = 100000 })
    there:tell("count", "large")
    there:signal "SIGSTOP"
    for number = 1, many do assert.is_true(bus:publish("large", number .. large)) end
    there:signal "SIGCONT"
    local ending <const> = task.spawn(function()
      while true do -- it may be lost, too
        bus:publish("large", "end")
        task.sleep(0.01)
      end
    end)
    local count <const>, lost <const>, _ <const>, wrong <const> = there:await "counted"
    ending:cancel()
    assert.is_true(count + lost >= many and lost > 0)
    assert.equal(0, wrong)
  end)

  it("lets subscribers wait for a stopped process some seconds, and only once", function()
    local bus <close> = assert(buses.open(url))
    local there <close> = members.start(url)
    there:signal "SIGSTOP"
    local began <const> = task.now()
    for number = 1, 20 do
      local subscription <close> = assert(bus:subscribe("topic " .. number))
      local _ <const> = subscription
    end
    assert.is_true(task.now() - began < 15)
    there:signal "SIGCONT"
    local subscription <close> = bus:subscribe "news"
    there:tell("publish", "news", "awake")
    assert.same({ "awake", "news" }, { subscription:receive(10) })
  end)

  it("finishes a subscription without a process that is stopped, and tells of it", function()
    local told <const> = {}
    local bus <close> = assert(buses.open(url, { on_lost = function(lost) told[#told + 1] = lost.reason end }))
    local there <close> = members.start(url)
    local subscription <const> = bus:subscribe "news"
    there:signal "SIGSTOP"
    bus:publish("news", "here")
    subscription:finish()
    assert.same({ "here", "news" }, { subscription:receive(10) })
    assert.same({ nil, "receive: the subscription is closed, and what came last is lost", "closed" },
      { subscription:receive(10) })
    helper.eventually(function() return told[1] == "disconnected" end)
    there:signal "SIGCONT"
  end)

  it("can be opened while a process is stopped", function()
    local there <close> = members.start(url)
    there:tell("subscribe", "news")
    there:signal "SIGSTOP"
    local bus <close> = assert(buses.open(url))
    there:signal "SIGCONT"
    local subscription <close> = bus:subscribe "wait"
    there:tell("publish", "wait", "awake")
    subscription:receive(10)
    bus:publish("news", "hello")
    assert.equal("hello", (there:message()))
  end)

  it("outlives a storm of processes that come and are killed", function()
    local bus <close> = assert(buses.open(url))
    local steady <close> = members.start(url)
    steady:tell("subscribe", "news")
    for _ = 1, 5 do
      local batch <const> = {}
      for index = 1, 4 do batch[index] = members.start(url) end
      for index = 1, 4 do batch[index]:tell("match", "*") end
      for number = 1, 50 do bus:publish("news", tostring(number)) end
      for index = 1, 4 do batch[index]:kill() end
      for number = 1, 50 do assert.equal(tostring(number), (steady:message())) end
      for index = 1, 4 do batch[index]:__close() end
    end
    helper.eventually(function() return #sockets_of(place) == 2 end)
  end)
end)

--- A member of the mesh that the spec plays: it listens at a socket of its own, and gives the connections of others.
local function play(place, id)
  local path <const>, conns <const> = place.members .. "/" .. id, {}
  local self <const> = { came = task.channel(100), ended = task.channel(0) }
  self.listener = assert(listener.listen(assert(address.lookup("unix:" .. path))[1], function(conn)
    conns[#conns + 1] = conn
    self.came:send(conn)
    self.ended:receive()
  end))
  os.rename(path, path .. ".sock")
  return setmetatable(self, { __close = function()
    os.remove(path .. ".sock")
    self.listener:close()
    for _, conn in ipairs(conns) do conn:close() end
    self.ended:close()
  end })
end

--- Reads one frame: its kind and the rest.
local function read_frame(conn)
  local length <const> = string.unpack("<I4", assert(conn:read(4)))
  local bytes <const> = assert(conn:read(length))
  return bytes:byte(), bytes:sub(2)
end

--- A frame of what a member wants: topics alone.
local function wants(number, ...)
  local parts <const> = { string.pack("<i8", number) }
  for _, topic in ipairs { ... } do parts[#parts + 1] = string.pack("<Bs2", 1, topic) end
  return frames.pack(frames.WANTS, table.concat(parts))
end

local function hello(id, version)
  return frames.pack(frames.HELLO, string.pack("<Bs1", version or frames.VERSION, id))
end

describe("a member of the bus", function()
  helper.leaves_nothing(before_each, after_each)

  --- Runs body(place) with a place whose directory for members is there.
  local function with_place(body)
    local place <const> = assert(places.find("local:" .. helper.temporary_name()))
    assert(place:hold())
    local _ <close> = setmetatable({}, { __close = function()
      place:let_go()
      os.execute(("rm -rf '%s'"):format(place.directory))
    end })
    body(place)
  end

  it("says who it is, is told what the other wants, and sends that alone", function()
    with_place(function(place)
      local other <close> = play(place, "1-ab")
      local bus
      local opening <const> = task.spawn(function() bus = assert(buses.open("local:" .. place.directory)) end)
      local conn <close> = other.came:receive()
      local kind <const>, body <const> = read_frame(conn)
      assert.equal(frames.HELLO, kind)
      local version <const>, id <const> = string.unpack("<Bs1", body)
      assert.same({ 1, sockets_of(place)[2] }, { version, id .. ".sock" })
      conn:write(wants(7, "news", "old"))
      assert.same({ frames.SEEN, string.pack("<i8", 7) }, { read_frame(conn) })
      opening:join()
      bus:publish("nobody", "unsent")
      bus:publish("news", "text")
      assert.same({ frames.MESSAGE, string.pack("<s2", "news") .. "text" }, { read_frame(conn) })
      bus:close()
      assert.is_nil(conn:read(1))
    end)
  end)

  it("connects again to one that lives, and tells it that it has missed something", function()
    with_place(function(place)
      local other <close> = play(place, "1-ab")
      local bus
      local opening <const> = task.spawn(function() bus = assert(buses.open("local:" .. place.directory)) end)
      do
        local conn <close> = other.came:receive()
        conn:write(wants(1, "news", "old"))
        opening:join()
      end
      bus:publish("news", "lost")
      local conn <close> = other.came:receive()
      assert.equal(frames.HELLO, (read_frame(conn)))
      local kind <const>, body <const> = read_frame(conn)
      assert.equal(frames.LOST, kind)
      local lost <const>, topics <const> = frames.to_lost(body, 1, #body)
      assert.same({ "disconnected", true, {} }, { lost.reason, lost.seconds >= 0, topics })
      conn:write(wants(2, "news"))
      assert.equal(frames.SEEN, (read_frame(conn)))
      bus:publish("old", "not wanted any more")
      bus:publish("news", "new")
      assert.same({ frames.MESSAGE, string.pack("<s2", "news") .. "new" }, { read_frame(conn) })
      bus:close()
    end)
  end)

  it("hears of losses before the message that comes after them", function()
    with_place(function(place)
      local bus <close> = assert(buses.open("local:" .. place.directory))
      local news <close> = bus:subscribe "news"
      local all <close> = bus:match "*"
      local conn <close> = assert(net.connect("unix:" .. place.members .. "/" .. sockets_of(place)[1]))
      local other <close> = play(place, "1-ab")
      conn:write(hello "1-ab")
      assert.equal(frames.WANTS, (read_frame(conn)))
      conn:write(frames.lost({ reason = "slow", count = 3 }, { "other", "more" }))
      conn:write(frames.message_head("news", 4), "text")
      conn:write(frames.lost({ reason = "disconnected", seconds = 1.5 }, {}))
      conn:write(frames.message_head("news", 0))
      assert.same({ "text", "news" }, { news:receive(10) })
      assert.same({ "", "news", { reason = "disconnected", seconds = 1.5 } }, { news:receive(10) })
      assert.same({ "text", "news", { reason = "slow", count = 3 } }, { all:receive(10) })
      assert.same({ "", "news", { reason = "disconnected", seconds = 1.5 } }, { all:receive(10) })
      local _ <const> = other
    end)
  end)

  it("ends a connection on which something else is spoken, and goes on", function()
    with_place(function(place)
      local lines <const> = {}
      local _ <close> = setmetatable({}, { __close = function()
        log.configure { write = function(line) io.stderr:write(line) end }
      end })
      log.configure { write = function(line) lines[#lines + 1] = line end }
      local bus <close> = assert(buses.open("local:" .. place.directory))
      local subscription <close> = bus:subscribe "news"
      local path <const> = "unix:" .. place.members .. "/" .. sockets_of(place)[1]
      for _, bytes in ipairs { "GET / HTTP/1.1\r\n\r\n", frames.pack(frames.MESSAGE, "\1\0xtext"), hello("1-ab", 2),
        hello "1-ab" .. "\0\0\0\0\0", hello "1-ab" .. "\255\255\255\255\77", hello "1-ab" .. frames.pack(1, "x"),
        hello "1-ab" .. frames.pack(frames.MESSAGE, "\255\255x"), frames.pack(frames.HELLO, ""),
        hello "1-ab" .. hello "1-ab", hello "../1-ab", hello "1-ab" .. frames.pack(frames.LOST, "\1") } do
        local conn <close> = assert(net.connect(path))
        conn:write(bytes)
        conn:read_all()
      end
      assert.equal(11, #lines)
      for _, line in ipairs(lines) do assert.matches("what another member says cannot be understood", line) end
      bus:publish("news", "goes on")
      assert.same({ "goes on", "news" }, { subscription:receive(10) })
    end)
  end)
end)
