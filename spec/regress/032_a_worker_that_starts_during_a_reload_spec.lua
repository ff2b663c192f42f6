--- A worker that was being started when a reload began, and had loaded the old version before the others committed the
--- new one, took no part in it: it went on with the old code beside them.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local workers <const> = require "spec.fixtures.workers"

local function script(text, seconds)
  return ([[
    require "perigee.net".serve("tcp://127.0.0.1:0", function(conn)
      conn:write(require "perigee.service".worker, " %s")
    end)
    require "perigee.task".sleep(%g)
  ]]):format(text, seconds)
end

describe("a worker that starts while the others are reloaded", function()
  helper.leaves_nothing(before_each, after_each)

  it("follows them", function()
    local process <close>, address <const> = workers.serve(script("old", 0.5), "--drain 0 --workers 2")
    local before <const> = process:serving()
    local file <close> = assert(io.open(process.script, "w"))
    file:write(script("new", 2))
    file:flush()
    os.execute("kill -9 " .. before.workers[2].pid)
    process:wait_for "worker ended"
    local output <const>, status <const> = process:command "reload"
    assert.same({ "reloaded service: generation 2\n", 0 }, { output, status })
    helper.eventually(function()
      for _, worker in ipairs(process:serving().workers) do
        if worker.services[1].generation ~= 2 then return false end
      end
      return true
    end)
    for _ = 1, 20 do
      local conn <close> = assert(net.connect(address, { timeout = 20 }))
      assert.matches("^%d new$", (conn:read_all()))
    end
  end)
end)
