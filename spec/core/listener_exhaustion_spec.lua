local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local LIMIT <const> = 64

local function ask(conn, question)
  conn:write(question, "\n")
  return conn:read_line()
end

describe("a listener without descriptors", function()
  helper.leaves_nothing(before_each, after_each)

  local at
  local function connect()
    return assert(net.connect(at, { timeout = 20 }))
  end

  --- Connects until a client is turned away: the connections that are served.
  local function exhaust()
    local served <const> = {}
    while #served < LIMIT do
      local conn <const> = connect()
      if not ask(conn, "hello") then
        conn:close()
        return served
      end
      served[#served + 1] = conn
    end
    error "the limit was not reached"
  end

  it("serves those that are there, turns the others away, and recovers", function()
    local command <const> = ("bash -c 'ulimit -n %d; exec %s run spec/fixtures/few_descriptors.lua'")
    local process <close> = helper.start(command:format(LIMIT, helper.binary))
    at = process:wait_for "serving (tcp://%S+)"
    local served <const> = exhaust()
    for _ = 1, 10 do
      local conn <close> = connect()
      assert.is_nil((ask(conn, "anybody?")))
    end
    for i, conn in ipairs(served) do assert.equal(tostring(i), ask(conn, i)) end
    assert.equal("11", ask(served[1], "refused"))
    local before <const> = tonumber(ask(served[1], "cpu"))
    task.sleep(0.3)
    assert.is_true(tonumber(ask(served[1], "cpu")) - before < 0.1)
    served[#served]:close()
    served[#served] = nil
    local again <close> = helper.eventually(function()
      local conn <const> = connect()
      if ask(conn, "hello") then return conn end
      conn:close()
    end)
    assert.equal("on", ask(again, "on"))
    for _, conn in ipairs(served) do conn:close() end
    assert.matches("clients are turned away .*Too many open files", process:output())
  end)
end)
