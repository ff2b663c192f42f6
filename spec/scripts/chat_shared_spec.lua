local chat <const> = require "spec.fixtures.chat"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local redis <const> = require "spec.fixtures.redis"

--- The chat of workers and machines that share their rooms: an option says where.

local start <const>, enter <const> = chat.start, chat.enter
local expect <const>, ask_until <const> = chat.expect, chat.ask_until

local function close(...)
  for _, conn in ipairs { ... } do conn:close() end
end

describe("chat at several processes", function()
  --- Two processes that were given the same bus, and one that comes later.
  local function share(url)
    local arguments <const> = "--set chat.bus=" .. url
    local _ <close>, at <const> = start(arguments)
    local _ <close>, elsewhere <const> = start(arguments)
    local ann <const>, bob <const> = enter(at, "ann"), enter(elsewhere, "bob")
    ask_until(bob, "/who", "here: ann, bob")
    ask_until(ann, "/who", "here: ann, bob")
    ann:write "hello from here\n"
    expect(bob, "ann: hello from here")
    bob:write "hello from there\n"
    expect(ann, "bob: hello from there")

    local other <const> = assert(net.connect(at, { timeout = 20 }))
    other:write "BOB\n"
    expect(other, "* BOB is taken, choose another name")
    bob:write "/join den\n"
    expect(bob, "* you are in den")
    expect(ann, "* bob has left")
    ask_until(ann, "/rooms", "rooms: den, lobby")
    bob:write "/nick bert\n"
    expect(bob, "* bob is now bert")
    helper.eventually(function()
      other:write "bob\n"
      local line <const> = assert(other:read_line())
      return line == "* you are in lobby"
    end)

    local third <close>, later <const> = start(arguments)
    local eve
    helper.eventually(function() -- until it has been told
      eve = assert(net.connect(later, { timeout = 20 }))
      eve:write "eve\n"
      local seen <const> = {}
      repeat
        local line <const> = assert(eve:read_line())
        seen[line] = true
      until line == "* eve has come"
      if seen["ann: hello from here"] and seen["bob: hello from there"] then return true end
      eve:write "/quit\n"
      eve:read_all()
      eve:close()
    end)
    eve:write "/join den\n"
    ask_until(eve, "/who", "here: bert, eve")
    expect(bob, "* eve has come")
    third:signal "KILL"
    ask_until(bob, "/who", "here: bert")
    close(ann, bob, other, eve)
  end

  it("has the same rooms on local:/path", function()
    local directory <close> = helper.directory {}
    share("local:" .. tostring(directory))
  end)

  it("has the same rooms on a Redis", function()
    local server <close> = redis.start()
    share(server.url)
  end)

  it("has the same rooms at all workers", function()
    local process <close>, at <const> = start "--workers 2"
    local conns <const>, names <const> = {}, {}
    for i = 1, 12 do
      names[i] = ("n%02d"):format(i)
      conns[i] = enter(at, names[i])
    end
    for i = 1, 12 do ask_until(conns[i], "/who", "here: " .. table.concat(names, ", ")) end
    conns[1]:write "hello\n"
    for i = 1, 12 do expect(conns[i], "n01: hello") end
    close(table.unpack(conns))
    process:signal "TERM"
    assert.equal(0, process:wait())
  end)

  -- The old workers had stopped to listen to the others, and their clients heard nobody any more.
  it("has the same rooms at old and new workers while it is upgraded", function()
    local directory <close> = helper.directory { any = "" }
    local control <const> = ("--control %s/control"):format(directory)
    local process <close>, at <const> = start("--workers 2 --drain 600 " .. control)
    local ann <const>, bob <const> = enter(at, "ann"), enter(at, "bob")
    local output <const>, code <const> = helper.run(("%s upgrade %s"):format(helper.binary, control))
    assert.equal(0, code, output)
    local eve <const> = enter(at, "eve")
    ask_until(eve, "/who", "here: ann, bob, eve")
    eve:write "hello to the old\n"
    expect(ann, "eve: hello to the old")
    expect(bob, "eve: hello to the old")
    bob:write "hello to the new\n"
    expect(eve, "bob: hello to the new")
    expect(ann, "bob: hello to the new")
    close(ann, bob)
    assert.equal(0, process:wait())
    close(eve)
    assert.equal(0, select(2, helper.run(("%s stop %s"):format(helper.binary, control))))
  end)
end)
