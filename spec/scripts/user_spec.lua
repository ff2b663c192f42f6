local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local workers <const> = require "spec.fixtures.workers"

local NOBODY <const> = helper.run("id -u nobody"):match "%d+"
local NOGROUP <const> = helper.run("id -g nobody"):match "%d+"

--- The numbers of the user and the group that a process is, each of real, effective, saved and file system's.
local function ids_of(pid)
  local file <close> = assert(io.open(("/proc/%d/status"):format(pid)))
  local text <const> = file:read "a"
  return text:match "\nUid:%s*([%d\t]+)", text:match "\nGid:%s*([%d\t]+)", text:match "\nGroups:%s*([%d ]*)"
end

local function four(id)
  return ("%s\t%s\t%s\t%s"):format(id, id, id, id)
end

--- Another user may read the script, but not find it.
local function opened_to_all(process)
  os.execute(("chmod -R a+rX %s"):format(process.directory))
end

if system.user_id() ~= 0 then
  describe("--user", function() pending "only root can become another user" end)
  return
end

describe("--user", function()
  helper.leaves_nothing(before_each, after_each)

  it("gives all rights up, for good, when the addresses are bound", function()
    local text <const> = workers.ECHO .. [[
      local process <const> = require "perigee.process"
      local task <const> = require "perigee.task"
      task.spawn(function()
        task.sleep(0.2)
        local child <close> = process.run { "sh", "-c", "id -u; cat /etc/shadow 2>&1" }
        print("as " .. child.stdout:read_all():gsub("\n", " "))
      end)
    ]]
    local process <close>, address <const> = workers.serve(text, "--user nobody")
    process:wait_for("as " .. NOBODY .. " .*Permission denied")
    local uid <const>, gid <const>, groups <const> = ids_of(process.pid)
    assert.same({ four(NOBODY), four(NOGROUP) }, { uid, gid })
    assert.is_nil(groups:find "%f[%d]0%f[%D]")
    local conn <close> = assert(net.connect(address, { timeout = 20 }))
    assert.equal("0", conn:read_line())
  end)

  it("takes a group", function()
    local process <close> = workers.serve(workers.ECHO, "--user nobody:daemon")
    local daemon <const> = helper.run("getent group daemon"):match ":(%d+):"
    local _, gid = helper.eventually(function()
      local uid <const>, group <const> = ids_of(process.pid)
      return uid == four(NOBODY) and uid, group
    end)
    assert.equal(four(daemon), gid)
  end)

  it("is whom workers run as, beside a supervisor that stays root", function()
    local process <close> = workers.start(workers.ECHO, "--user nobody --workers 2")
    opened_to_all(process)
    process:wait_for "listening address=(%S+)"
    for _, worker in ipairs(process:serving().workers) do
      assert.equal(four(NOBODY), (ids_of(worker.pid)))
    end
    assert.equal(four(0), (ids_of(process.pid)))
  end)

  it("says that there is no such user", function()
    local process <close> = workers.start(workers.ECHO, "--user nobody-at-all")
    assert.equal(1, process:wait())
    process:wait_for "there is no user 'nobody%-at%-all'"
    local other <close> = workers.start(workers.ECHO, "--workers 2 --user nobody-at-all")
    assert.equal(1, other:wait())
    other:wait_for "there is no user 'nobody%-at%-all'"
  end)
end)
