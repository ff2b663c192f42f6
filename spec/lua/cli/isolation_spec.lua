--- What services of one process have of their own: globals, modules, errors.

local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local FIXTURES <const> = "spec/fixtures/isolation/"

describe("services of one process", function()
  helper.leaves_nothing(before_each, after_each)

  it("have globals, standard libraries and the modules beside their scripts for themselves", function()
    local output <const>, status <const> = helper.run(("%s run %sfirst/first.lua %ssecond/second.lua")
      :format(helper.binary, FIXTURES, FIXTURES))
    local lines <const> = {}
    for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({
      "first: a global of first, string.shout of first, the shared module of first, loaded once",
      "second: a global of second, string.shout of second, the shared module of second, loaded once",
    }, lines)
    assert.equal(0, status)
  end)

  it("share the library's modules", function()
    local directory <close> = helper.directory {
      ["a.lua"] = 'require "perigee.task".mark = "set by a"',
      ["b.lua"] = 'require "perigee.task".sleep(0.01) print(require "perigee.task".mark)',
    }
    local output <const> = helper.run(("%s run %s/a.lua %s/b.lua"):format(helper.binary, directory, directory))
    assert.equal("set by a\n", output)
  end)
end)

describe("an error in a handler", function()
  helper.leaves_nothing(before_each, after_each)

  it("is logged with the script's own lines, and closes that connection alone", function()
    local process <close>, address <const> = helper.serve(FIXTURES .. "failing.lua")
    local one <close> = assert(net.connect(address, { timeout = 20 }))
    local other <close> = assert(net.connect(address, { timeout = 20 }))
    other:write "hello\n"
    assert.equal("hello", other:read_line())
    one:write "fail\n"
    assert.equal("closed", (select(3, one:read(1))))
    process:wait_for("error failing  [^\n]-failing%.lua:8: cannot do fail\n    stack traceback:\n.*"
      .. "failing%.lua:8: in upvalue 'deep'\n.*failing%.lua:13: in [^\n]*\n$")
    other:write "still here\n"
    assert.equal("still here", other:read_line())
  end)

  it("in a background task is logged, and the service goes on", function()
    local process <close>, address <const> = helper.serve(FIXTURES .. "failing.lua")
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    conn:write "background\n"
    assert.equal("background", conn:read_line())
    process:wait_for "error failing  [^\n]-failing%.lua:14: in the background\n    stack traceback:\n"
    conn:write "still here\n"
    assert.equal("still here", conn:read_line())
  end)
end)
