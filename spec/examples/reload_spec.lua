local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local function read_file(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function write_file(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

--- What the first version of the example was like.
local function first_version(text)
  return (text:gsub("{ version = 2.-end }", "{}"):gsub("local vote <const> = .-vote%.count%)%)", [[
votes[name] = (votes[name] or 0) + 1
  conn:write(("%%s has %%d\n"):format(name, votes[name]))]]))
end

describe("the example", function()
  helper.leaves_nothing(before_each, after_each)

  it("votes keeps its votes and its clients over a reload that changes their form", function()
    local second <const> = read_file "examples/votes.lua"
    local directory <close> = helper.directory { ["votes.lua"] = first_version(second) }
    local path <const>, control <const> = ("%s/votes.lua"):format(directory), ("%s/control"):format(directory)
    local _ <close>, address <const> = helper.serve(("--control %s --set votes.listen=tcp://127.0.0.1:0 %s"):format(
      control, path))
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    conn:write "tea\ntea\n"
    assert.same({ "tea has 1", "tea has 2" }, { conn:read_line(), conn:read_line() })
    write_file(path, second)
    local output <const>, status <const> = helper.run(("%s reload --control %s"):format(helper.binary, control))
    assert.same({ "reloaded votes: generation 2\n", 0 }, { output, status })
    conn:write "tea\n"
    assert.equal("tea: 3", conn:read_line())
  end)
end)
