local helper <const> = require "spec.helper"
local process <const> = require "perigee.process"
local system <const> = require "core.system"

local assert_failure <const> = helper.assert_failure

describe("a lock on a file", function()
  helper.leaves_nothing(before_each, after_each)

  it("is held together by several, or by one alone", function()
    local directory <close> = helper.directory { any = "" }
    local path <const> = tostring(directory) .. "/lock"
    assert_failure("unreachable", "^lock .*/lock: No such file", system.lock(path, true))
    local first <const>, second <const> = assert(system.lock(path)), assert(system.lock(path))
    assert_failure("exists", "^lock .*/lock: somebody else holds it$", system.lock(path, true))
    first:close()
    assert_failure("exists", "", system.lock(path, true))
    second:close()
    local alone <const> = assert(system.lock(path, true))
    assert_failure("exists", "", system.lock(path))
    assert_failure("exists", "", system.lock(path, true))
    alone:close()
    local again <const> = assert(system.lock(path))
    again:close()
  end)

  it("ends with the process that holds it, however that ends", function()
    local directory <close> = helper.directory { ["holder.lua"] = [[
      local bus <const> = assert(require("perigee.bus").open("local:" .. require("perigee.process").arguments[1]))
      require("perigee.process").channel():send "held"
      require("perigee.process").channel():receive()
      bus:close()
    ]] }
    local path <const> = tostring(directory) .. "/place"
    local child <close> = assert(process.start(tostring(directory) .. "/holder.lua", { arguments = { path } }))
    child.channel:receive()
    local lock <const> = require "perigee.place".find("local:" .. path).meeting .. "/lock"
    assert_failure("exists", "", system.lock(lock, true))
    child:kill()
    child:wait()
    local alone <const> = assert(system.lock(lock, true))
    alone:close()
    local place <const> = require "perigee.place".find("local:" .. path)
    assert(place:hold())
    place:let_go()
    assert.is_nil(system.file_kind(lock))
  end)

  it("is no lock on a file that was removed", function()
    local path <const> = helper.temporary_name()
    local lock <const> = assert(system.lock(path))
    os.remove(path)
    local other <const> = assert(system.lock(path))
    local alone <const>, _ <const>, code <const> = system.lock(path, true)
    assert.same({ nil, "exists" }, { alone, code })
    other:close()
    lock:close()
    os.remove(path)
  end)

  it("is not on what a symbolic link leads to", function()
    local path <const> = helper.temporary_name()
    os.execute(("ln -s /etc/passwd %s"):format(path))
    assert_failure("unreachable", "^lock .*: Too many levels of symbolic links$", system.lock(path))
    os.remove(path)
  end)
end)

describe("the real path", function()
  it("is absolute and without symbolic links", function()
    local directory <close> = helper.directory { ["a/b"] = "" }
    local path <const> = tostring(directory)
    os.execute(("ln -s a %s/link"):format(path))
    assert.equal(path .. "/a/b", system.real_path(path .. "/./link/../link/b"))
    assert.equal("/", system.real_path "/../..")
    assert_failure("unreachable", "^look up /nowhere: No such file", system.real_path "/nowhere")
  end)
end)

describe("a private directory", function()
  it("is made for a user", function()
    local pattern <const> = "^there is no user 'nobody%-at%-all'$"
    assert_failure("unreachable", pattern, system.private_directory("/tmp/x", "nobody-at-all"))
    assert_failure("unreachable", pattern, system.user_id "nobody-at-all")
    if system.user_id() ~= 0 then return end
    local path <const> = helper.temporary_name()
    assert.is_true(system.private_directory(path, "nobody"))
    assert.is_true(system.private_directory(path, "nobody"))
    assert.matches("^drwx%-%-%-%-%-%- %d+ nobody nogroup ", (helper.run("ls -ld " .. path)))
    assert_failure("denied", "it belongs to another user$", system.private_directory(path))
    os.remove(path)
  end)
end)
