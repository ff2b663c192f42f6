--- Places: what `local:` means, who shares it, and what is left of it.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local places <const> = require "perigee.place"
local process <const> = require "perigee.process"
local system <const> = require "core.system"
local workers <const> = require "spec.fixtures.workers"

--- The directory in shared memory that a process uses.
local function meeting_of(pid)
  local listing <const> = helper.run(("ls -l /proc/%d/fd"):format(pid))
  return (assert(listing:match "%-> (/dev/shm/perigee%-%d+%-%x+)/lock", listing))
end

--- A service that counts its clients in the store of the place, and says: count, worker and process.
local COUNTER <const> = [[
  local net <const> = require "perigee.net"
  local process <const> = require "perigee.process"
  local service <const> = require "perigee.service"
  local store <const> = assert(require("perigee.store").open "local:")
  net.serve("tcp://127.0.0.1:0", function(conn)
    conn:write(assert(store:increment "clients"), " ", service.worker, " ", process.pid, "\n")
  end)
]]

--- What the service says to the next client.
local function ask(address)
  local conn <close> = assert(net.connect(address, { timeout = 20 }))
  local count <const>, worker <const>, pid <const> = assert(conn:read_line()):match "(%d+) (%d+) (%d+)"
  return tonumber(count), tonumber(worker), tonumber(pid)
end

