--- Workers under load that are killed, and upgrades. PERIGEE_LOAD_SECONDS=60 PERIGEE_UPGRADES=20 run it in full.

local helper <const> = require "spec.helper"
local client <const> = require "perigee.supervisor.client"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local task <const> = require "perigee.task"
local workers <const> = require "spec.fixtures.workers"

local sanitized <const> = system.versions().sanitized
local SECONDS <const> = tonumber(os.getenv "PERIGEE_LOAD_SECONDS" or 4)
local UPGRADES <const> = tonumber(os.getenv "PERIGEE_UPGRADES" or 3)
local CLIENTS <const> = 48
local FLAT <const> = 2 * 1024 * 1024 -- bytes that a supervisor may grow by

local ECHO <const> = workers.ECHO:gsub("service.worker", 'require "perigee.process".pid')

local function ask(process, command)
  local answer <const>, conn <const> = client.ask(process.control, { command = command })
  assert(answer, conn)
  conn:close()
  return answer
end

--- What a client has seen: echoes, and connections that broke without a kill that explains it.
local function new_tally()
  return { echoes = 0, broken = 0, killed = {}, kills = 0, wrong = {} }
end

local function complain(tally, format, ...)
  table.insert(tally.wrong, format:format(...))
end

--- A connection may break when the process that serves it was killed; before it has said which one that is, when any
--- was.
local function check_break(tally, pid, kills_before, what, message)
  tally.broken = tally.broken + 1
  if pid and tally.killed[pid] or not pid and tally.kills > kills_before then return end
  complain(tally, "%s of %s broke: %s", what, pid or "a worker that had not spoken", message)
end

local function converse(tally, address)
  local kills_before <const> = tally.kills
  local conn <close>, message <const> = net.connect(address, { timeout = 30 })
  if not conn then return complain(tally, "a connect failed: %s", message) end
  local line <const>, why <const> = conn:read_line()
  if not line then return check_break(tally, nil, kills_before, "the greeting", why) end
  local text <const> = ("%d bytes"):format(math.random(1 << 30))
  for _ = 1, math.random(50) do
    conn:write(text)
    local echo <const>, problem <const> = conn:read(#text)
    if not echo then return check_break(tally, tonumber(line), kills_before, "a connection", problem) end
    if echo ~= text then complain(tally, "'%s' came back as '%s'", text, echo) end
    tally.echoes = tally.echoes + 1
  end
end

local function kill_one(process, tally)
  local running <const> = {}
  for _, worker in ipairs(ask(process, "status").status.workers) do
    if worker.pid and worker.state == "serving" then running[#running + 1] = worker.pid end
  end
  if #running == 0 then return end
  local pid <const> = running[math.random(#running)]
  tally.killed[pid] = true -- said first: its clients may see it first
  tally.kills = tally.kills + 1
  os.execute("kill -9 " .. pid)
end

local function memory_of(process)
  return ask(process, "status").status.memory
end

for _, mode in ipairs { "--workers 2", "--workers 2 --balance" } do
  describe("kill -9 of random workers under load, with " .. mode .. " #load", function()
    helper.leaves_nothing(before_each, after_each)

    it("breaks the connections of the killed alone", function()
      local process <close>, address <const> = workers.serve(ECHO, mode)
      local tally <const>, ends <const> = new_tally(), task.now() + SECONDS
      local before
      task.group(function(group)
        for _ = 1, CLIENTS do
          group:spawn(function()
            while task.now() < ends do converse(tally, address) end
          end)
        end
        while task.now() < ends do
          task.sleep(0.3 + math.random() * 0.4)
          kill_one(process, tally)
          if not before and task.now() > ends - SECONDS * 2 / 3 then before = memory_of(process) end
        end
      end)
      local after <const> = memory_of(process)
      assert.same({}, tally.wrong)
      assert.is_true(tally.kills > 0 and tally.echoes > 0)
      if not sanitized then assert.is_true(after - before < FLAT, ("grown by %d bytes"):format(after - before)) end
      if os.getenv "PERIGEE_LOAD_SECONDS" then
        print(("\n%s: %d kills in %d s, %d echoes, %d connections broken; supervisor %d, then %d bytes"):format(mode,
          tally.kills, SECONDS, tally.echoes, tally.broken, before, after))
      end
    end)
  end)
end

--- Upgrades while a load runs, and returns what the load says.
local function upgrade_under(command, mode)
  local process <close>, address <const> = workers.serve(workers.HTTP, mode)
  local load <close> = helper.start(command:format(UPGRADES + 1, address))
  for _ = 1, UPGRADES do
    task.sleep(0.4)
    ask(process, "upgrade")
  end
  assert.is_false(load:has_ended(), "the load was over before the upgrades")
  assert.equal(0, load:wait())
  return load:output()
end

describe("perigee upgrade under load #load", function()
  helper.leaves_nothing(before_each, after_each)

  for _, mode in ipairs { "--workers 2", "--workers 2 --balance" } do
    for _, command in ipairs { "wrk -t1 -c32 -d%ds %s", "wrk -t1 -c32 -H 'Connection: close' -d%ds %s" } do
      it("fails no request of " .. command:format(UPGRADES + 1, "") .. "with " .. mode, function()
        local output <const> = upgrade_under(command, mode)
        assert.is_nil(output:find "Socket errors" or output:find "Non%-2xx", output)
        if os.getenv "PERIGEE_UPGRADES" then print("\n" .. mode .. ":" .. output:match "%d+ requests in [^,]+") end
      end)
    end

    it("fails no request of h2load --h1 with " .. mode, function()
      local output <const> = upgrade_under("h2load --h1 -t1 -c32 -D %d %s", mode)
      assert.truthy(output:find(", 0 failed, 0 errored, 0 timeout", 1, true), output)
      assert.truthy(output:find(" 0 3xx, 0 4xx, 0 5xx", 1, true), output)
      if os.getenv "PERIGEE_UPGRADES" then print("\n" .. mode .. ": " .. output:match "requests: [^\n]+") end
    end)
  end
end)
