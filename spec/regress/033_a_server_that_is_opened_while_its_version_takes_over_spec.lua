--- A task of a version that was loaded aside may serve addresses while that version takes over, and has to wait for the
--- supervisor's sockets. What it got just then was never begun to be served, or was closed by the supervisor as unused.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local workers <const> = require "spec.fixtures.workers"

local OLD <const> = [[require "perigee.net".serve("tcp://127.0.0.1:0", print)]]

-- Says the ports of its other servers, and then why it has no more.
local NEW <const> = [[
  local net <const>, task <const> = require "perigee.net", require "perigee.task"
  local ports <const> = {}
  local opener
  net.serve("tcp://127.0.0.1:0", function(conn)
    opener:join()
    conn:write(table.concat(ports, " "))
  end)
  opener = task.spawn(function()
    for i = 1, 40 do
      local server <const>, message <const> = net.serve("tcp://127.0.0.1:0", function(late) late:write "late" end)
      ports[i] = server and server.address.port or message
    end
  end)
]]

local function read_all(address)
  local conn <close> = assert(net.connect(address, { timeout = 20 }))
  return (conn:read_all())
end

describe("a server that is opened while its version takes over", function()
  helper.leaves_nothing(before_each, after_each)

  for _, arguments in ipairs { "--workers 2", "--workers 2 --balance" } do
    it("is served: run " .. arguments, function()
      local process <close>, address <const> = workers.serve(OLD, "--drain 0 " .. arguments)
      process:serving()
      local file <close> = assert(io.open(process.script, "w"))
      file:write(NEW)
      file:flush()
      local output <const>, status <const> = process:command "reload"
      assert(status == 0, output)
      local ports <const> = read_all(address)
      assert.matches("^[%d ]+$", ports)
      assert(task.deadline(15, function()
        for port in ports:gmatch "%d+" do assert.equal("late", read_all("tcp://127.0.0.1:" .. port)) end
        return true
      end))
    end)
  end
end)
