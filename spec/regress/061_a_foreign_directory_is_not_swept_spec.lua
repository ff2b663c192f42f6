--- Whoever first uses `local:` removes what killed processes have left in /dev/shm, where everybody may write. What
--- another user has put there, or a link, led to a directory of the victim's, and its files were removed.

local helper <const> = require "spec.helper"
local system <const> = require "core.system"

local USE <const> = [[assert(require("perigee.place").find "local:")]]

describe("sweeping shared memory", function()
  helper.leaves_nothing(before_each, after_each)

  --- A directory in shared memory that looks as if it had been left.
  local function left()
    return ("/dev/shm/perigee-%d-%s"):format(system.user_id(), helper.temporary_name():gsub("[^%x]", ""))
  end

  local function sweep(directory)
    local output <const>, status <const> = helper.run(("%s run %s/use.lua"):format(helper.binary, directory))
    assert.equal(0, status, output)
  end

  --- Makes it elsewhere first, as it would be swept while it is made.
  local function run(...)
    assert(os.execute(table.concat({ ... }, " && ")))
  end

  it("removes what is ours alone", function()
    local directory <close> = helper.directory { ["use.lua"] = USE }
    local made <const>, path <const> = tostring(directory) .. "/made", left()
    run("mkdir -p -m 700 " .. made .. "/members", ("touch %s/lock %s/members/a"):format(made, made),
      ("cp -a %s %s.new"):format(made, path), ("mv %s.new %s"):format(path, path))
    sweep(directory)
    assert.is_nil(system.file_kind(path))
  end)

  it("follows no link", function()
    local directory <close> = helper.directory { ["use.lua"] = USE }
    local precious <const>, path <const> = tostring(directory) .. "/precious", left()
    run("mkdir -m 700 " .. precious, ("touch %s/lock %s/file"):format(precious, precious),
      ("ln -s %s %s"):format(precious, path))
    sweep(directory)
    assert.equal("file", system.file_kind(precious .. "/file"))
    os.remove(path)
  end)

  it("leaves alone what others may change", function()
    local directory <close> = helper.directory { ["use.lua"] = USE }
    local made <const>, precious <const>, path <const> =
      tostring(directory) .. "/made", tostring(directory) .. "/precious", left()
    run(("mkdir %s %s"):format(made, precious), ("touch %s/lock %s/file"):format(made, precious),
      ("ln -s %s %s/members"):format(precious, made), "chmod 777 " .. made,
      ("cp -a %s %s.new"):format(made, path), ("mv %s.new %s"):format(path, path))
    sweep(directory)
    assert.equal("file", system.file_kind(precious .. "/file"))
    run("rm -r " .. path)
  end)
end)
