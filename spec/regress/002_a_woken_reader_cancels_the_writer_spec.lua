--- A close woke reader and writer one inside the other; a reader that cancelled the writer's task had it resumed twice.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

describe("a connection that breaks", function()
  helper.leaves_nothing(before_each, after_each)

  it("tells a reader and a writer that cancel each other", function()
    for _, first in ipairs { "reader", "writer" } do
      local a <close>, b <const> = net.pair()
      local _ <close> = b
      local tasks <const> = {}
      tasks.reader = task.spawn(function()
        a:read(1)
        if first == "reader" then tasks.writer:cancel() end
      end)
      tasks.writer = task.spawn(function()
        while a:write(("x"):rep(100000)) do end
        if first == "writer" then tasks.reader:cancel() end
      end)
      helper.eventually(function() return tasks.reader.state == "waiting" and tasks.writer.state == "waiting" end)
      b:abort()
      tasks.reader:join()
      tasks.writer:join()
    end
  end)
end)
