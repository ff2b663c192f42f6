--- The end of a task told its scope, with it the scope's owner, and with that the next request of a connection, in
--- which the task's handle was collected: the task went back to the pool twice.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

describe("a task's handle", function()
  helper.leaves_nothing(before_each, after_each)

  it("may be collected by what the task's end has run", function()
    local server <close>, url <const> = fixture.serve(function(request)
      if request.path == "/first" then
        task.spawn(task.sleep, math.huge)
        return "first"
      end
      collectgarbage()
      collectgarbage()
      local tasks <const> = {}
      for i = 1, 10 do tasks[i] = task.spawn(function() task.sleep(0) return i end) end
      for i = 1, 10 do tasks[i] = tasks[i]:join() end
      return table.concat(tasks, " ")
    end)
    local conn <close> = fixture.connect(url)
    conn:write(("GET /first HTTP/1.1\r\nHost: spec\r\n\r\nGET /next HTTP/1.1\r\nHost: spec\r\n\r\n"):rep(3))
    for _ = 1, 3 do
      assert.equal("first", fixture.read(conn).body)
      assert.equal("1 2 3 4 5 6 7 8 9 10", fixture.read(conn).body)
    end
    assert.is_true(server.is_open)
  end)
end)
