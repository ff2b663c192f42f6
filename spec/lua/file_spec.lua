local file <const> = require "perigee.file"
local helper <const> = require "spec.helper"

--- How many processes have the text in their command line.
local function running(text)
  local output <const> = helper.run(("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o '%s[%s]' | wc -l")
    :format(text:sub(1, -2), text:sub(-1)))
  return math.tointeger(tonumber(output))
end

describe("a directory", function()
  it("is listed by names, sorted, without itself and the one above", function()
    local directory <close> = helper.directory { ["b.txt"] = "b", [".hidden"] = "", ["a/inner"] = "x" }
    assert.same({ ".hidden", "a", "b.txt" }, file.list(tostring(directory)))
  end)

  it("that is not there is an expected failure", function()
    local list <const>, message <const> = file.list "/nowhere/at/all"
    assert.is_nil(list)
    assert.matches("/nowhere/at/all", message, 1, true)
  end)
end)

describe("a file", function()
  it("is read whole, whatever its bytes", function()
    local directory <close> = helper.directory { bytes = "a\0\r\n\xFF" }
    assert.equal("a\0\r\n\xFF", file.read(tostring(directory) .. "/bytes"))
    assert.is_nil(file.read(tostring(directory) .. "/none"))
    assert.is_nil(file.read(tostring(directory)))
  end)
end)

describe("a command", function()
  helper.leaves_nothing(before_each, after_each)

  it("is read while it runs, to its end", function()
    local output <close> = assert(file.run "echo one; sleep 0.05; echo two; exit 3")
    assert.equal("one", output:read_line())
    assert.equal("two\n", output:read_all())
  end)

  it("has an empty standard input", function()
    local output <close> = assert(file.run "cat; echo end")
    assert.equal("end\n", output:read_all())
  end)

  it("may be several, and end with a comment", function()
    local output <close> = assert(file.run "printf a\nprintf b | tr b c # and no more")
    assert.equal("ac", output:read_all())
  end)

  it("that waits for a reader loses nothing", function()
    local output <close> = assert(file.run("head -c 100000 /dev/zero"))
    assert.equal(100000, #output:read_all())
  end)

  for name, command in pairs {
    ["writes"] = "while true; do cat /dev/null; echo x; sleep 0.02; done", ["is silent"] = "echo x; sleep 1000",
  } do
    it("that " .. name .. " is ended when the connection is closed", function()
      local tag <const> = "perigee-spec-" .. math.random(1 << 40)
      local output <close> = assert(file.run(command .. "; : " .. tag))
      assert.equal("x", output:read_line())
      assert.is_true(running(tag) > 0)
      output:close()
      helper.eventually(function() return running(tag) == 0 end)
    end)
  end
end)
