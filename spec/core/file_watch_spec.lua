local file_watch <const> = require "core.file_watch"
local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

local function sh(command, ...)
  assert(os.execute(command:format(...)))
end

--- Everything that has happened, as "NAME" for a file and "" for the directory itself.
local function names(watch)
  local list <const> = {}
  while true do
    local directory <const>, name <const>, code <const> = watch:next(0)
    if code == "timeout" then return list end
    assert(directory, name)
    list[#list + 1] = name or ""
  end
end

describe("a watch of files", function()
  helper.leaves_nothing(before_each, after_each)

  --- A test with a directory, and a watch of it.
  local function it_watches(name, test)
    it(name, function()
      local directory <close> = helper.directory { ["a.lua"] = "a", ["b.lua"] = "b", ["below/c.lua"] = "c" }
      local watch <close> = assert(file_watch.open())
      assert.is_true(watch:add(tostring(directory)))
      test(tostring(directory), watch)
    end)
  end

  it_watches("tells the directory as it was added, and the file", function(directory, watch)
    sh("echo x > %s/a.lua", directory)
    assert.same({ directory, "a.lua" }, { watch:next(10) })
  end)

  it_watches("wakes a task that waits", function(directory, watch)
    local waiting <const> = task.spawn(watch.next, watch)
    task.sleep(0)
    sh("echo x > %s/b.lua", directory)
    assert.same({ directory, "b.lua" }, { waiting:join() })
  end)

  for what, case in pairs {
    ["a file that was written, when it is closed"] = { "{ echo 1; echo 2; echo 3; } > %s/a.lua", { "a.lua" } },
    ["a file that is new, when it is closed"] = { "echo 1 > %s/new.lua", { "new.lua" } },
    ["a file that was moved, by both names"] = { "cd %s && mv a.lua c.lua", { "a.lua", "c.lua" } },
    ["a file that was moved here"] = { "cd %s && mv below/c.lua a.lua", { "a.lua" } },
    ["a file that was removed"] = { "rm %s/a.lua", { "a.lua" } },
    ["a symbolic link"] = { "ln -s a.lua %s/link.lua", { "link.lua" } },
    ["a second name of a file"] = { "ln %s/below/c.lua %1$s/c.lua", { "c.lua" } },
    ["a directory"] = { "mkdir %s/new", { "new" } },
    ["permissions that were changed"] = { "chmod 600 %s/a.lua", { "a.lua" } },
    ["nothing of files that are read"] = { "cat %s/a.lua > /dev/null; ls %1$s > /dev/null", {} },
    ["nothing of directories below"] = { "echo 1 > %s/below/c.lua", {} },
  } do
    it_watches("tells " .. what, function(directory, watch)
      sh((case[1]:gsub("%%1%$s", directory)), directory)
      assert.same(case[2], names(watch))
    end)
  end

  it_watches("does not tell of a file that is still open", function(directory, watch)
    local file <const> = assert(io.open(directory .. "/new.lua", "w"))
    file:write "half"
    file:flush()
    assert.same({}, names(watch))
    file:close()
    assert.same({ "new.lua" }, names(watch))
  end)

  it_watches("tells when the directory itself is removed, and watches it once added again", function(directory, watch)
    sh("rm -r %s", directory)
    local told <const> = names(watch)
    assert.equal("", told[#told])
    local added <const>, message <const>, code <const> = watch:add(directory)
    assert.same({ nil, ("watch %s: No such file or directory"):format(directory), "unreachable" },
      { added, message, code })
    sh("mkdir %s", directory)
    assert.is_true(watch:add(directory))
    sh("echo x > %s/a.lua", directory)
    assert.same({ "a.lua" }, names(watch))
  end)

  it_watches("tells when the directory itself is moved, and then nothing of it any more", function(directory, watch)
    sh("mv %s %s.moved && echo x > %s.moved/a.lua", directory, directory, directory)
    assert.same({ "" }, names(watch))
    sh("echo x > %s.moved/a.lua; mv %s.moved %s", directory, directory, directory)
    assert.same({}, names(watch))
  end)

  it_watches("watches the directory that is at the path when it is added again", function(directory, watch)
    sh("mkdir %s/v1 %s/v2; ln -s v1 %s/current", directory, directory, directory)
    local current <const> = directory .. "/current"
    assert.is_true(watch:add(current))
    sh("ln -sfn v2 %s", current)
    assert.is_true(watch:add(current))
    names(watch)
    sh("echo old > %s/v1/a.lua; echo new > %s/v2/b.lua", directory, directory)
    assert.same({ current, "b.lua" }, { watch:next(0) })
    assert.same({}, names(watch))
  end)

  it_watches("tells of a directory alone when it is added so", function(directory, watch)
    local below <const> = directory .. "/below"
    watch:remove(directory)
    assert.is_true(watch:add(below, true))
    sh("echo x > %s/c.lua; rm %s/c.lua", below, below)
    assert.same({}, names(watch))
    sh("mv %s %s.moved", below, below)
    assert.same({ "" }, names(watch))
  end)

  it_watches("tells once of a directory of two paths, and goes on when one is removed", function(directory, watch)
    local other <const> = directory .. "/."
    assert.is_true(watch:add(other))
    sh("echo x > %s/a.lua", directory)
    assert.same({ "a.lua" }, names(watch))
    watch:remove(other)
    sh("echo x > %s/a.lua", directory)
    assert.same({ directory, "a.lua" }, { watch:next(0) })
    assert.same({}, names(watch))
  end)

  it_watches("tells nothing of a directory that was removed from it", function(directory, watch)
    sh("echo x > %s/a.lua", directory)
    watch:remove(directory)
    watch:remove "/never/added"
    sh("echo x > %s/a.lua", directory)
    assert.same({}, names(watch))
  end)

  it_watches("says when so much happened that some was lost", function(directory, watch)
    local file <const> = assert(io.open "/proc/sys/fs/inotify/max_queued_events")
    local most <const> = file:read "n"
    file:close()
    local a <const>, b <const> = directory .. "/a.lua", directory .. "/b.lua"
    for _ = 1, most // 2 + 1 do -- in turn: the same event twice is kept once
      assert(io.open(a, "a")):close()
      assert(io.open(b, "a")):close()
    end
    local told, lost = 0, nil
    repeat
      local from <const>, message <const>, code <const> = watch:next(0)
      told = told + (from and 1 or 0)
      if code == "limit" then lost = message end
    until code == "timeout"
    assert.equal("watch files: so much has happened that some was lost", lost)
    assert.equal(most, told)
  end)

  it_watches("times out, and says so", function(_, watch)
    assert.same({ nil, "watch files: nothing has happened", "timeout" }, { watch:next(0.001) })
  end)

  it_watches("lets a task that waits be cancelled, and another one wait then", function(directory, watch)
    local waiting <const> = task.spawn(watch.next, watch)
    task.sleep(0)
    waiting:cancel()
    assert.equal("cancelled", select(3, waiting:join()))
    sh("echo x > %s/a.lua", directory)
    assert.same({ directory, "a.lua" }, { watch:next(10) })
  end)

  it_watches("wakes who waits when it is closed, and is closed then", function(directory, watch)
    local waiting <const> = task.spawn(watch.next, watch)
    task.sleep(0)
    watch:close()
    assert.equal("closed", select(3, waiting:join()))
    assert.equal("closed", select(3, watch:next()))
    assert.equal("closed", select(3, watch:add "/"))
    watch:remove(directory)
    watch:close()
  end)

  it_watches("has one task wait at a time", function(_, watch)
    local waiting <const> = task.spawn(watch.next, watch)
    task.sleep(0)
    assert.error_matches(function() watch:next() end, "another task is waiting for this watch")
    waiting:cancel()
    waiting:join()
  end)

  it_watches("adds directories alone, and says why not", function(directory, watch)
    local path <const> = directory .. "/a.lua"
    assert.same({ nil, ("watch %s: Not a directory"):format(path), "unreachable" }, { watch:add(path) })
    assert.same("unreachable", (select(3, watch:add(("x"):rep(300)))))
    assert.error_matches(function() watch:add() end, "bad argument #1 to 'add'")
    assert.error_matches(function() watch:next(-1) end, "seconds must be 0 or more")
  end)
end)

describe("a watch that is forgotten", function()
  helper.leaves_nothing(before_each, after_each)

  it("is closed when it is collected", function()
    assert(file_watch.open()):add "/"
  end)
end)

describe("links", function()
  it("say where they lead, and other files nothing", function()
    local directory <close> = helper.directory { ["a.lua"] = "a" }
    sh("ln -s ../nowhere/at/all %s/link", directory)
    assert.equal("../nowhere/at/all", file_watch.link(tostring(directory) .. "/link"))
    assert.is_nil(file_watch.link(tostring(directory) .. "/a.lua"))
    assert.is_nil(file_watch.link(tostring(directory) .. "/missing"))
  end)
end)
