--- The message of an error in a script may be any bytes. As an answer at the control socket it could not be put into
--- JSON, so `perigee reload` said only that the process had closed the connection.

local helper <const> = require "spec.helper"
local workers <const> = require "spec.fixtures.workers"

local SERVES <const> = [[require "perigee.net".serve("tcp://127.0.0.1:0", print)]]

describe("an error that is no UTF-8", function()
  helper.leaves_nothing(before_each, after_each)

  for _, arguments in ipairs { "", "--workers 1" } do
    it(("is what a reload says, with its bytes as escapes: run %s"):format(arguments), function()
      local process <close> = workers.serve(SERVES, "--drain 0 " .. arguments)
      local file <close> = assert(io.open(process.script, "w"))
      file:write "error 'not \\xFF\\0good'"
      file:flush()
      local output <const>, status <const> = process:command "reload"
      assert.equal(1, status)
      assert.matches("service.lua:1: not \\xFF", output, 1, true)
    end)
  end
end)
