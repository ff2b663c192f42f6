--- Reloads under load, of services with thousands of clients. PERIGEE_RELOADS=1000 PERIGEE_CHATTERS=1000 run it in
--- full.

local helper <const> = require "spec.helper"
local client <const> = require "perigee.supervisor.client"
local http <const> = require "spec.fixtures.http"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local RELOADS <const> = tonumber(os.getenv "PERIGEE_RELOADS" or 40)
local CHATTERS <const> = tonumber(os.getenv "PERIGEE_CHATTERS" or 100)
local ROOM_SIZE <const> = 50
local WARM_UP <const> = 10 -- reloads, before memory is looked at

--- A service of a script and a module, both of which say their version, in header, text and stream.
local SITE <const> = [[
local http <const>, part <const> = require "perigee.http", require "part"
local service <const>, task <const> = require "perigee.service", require "perigee.task"
local options <const> = service.options { listen = "http://127.0.0.1:0" }
local VERSION <const> = "@"
local counter <const> = service.state("counter", function() return { count = 0 } end)
local app <const> = http.app()
app:use(function(request, next) return http.of(next(request)):set("X-Version", VERSION) end)
app:get("/", function()
  counter.count = counter.count + 1
  return VERSION .. part.text()
end)
app:get("/slow", function()
  local first <const> = VERSION
  task.sleep(0.002)
  return first .. part.text()
end)
app:get("/count", function() return tostring(counter.count) end)
app:get("/heap", function()
  collectgarbage() collectgarbage()
  return tostring(math.floor(collectgarbage "count" * 1024))
end)
http.serve(options.listen, app)
]]
local PART <const> = 'local M <const> = {}\nfunction M.text() return ("@"):rep(500) end\nreturn M\n'

local function write(directory, name, text)
  local path <const> = ("%s/%s"):format(directory, name)
  local file <const> = assert(io.open(path .. ".new", "w"))
  file:write(text)
  file:close()
  assert(os.rename(path .. ".new", path))
end

local function ask(process, request)
  local answer <const>, conn <const>, _, refusal <const> = client.ask(process.control, request)
  assert(answer, refusal and refusal.traceback or conn)
  conn:close()
  return answer
end

--- Writes another version of everything, and reloads it.
local function reload(process, directory, number)
  local version <const> = number % 2 == 0 and "a" or "b"
  write(directory, "site.lua", (SITE:gsub("@", version)))
  write(directory, "part.lua", (PART:gsub("@", version)))
  ask(process, { command = "reload" })
end

local function serve(directory, mode)
  local control <const> = tostring(directory) .. "/control.sock"
  local process <const> = helper.start(("%s run --drain 0 --control %s %s %s/site.lua %s/chat.lua " ..
    "--set chat.listen=tcp://127.0.0.1:0 --set chat.page=http://127.0.0.1:0"):format(helper.binary, control, mode,
    directory, directory))
  process.control = control
  local site <const> = process:wait_for "site  listening address=(%S+)"
  local chat <const> = process:wait_for "chat  listening address=(tcp:%S+)"
  helper.eventually(function() return client.ask(control, { command = "status" }) end)
  return process, site, chat
end

--- Asks again and again on one connection, until `tally.over`.
local function browse(tally, site, path)
  local conn <close> = assert(net.connect((site:gsub("^http", "tcp")), { timeout = 30 }))
  while not tally.over do
    conn:write("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n")
    local reply <const> = http.read(conn)
    local version <const> = reply and reply.headers["x-version"]
    if not reply or reply.status ~= 200 then
      table.insert(tally.wrong, ("%s was answered with %s"):format(path, reply and reply.status))
      return
    end
    if reply.body ~= version:rep(501) then table.insert(tally.wrong, path .. " was answered by two versions") end
    tally[version] = (tally[version] or 0) + 1
  end
end

