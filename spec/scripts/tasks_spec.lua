--- perigee tasks, and perigee tasks kill.

local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

local SCRIPT <const> = [[
local net <const>, task <const> = require "perigee.net", require "perigee.task"
local function rest() task.sleep(3600) end
local timer <const> = task.spawn(rest)
net.serve("tcp://127.0.0.1:0", function(conn)
  conn:write "hello\n"
  for line in conn:lines() do conn:write(line, "\n") end
end)
]]

for _, mode in ipairs { "", "--workers 2" } do
  describe(("perigee tasks %s"):format(mode), function()
    helper.leaves_nothing(before_each, after_each)

    local function of_kind(process, kind)
      local found <const> = {}
      for _, one in ipairs(json.decode((process:command "tasks --json"))) do
        if one.kind == kind then found[#found + 1] = one end
      end
      return found
    end

    it("says what each task waits for, where, and for whom", function()
      local process <close>, address <const> = workers.serve(SCRIPT, mode)
      local conn <close> = assert(net.connect(address, { timeout = 20 }))
      assert.equal("hello", conn:read_line())
      local own <const> = tostring(conn.address)
      local connection <const> = of_kind(process, "connection")[1]
      assert.same({ "service", 1, "waiting", own, "for ... in (service.lua:6)" }, { connection.service,
        connection.generation, connection.state, connection.peer, connection.waits })
      assert.matches("service.lua:6: in", connection.traceback)
      local timer <const> = of_kind(process, "task")[1]
      assert.same({ "sleep (service.lua:2)", nil }, { timer.waits, timer.peer })
      local text <const> = process:command "tasks"
      assert.matches("ID +SERVICE +GEN +AGE +KIND +PEER +WAITS\n", text)
      assert.truthy(text:find(own, 1, true))
    end)

    it("has the stacks when they are wanted", function()
      local process <close> = workers.serve(SCRIPT, mode)
      assert.matches("sleep %(service.lua:2%)\n +%S+service.lua:2: in", (process:command "tasks --stacks"))
    end)

    it("kills one, and leaves the others alone", function()
      local process <close>, address <const> = workers.serve(SCRIPT, mode)
      local one <close> = assert(net.connect(address, { timeout = 20 }))
      local other <close> = assert(net.connect(address, { timeout = 20 }))
      assert.same({ "hello", "hello" }, { one:read_line(), other:read_line() })
      local victim
      for _, connection in ipairs(of_kind(process, "connection")) do
        if connection.peer == tostring(one.address) then victim = connection end
      end
      local where <const> = victim.worker and " --worker " .. victim.worker or ""
      local said <const>, status <const> = process:command(("tasks kill %d%s"):format(victim.id, where))
      assert.same({ ("killed %d\n"):format(victim.id), 0 }, { said, status })
      assert.equal("", one:read_all())
      other:write "still here\n"
      assert.equal("still here", other:read_line())
      assert.equal(1, #of_kind(process, "connection"))
    end)

    it("asks which worker is meant when several have a task of that number", function()
      local process <close> = workers.serve(SCRIPT, mode)
      local timers <const> = of_kind(process, "task")
      if #timers == 1 then return assert.equal("", mode) end
      assert.equal(timers[1].id, timers[2].id)
      local said <const>, status <const> = process:command("tasks kill " .. timers[1].id)
      assert.same({ ("perigee: several workers have a task %d, so say which one: --worker 1, or --worker 2\n"):format(
        timers[1].id), 1 }, { said, status })
      assert.equal(2, #of_kind(process, "task"))
    end)

    it("says when there is no such task", function()
      local process <close> = workers.serve(SCRIPT, mode)
      local said <const>, status <const> = process:command "tasks kill 1000000"
      assert.same({ "perigee: there is no task 1000000 of a service\n", 1 }, { said, status })
      assert.equal(2, (select(2, process:command "tasks kill")))
    end)
  end)
end