describe("local:", function()
  helper.leaves_nothing(before_each, after_each)

  it("is the same memory for a process, however often it is looked for, which others may not enter", function()
    local place <const> = assert(places.find "local:")
    assert.equal(place, places.find "local:")
    assert.is_false(place.is_durable)
    assert.matches("^drwx%-%-%-%-%-%-", (helper.run("ls -ld " .. place.directory)))
  end)

  it("is shared by the workers of one run, and goes with it", function()
    local meeting
    do
      local service <close>, address <const> = workers.serve(COUNTER, "--workers 2")
      meeting = meeting_of(service.pid)
      local seen <const>, others = {}, 0
      for number = 1, 200 do
        local count <const>, worker <const> = ask(address)
        assert.equal(number, count)
        if not seen[worker] then others = others + 1 end
        seen[worker] = true
        if number > 10 and others == 2 then break end
      end
      assert.equal(2, others)
    end
    assert.is_nil(system.file_kind(meeting))
  end)

  it("lasts when all workers are killed at once", function()
    local service <close>, address <const> = workers.serve(COUNTER, "--workers 2")
    assert.equal(1, (ask(address)))
    local pids <const> = {}
    for _, worker in ipairs(service:serving().workers) do pids[#pids + 1] = worker.pid end
    os.execute("kill -9 " .. table.concat(pids, " "))
    helper.eventually(function() return service:output():find "worker ended" end)
    service:serving()
    assert.equal(2, (ask(address)))
  end)

  it("lasts through an upgrade, and goes with the last one", function()
    local meeting
    do
      local service <close>, address <const> = workers.serve(COUNTER, "--workers 2")
      meeting = meeting_of(service.pid)
      assert.equal(1, (ask(address)))
      local output <const>, code <const> = service:command "upgrade"
      assert.equal(0, code, output)
      service:wait()
      assert.equal(2, (ask(address)))
    end
    helper.eventually(function() return not system.file_kind(meeting) end)
  end)

  it("is another one for each run", function()
    local one <close>, first <const> = workers.serve(COUNTER, "--workers 1")
    local two <close>, second <const> = workers.serve(COUNTER, "")
    assert.same({ 1, 1, 2 }, { (ask(first)), (ask(second)), (ask(first)) })
    local _ <const>, _ <const> = one, two
  end)

  it("is shared with processes that process.start starts, and with no others", function()
    local directory <close> = helper.directory { ["child.lua"] = [[
      local store <const> = assert(require("perigee.store").open("local:", "children"))
      print(assert(store:increment "runs"))
    ]] }
    local script <const> = tostring(directory) .. "/child.lua"
    local store <close> = assert(require("perigee.store").open("local:", "children"))
    for number = 1, 2 do
      local child <close> = assert(process.start(script, { stdout = "pipe" }))
      assert.equal(number .. "\n", (child.stdout:read_all()))
    end
    local stranger <close> = assert(process.run { helper.binary, "run", script })
    assert.equal("1\n", (stranger.stdout:read_all()))
    assert.equal("2", store:get "runs")
    store:delete "runs"
  end)

  it("that a killed process has left is swept by the next one", function()
    local left
    do
      local service <close>, address <const> = workers.serve(COUNTER, "")
      assert.equal(1, (ask(address)))
      left = meeting_of(service.pid)
      service:signal "KILL"
      service:wait()
    end
    assert.equal("directory", system.file_kind(left))
    local _ <close> = workers.serve(COUNTER, "")
    assert.is_nil(system.file_kind(left))
  end)

  it("cannot have a name that is none", function()
    local output <const>, status <const> = helper.run("PERIGEE_LOCAL=../x " .. helper.binary .. " run x.lua")
    assert.equal(1, status)
    assert.matches("PERIGEE_LOCAL=../x: it is not of 16 hexadecimal digits", output)
  end)
end)

describe("local:/path", function()
  it("is made, for this user alone, and found by every path to it", function()
    local path <const> = helper.temporary_name()
    local place <const> = assert(places.find("local:" .. path))
    assert.same({ path, true }, { place.directory, place.is_durable })
    assert.matches("^drwx%-%-%-%-%-%-", (helper.run("ls -ld " .. path)))
    assert.equal(place, places.find("local:" .. path .. "/../" .. path:match "[^/]*$"))
    os.remove(path)
  end)

  it("is refused where others may write, and where it cannot be made", function()
    local directory <close> = helper.directory { ["file"] = "" }
    os.execute("chmod 777 " .. tostring(directory))
    local place <const>, message <const>, code <const> = places.find("local:" .. tostring(directory))
    assert.same({ nil, "denied" }, { place, code })
    assert.matches("^open local:/.*: use the directory /.*: others may write to it$", message)
    assert.equal("denied", (select(3, places.find("local:" .. tostring(directory) .. "/file"))))
    assert.equal("unreachable", (select(3, places.find("local:" .. tostring(directory) .. "/a/b"))))
  end)

  it("must be a path, or nothing", function()
    for _, url in ipairs { 7, "http://x", "local", "local:/a\0b", "local:place", "local:./place", "local: " } do
      local ok <const>, message <const> = pcall(places.find, url)
      assert.is_false(ok)
      assert.matches("bad argument 'url'", message)
    end
  end)

  it("must be an absolute path, for whatever is to be there", function()
    for _, name in ipairs { "bus", "queue", "store" } do
      helper.assert_misuse("^spec/lua/place_spec.lua:%d+: bad argument 'url' %(local:shop is no absolute path: " ..
        "local: or local:/path expected%)$", function() require("perigee." .. name).open("local:shop", "x") end)
    end
  end)
end)

if system.user_id() ~= 0 then return end

describe("local: of another user", function()
  helper.leaves_nothing(before_each, after_each)

  for title, arguments in pairs { ["a process"] = "--user nobody", workers = "--workers 2 --user nobody" } do
    it("is that user's, for " .. title .. ", and goes with them", function()
      local meeting
      do
        local text <const> = COUNTER .. "assert(require('perigee.bus').open 'local:'):subscribe 'x'"
        local service <close>, address <const> = workers.serve(text, arguments)
        assert.equal(1, (ask(address)))
        meeting = meeting_of((select(3, ask(address))))
        assert.matches("^drwx%-%-%-%-%-%- %d+ nobody", (helper.run("ls -ld " .. meeting)))
        local _ <const> = service
      end
      helper.eventually(function() return not system.file_kind(meeting) end)
    end)
  end
end)