local function join(chat, i)
  local conn <const> = assert(net.connect(chat, { timeout = 60 }))
  assert(conn:read_line())
  conn:write(("user%d\n/join room%d\n"):format(i, i // ROOM_SIZE))
  repeat local line <const> = assert(conn:read_line()) until line == ("* you are in room%d"):format(i // ROOM_SIZE)
  return conn
end

local function join_all(chat)
  local list <const> = {}
  for i = 0, CHATTERS - 1 do list[i] = join(chat, i) end
  return list
end

--- What everybody says is heard by the others of the room; who comes now gets it as history.
local function check_chat(chatters, chat, text)
  for i = 0, CHATTERS - 1 do chatters[i]:write(text, " ", tostring(i), "\n") end
  for i = 0, CHATTERS - 1 do
    local heard <const>, wanted <const> = {}, ("user%d: %s %d"):format(i // ROOM_SIZE * ROOM_SIZE, text,
      i // ROOM_SIZE * ROOM_SIZE)
    repeat
      local line <const>, message <const> = chatters[i]:read_line()
      assert(line, ("user%d: %s"):format(i, tostring(message)))
      heard[line] = true
    until heard[wanted] and heard[("user%d: %s %d"):format(i, text, i)]
  end
  local late <close> = assert(net.connect(chat, { timeout = 60 }))
  late:write(("late%d\n/join room0\n"):format(#text))
  repeat local line <const> = assert(late:read_line()) until line == ("user0: %s 0"):format(text)
end

local function heap_of(site)
  local conn <close> = assert(net.connect((site:gsub("^http", "tcp")), { timeout = 60 }))
  conn:write "GET /heap HTTP/1.1\r\nHost: x\r\n\r\n"
  return math.tointeger(tonumber(http.read(conn).body))
end

local function memory_of(process)
  return ask(process, { command = "status" }).status.workers[1].memory
end

--- All that there is goes on while `count` reloads alternate two versions.
local function reload_under_load(process, directory, site, first, count)
  local tally <const> = { wrong = {}, over = false }
  local load <close> = helper.start(("wrk -t1 -c16 -d1000s %s/"):format(site))
  task.group(function(group)
    for _ = 1, 4 do
      group:spawn(browse, tally, site, "/")
      group:spawn(browse, tally, site, "/slow")
    end
    for number = first, first + count - 1 do
      reload(process, directory, number)
      task.sleep(0.005)
    end
    tally.over = true
  end)
  load:signal "INT"
  load:wait()
  return tally, load:output()
end

for _, mode in ipairs { "", "--workers 2" } do
  describe(("reloads under load %s #load"):format(mode), function()
    helper.leaves_nothing(before_each, after_each)

    it("harm nobody, and leave nothing behind", function()
      local directory <close> = helper.directory {
        ["site.lua"] = SITE:gsub("@", "a"), ["part.lua"] = PART:gsub("@", "a") }
      os.execute(("cp -r scripts/chat.lua scripts/chat %s"):format(directory))
      local process <close>, site <const>, chat <const> = serve(directory, mode)
      local chatters <const> = mode == "" and join_all(chat) or {}
      if mode == "" then check_chat(chatters, chat, "before") end
      local warm <const> = reload_under_load(process, directory, site, 1, WARM_UP)
      if mode == "" then check_chat(chatters, chat, "a little later") end -- as much is in the rooms as at the end
      local heap <const>, memory <const> = heap_of(site), memory_of(process)
      local tally <const>, output <const> = reload_under_load(process, directory, site, 1 + WARM_UP, RELOADS - WARM_UP)
      assert.same({ {}, {} }, { warm.wrong, tally.wrong })
      assert.is_true(tally.a > 0 and tally.b > 0)
      assert.is_nil(output:match "Socket errors[^\n]*", output)
      assert.is_nil(output:match "Non%-2xx[^\n]*", output)
      if mode == "" then check_chat(chatters, chat, "after it all") end
      local heap_after = heap_of(site)
      if mode == "" and not system.versions().sanitized then
        local is_gone <const> = pcall(helper.eventually, function() -- the last requests of old code have to end first
          heap_after = heap_of(site)
          return heap_after < heap * 1.05
        end)
        assert.is_true(is_gone, ("%d, then %d bytes"):format(heap, heap_after))
      end
      for _, conn in pairs(chatters) do conn:close() end
      if os.getenv "PERIGEE_RELOADS" then
        print(("\n%s: %d reloads, %d chatters; Lua's heap %d, then %d; resident %d, then %d; wrk: %s"):format(mode,
          RELOADS, CHATTERS, heap, heap_after, memory, memory_of(process), output:match "Requests/sec:[^\n]*"))
      end
    end)
  end)
end
