local difference <const> = require "perigee.service.difference"

--- The differences of two texts of one file, as "changed Client:join 12".
local function differences(old, new)
  local texts <const> = {}
  for index, item in ipairs(difference.functions({ ["a.lua"] = old }, { ["a.lua"] = new })) do
    assert.equal("a.lua", item.path)
    texts[index] = ("%s %s %d"):format(item.kind, item.name, item.line)
  end
  return texts
end

local CLIENT <const> = [[
local net = require "perigee.net"
local LIMIT <const> = 10
local Client = {}
Client.__index = Client

local function say(text) print(text, LIMIT) end

function Client:join(room)
  room.count = room.count + 1
  say "joined"
end

local commands = {
  help = function(client) say(client.name) end,
}
commands.who = function(client) return client.room end

net.serve("tcp://127.0.0.1:0", function(conn)
  for line in conn:lines() do say(line) end
end)
]]

local function changed(pattern, replacement)
  local text <const>, count <const> = CLIENT:gsub(pattern, replacement)
  assert.is_true(count > 0)
  return differences(CLIENT, text)
end

describe("The functions of two versions of a script", function()
  it("are the same when only comments, blanks and lines have changed", function()
    assert.same({}, differences(CLIENT, CLIENT))
    assert.same({}, differences(CLIENT, "#!/usr/bin/env perigee\n-- so\n\n" .. CLIENT:gsub("\n", " -- said\n\n")))
    assert.same({}, changed("room%.count %+ 1", "(room.count\n    + 1)"))
  end)

  it("are called as in their definition", function()
    assert.same({ "changed Client:join 8" }, changed("joined", "come"))
    assert.same({ "changed say 6" }, changed("text, LIMIT", "LIMIT, text"))
    assert.same({ "changed commands.help 14" }, changed("client%.name", "client.nick"))
    assert.same({ "changed commands.who 16" }, changed("client%.room", "client.place"))
    assert.same({ "changed function at line 18" .. " 18" }, changed("conn:lines", "conn:chunks"))
  end)

  it("are other ones where a constant is another that was compiled into them", function()
    assert.same({ "changed main chunk 2", "changed say 6" }, changed("= 10", "= 20"))
  end)

  it("come and go without the top level being another", function()
    local extra <const> = "local function extra() return 1 end\nfunction Client.leave() end\n"
    assert.same({ "added extra 6", "added Client.leave 7" },
      changed("local function say", extra .. "local function say"))
    assert.same({ "removed Client:join 8" }, changed("function Client:join.-\nend\n", ""))
    assert.same({ "removed Client:join 8", "added Client:leave 8" }, changed("Client:join", "Client:leave"))
  end)

  it("have the main chunk among them, which is what is outside of all functions", function()
    assert.same({ "changed main chunk 18" }, changed("127.0.0.1:0", "127.0.0.1:7"))
    assert.same({ "changed main chunk 21" }, differences(CLIENT, CLIENT .. "print [[loaded]]\n"))
  end)

  it("take the blame for anonymous ones inside of them, but not for those that have a name", function()
    local text <const> = [[
      local function outer(list)
        local function compare(a, b) return a < b end
        table.sort(list, function(a, b) return compare(a, b) end)
      end]]
    assert.same({ "changed outer 1" }, differences(text, (text:gsub("compare%(a, b%) end%)", "compare(b, a) end)"))))
    assert.same({ "changed compare in outer 2" }, differences(text, (text:gsub("a < b", "a > b"))))
  end)

  it("of a REST service are told apart by the paths that they are for", function()
    local text <const> = 'app:get("/a", function() return 1 end)\napp:get("/b", function() return 2 end)\n'
    local more <const> = 'app:get("/c", function() return 3 end)\n' .. text:gsub("2", "4")
    assert.same({ "added function at line 1 1", "changed main chunk 1", "changed function at line 3 3" },
      differences(text, more))
  end)

  it("may stand on one line, between strings and comments that look like code", function()
    local text <const> = 'local a, b = function() return "function" end, function() return [=[end]=] end -- function'
    assert.same({ "changed function at line 1 1" }, differences(text, (text:gsub("%[=%[end%]=%]", "[[repeat]]"))))
  end)

  it("of files that do not compile are not known: they are other texts", function()
    assert.same({ "changed main chunk 1" }, differences("x =", "y ="))
    assert.same({ "removed f 1", "changed main chunk 1" }, differences("function f() end", "f("))
  end)

  it("come and go with whole files", function()
    local list <const> = difference.functions({ ["a.lua"] = "x = 1", ["b.lua"] = "" },
      { ["b.lua"] = "", ["c.lua"] = "" })
    assert.same({ { path = "a.lua", name = "whole file", kind = "removed", line = 1 },
      { path = "c.lua", name = "whole file", kind = "added", line = 1 } }, list)
  end)

  it("are found in every script and in the library itself", function()
    local find <close> = assert(io.popen "find lua scripts examples -name '*.lua'")
    for path in find:lines() do
      local file <close> = assert(io.open(path))
      local text <const> = file:read "a"
      assert.is_true(#difference.functions({ [path] = "" }, { [path] = text }) > 0)
      assert.same({}, difference.functions({ [path] = text }, { [path] = "\n\n" .. text }))
    end
  end)
end)

describe("The text of a plan", function()
  it("has a line for each thing, and says how many would change", function()
    local plan <const> = { services = {
      { name = "chat", generation = 3,
        listeners = { { address = "tcp://127.0.0.1:8800", kind = "kept" },
          { address = "http://127.0.0.1:8801", kind = "closed" } },
        state = { { name = "rooms", kind = "migrated", from = 1, to = 2 }, { name = "log", kind = "unused", to = 1 } },
        options = { { name = "history", old = "100", new = "50" }, { name = "motd", new = "hi" } },
        functions = { { path = "chat.lua", name = "Client:join", kind = "changed", line = 50 },
          { path = "shop.lua", name = "whole file", kind = "added", line = 1 } } },
      { name = "echo", listeners = {}, state = {}, options = {}, functions = {} },
    } }
    assert.equal([[
chat: 7 changes
  listener  tcp://127.0.0.1:8800   kept
  listener  http://127.0.0.1:8801  closed
  state     rooms                  migrated from version 1 to 2
  state     log                    kept, but nothing asks for it
  option    history                50, was 100
  option    motd                   new, hi
  function  Client:join            changed  chat.lua:50
  file      shop.lua               added
echo: nothing would change]], difference.text(plan))
  end)
end)
