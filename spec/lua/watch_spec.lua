--- What `perigee run --watch` watches files with: every way in which editors save is one change.

local core <const> = require "core.file_watch"
local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local task <const> = require "perigee.task"
local watch <const> = require "perigee.service.watch"

local function sh(command, ...)
  local output <const>, status <const> = helper.run(command:format(...))
  assert.equal(0, status, output)
end

--- A command of several steps, while the loop stands still: so none of them can come too late to belong to one save.
local function at_once(command, ...)
  assert(os.execute(command:format(...)))
end

--- A directory whose files a.lua, lib/b.lua and missing.lua are watched. `calls` has what `changed` was called with,
--- paths without the directory.
local function it_watches(name, test)
  it(name, function()
    local directory <close> = helper.directory { ["a.lua"] = "a", ["lib/b.lua"] = "b", ["other/a.lua"] = "other" }
    local base <const> = tostring(directory) .. "/"
    local at <const> = { base = base, calls = {}, files = { "a.lua", "lib/b.lua", "missing.lua" }, asked = 0 }
    local function files()
      at.asked = at.asked + 1
      local list <const> = { base .. "last.lua" }
      for key, value in pairs(at.files) do
        if type(key) == "string" then list[base .. key] = value else table.insert(list, base .. value) end
      end
      return list
    end
    local function changed(paths)
      for i, path in ipairs(paths) do paths[i] = path:sub(#base + 1) end
      table.insert(at.calls, table.concat(paths, " "))
      if at.changed then at.changed() end
    end
    local running
    function at.stop()
      running:cancel()
      assert.equal("cancelled", select(3, running:join()))
    end
    function at.start()
      local watching <const> = watch.new(files, changed)
      running = task.spawn(watching.run, watching)
    end
    at.start()
    local _ <close> = setmetatable({}, { __close = at.stop })
    test(at)
  end)
end

--- Waits for the calls that are expected. That there are no more is seen by a last change: it is told after whatever
--- was to be told before.
local function assert_calls(at, expected)
  helper.eventually(function() return #at.calls >= #expected end)
  sh("echo 1 >> %slast.lua", at.base)
  helper.eventually(function() return at.calls[#at.calls] == "last.lua" end)
  table.insert(expected, "last.lua")
  assert.same(expected, at.calls)
end

describe("the watch of files", function()
  helper.leaves_nothing(before_each, after_each)

  for what, options in pairs {
    ["vim"] = "",
    ["vim that renames"] = "--cmd 'set backupcopy=no'",
    ["vim that copies"] = "--cmd 'set backupcopy=yes'",
    ["vim that renames and keeps a backup"] = "--cmd 'set backupcopy=no backup'",
    ["vim that swaps"] = "--cmd 'set swapfile'",
  } do
    it_watches("tells once that " .. what .. " has saved", function(at)
      sh("cd %s && vim -es -u NONE %s -c '%%s/^/-- saved /' -c 'wq' lib/b.lua < /dev/null", at.base, options)
      assert_calls(at, { "lib/b.lua" })
    end)
  end

  for what, case in pairs {
    ["a file moved over it"] = { "echo new > a.new; mv a.new a.lua", "a.lua" },
    ["a file moved over it from elsewhere"] = { "mv other/a.lua lib/b.lua", "lib/b.lua" },
    ["sed -i"] = { "sed -i s/b/c/ lib/b.lua", "lib/b.lua" },
    ["a file copied over it"] = { "cp other/a.lua a.lua", "a.lua" },
    ["a write that is appended"] = { "echo more >> a.lua", "a.lua" },
    ["a second name of another file"] = { "ln -f other/a.lua a.lua", "a.lua" },
    ["two files that are saved together"] = { "echo 1 > a.lua; echo 2 > lib/b.lua", "a.lua lib/b.lua" },
    ["a file that was not there"] = { "echo new > missing.lua", "missing.lua" },
    ["a file that is removed"] = { "rm lib/b.lua", "lib/b.lua" },
    ["a file that is emptied"] = { ": > lib/b.lua", "lib/b.lua" },
    ["a directory that is moved away"] = { "mv lib lib.old", "lib/b.lua" },
    ["a directory that is replaced"] = { "cp -r lib new; echo 2 > new/b.lua; mv lib old; mv new lib", "lib/b.lua" },
    ["a directory that is removed and made again"] = {
      "rm -r lib; mkdir lib; echo 2 > lib/b.lua", "lib/b.lua" },
    ["several saves in one moment"] = { "for i in 1 2 3 4 5; do echo $i > a.lua; done", "a.lua" },
  } do
    it_watches("tells once of " .. what, function(at)
      local run <const> = case[1]:find ";" and at_once or sh
      run("cd %s; %s", at.base, case[1])
      assert_calls(at, { case[2] })
    end)
  end

  for what, command in pairs {
    ["a touch"] = "touch a.lua lib/b.lua",
    ["the same text again"] = "cp a.lua a.new; mv a.new a.lua; printf b > lib/b.lua",
    ["other permissions"] = "chmod 600 a.lua",
    ["files that nobody named"] = "echo 1 > other.lua; echo 2 > other/a.lua; rm -r other; mkdir lib/a.lua",
    ["a file that goes and comes back"] = "mv a.lua a.lua~; mv a.lua~ a.lua",
    ["a directory that goes and comes back"] = "mv lib lib.old; mv lib.old lib",
    ["a directory of a missing file's name"] = "mkdir missing.lua",
  } do
    it_watches("tells nothing of " .. what, function(at)
      local run <const> = command:find ";" and at_once or sh
      run("cd %s; %s", at.base, command)
      assert_calls(at, {})
    end)
  end

  it_watches("tells of an editor that writes in several writes when it closes the file", function(at)
    local file <const> = assert(io.open(at.base .. "a.lua", "w"))
    for i = 1, 3 do
      file:write("-- ", i, "\n")
      file:flush()
      task.sleep(0.02)
    end
    assert.same({}, at.calls)
    file:close()
    assert_calls(at, { "a.lua" })
  end)

  it_watches("tells of each of two saves that are apart", function(at)
    for i = 1, 2 do
      sh("echo %d > %slib/b.lua", i, at.base)
      helper.eventually(function() return #at.calls == i end)
    end
    assert_calls(at, { "lib/b.lua", "lib/b.lua" })
  end)

  it_watches("follows a directory that comes back later, also into one that was made anew", function(at)
    for i = 1, 2 do
      sh("rm -r %slib", at.base)
      helper.eventually(function() return #at.calls == 2 * i - 1 end)
      sh("mkdir %slib; echo %d > %slib/b.lua", at.base, i, at.base)
      helper.eventually(function() return #at.calls == 2 * i end)
    end
    sh("echo 3 > %slib/b.lua", at.base)
    assert_calls(at, { "lib/b.lua", "lib/b.lua", "lib/b.lua", "lib/b.lua", "lib/b.lua" })
  end)

  it_watches("follows a directory that is made anew while somebody is in the old one", function(at)
    local inside <close> = helper.start(("env -C %slib sleep 60"):format(at.base))
    sh("rm %slib/b.lua", at.base)
    helper.eventually(function() return #at.calls == 1 end)
    sh("cd %s; rmdir lib; mkdir lib; echo 2 > lib/b.lua", at.base)
    assert_calls(at, { "lib/b.lua", "lib/b.lua" })
    inside:signal "KILL"
  end)

  it_watches("sees a directory above replaced", function(at)
    sh("cd %s; mkdir -p v1/deep v2/deep; echo 1 > v1/deep/c.lua; echo 2 > v2/deep/c.lua", at.base)
    at.files = { "a.lua", "v1/deep/c.lua" }
    sh("echo 1 > %sa.lua", at.base)
    helper.eventually(function() return #at.calls == 1 end)
    at_once("cd %s; mv v1 v0; mv v2 v1", at.base)
    assert_calls(at, { "a.lua", "v1/deep/c.lua" })
  end)

  it_watches("asks for the files again after each change, and forgets those that are not named any more", function(at)
    at.files = { "a.lua", "deep/er/c.lua" }
    sh("echo 1 > %sa.lua", at.base)
    helper.eventually(function() return #at.calls == 1 end)
    assert.equal(2, at.asked)
    sh("cd %s; echo 1 > lib/b.lua; mkdir -p deep/er; echo 1 > deep/er/c.lua", at.base)
    assert_calls(at, { "a.lua", "deep/er/c.lua" })
  end)

  it_watches("tells of what happens while a change is taken", function(at)
    function at.changed()
      at.changed = nil
      sh("echo 2 > %slib/b.lua", at.base)
    end
    sh("echo 1 > %slib/b.lua", at.base)
    assert_calls(at, { "lib/b.lua", "lib/b.lua" })
  end)

  it_watches("tells of a file that was loaded with another text than it has now", function(at)
    at.files = { "a.lua", ["lib/b.lua"] = "what was loaded", ["missing.lua"] = false, ["other/a.lua"] = "other" }
    sh("echo 1 > %sa.lua", at.base)
    helper.eventually(function() return #at.calls == 1 end)
    assert_calls(at, { "a.lua" }) -- lib/b.lua is watched already, and keeps the text that was seen
    at.files["lib/b.lua"] = nil
    sh("echo 2 > %sa.lua", at.base)
    helper.eventually(function() return #at.calls == 3 end)
    at.files["lib/b.lua"] = "what was loaded"
    sh("echo 3 > %sa.lua", at.base)
    helper.eventually(function() return #at.calls == 5 end)
    assert.same({ "a.lua", "last.lua", "a.lua", "a.lua", "lib/b.lua" }, at.calls)
  end)
end)

describe("the watch of links", function()
  helper.leaves_nothing(before_each, after_each)

  local function it_links(name, test)
    it_watches(name, function(at)
      sh("cd %s; mkdir v1 v2; echo 1 > v1/c.lua; echo 2 > v2/c.lua; ln -s v1 current; ln -s v1/c.lua c.lua", at.base)
      at.files = { "a.lua", "current/c.lua", "c.lua" }
      sh("echo 1 > %sa.lua", at.base)
      helper.eventually(function() return #at.calls == 1 end)
      at.calls[1] = nil
      test(at)
    end)
  end

  it_links("tells once that a link to a file was switched", function(at)
    sh("cd %s; ln -sfn v2/c.lua c.lua", at.base)
    assert_calls(at, { "c.lua" })
  end)

  it_links("tells once that a link to a directory was switched, and watches where it leads now", function(at)
    sh("cd %s; ln -sfn v2 current", at.base)
    helper.eventually(function() return #at.calls == 1 end)
    sh("cd %s; echo 3 > v2/c.lua", at.base)
    assert_calls(at, { "current/c.lua", "current/c.lua" })
  end)

  it_links("watches where a link leads now, also when the text is the same there", function(at)
    sh("cd %s; cp v1/c.lua v2/c.lua; ln -sfn v2/c.lua c.lua; ln -sfn v2 current", at.base)
    sh("echo 1 >> %slast.lua", at.base)
    helper.eventually(function() return #at.calls == 1 end)
    sh("echo 3 > %sv2/c.lua", at.base)
    assert_calls(at, { "last.lua", "c.lua current/c.lua" })
  end)

  it_links("tells of the file that links lead to", function(at)
    sh("cd %s; vim -es -u NONE -c '%%s/1/one/' -c wq v1/c.lua < /dev/null", at.base)
    assert_calls(at, { "c.lua current/c.lua" })
  end)

  it_links("bears links in a circle", function(at)
    sh("cd %s; ln -sfn current current", at.base)
    helper.eventually(function() return #at.calls == 1 end)
    sh("cd %s; ln -sfn v2 current", at.base)
    assert_calls(at, { "current/c.lua", "current/c.lua" })
  end)
end)

describe("a watch of the system's", function()
  helper.leaves_nothing(before_each, after_each)

  local open <const> = core.open

  --- What is between the watch and the system's: `meanwhile` runs before each wait.
  local Between <const> = {}
  Between.__index = Between
  function Between:add(directory, ...)
    if self.refused and directory:find(self.refused) then return nil, "watch lib: Permission denied", "denied" end
    return self.watch:add(directory, ...)
  end
  function Between:remove(directory) self.watch:remove(directory) end
  function Between:next(seconds)
    if self.meanwhile then self.meanwhile(seconds) end
    local directory <const>, name <const>, code <const> = self.watch:next(seconds)
    if code == "timeout" and self.after_silence then self.after_silence() end
    return directory, name, code
  end
  function Between:__close() self.watch:close() end

  --- A test with `between` in the place of core.open's result; nil: it fails. What is logged is in at.lines.
  local function it_has(name, between, test)
    it_watches(name, function(at)
      at.lines = {}
      log.configure { write = function(line) at.lines[#at.lines + 1] = line:match "changed files.*" end }
      local _ <close> = setmetatable({}, { __close = function()
        core.open = open
        log.configure { write = function(line) io.stderr:write(line) end }
      end })
      function core.open()
        if not between then return nil, "watch files: the limit is reached", "limit" end
        between.watch = open()
        return setmetatable(between, Between)
      end
      at.stop()
      at.start()
      test(at)
    end)
  end

  local function write(path, text)
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
  end

  it_has("is not there: it looks for changes every second, and says so once", nil, function(at)
    sh("echo 2 > %slib/b.lua", at.base)
    assert_calls(at, { "lib/b.lua" })
    assert.same({ 'changed files are looked for every second reason="watch files: the limit is reached"\n' }, at.lines)
  end)

  it_has("refuses a directory: it looks for changes there, and is told of the others", { refused = "/lib$" },
    function(at)
      sh("echo 1 > %sa.lua", at.base)
      helper.eventually(function() return #at.calls == 1 end)
      sh("echo 2 > %slib/b.lua", at.base)
      assert_calls(at, { "a.lua", "lib/b.lua" })
      assert.same({ 'changed files are looked for every second reason="watch lib: Permission denied"\n' }, at.lines)
    end)

  local between <const> = {}

  it_has("tells of a file that comes back after a while: that is one change", between, function(at)
    function between.after_silence()
      between.after_silence = nil
      write(at.base .. "lib/b.lua", "back")
    end
    os.remove(at.base .. "lib/b.lua")
    assert_calls(at, { "lib/b.lua" })
  end)

  it_has("tells of a file that is filled a while after it was emptied: that is one change", between, function(at)
    function between.after_silence()
      between.after_silence = nil
      write(at.base .. "lib/b.lua", "filled")
    end
    write(at.base .. "lib/b.lua", "")
    assert_calls(at, { "lib/b.lua" })
  end)

  it_has("tells of files that are saved one shortly after the other: that is one change", between, function(at)
    local saves = 0
    function between.meanwhile(seconds)
      if not seconds or saves == 3 then return end -- it has not begun, or they are all saved
      saves = saves + 1
      write(at.base .. ("a.lua"), ("%d"):format(saves))
      write(at.base .. ("lib/b.lua"), ("%d"):format(saves))
    end
    write(at.base .. "a.lua", "0")
    assert_calls(at, { "a.lua lib/b.lua" })
  end)

  it_has("tells of files that are saved without an end", between, function(at)
    local saves = 0
    function between.meanwhile()
      saves = saves + 1
      if at.calls[1] then between.meanwhile = nil end
      if at.calls[1] then return end
      write(at.base .. "a.lua", ("%d"):format(saves))
    end
    write(at.base .. "a.lua", "0")
    helper.eventually(function() return at.calls[1] end)
    assert.equal("a.lua", at.calls[1])
  end)

  it_has("has lost events: all files are looked at", between, function(at)
    local lost = false
    function between.meanwhile()
      if lost then return end
      lost = true
      between.watch:remove(at.base .. "lib") -- what happens there now, is lost
      write(at.base .. "lib/b.lua", "new")
    end
    local next_event <const> = Between.next
    function between:next(seconds)
      local directory, name, code = next_event(self, seconds)
      if directory then directory, name, code = nil, "lost", "limit" end
      return directory, name, code
    end
    sh("touch %sother.lua", at.base)
    helper.eventually(function() return at.calls[1] end)
    assert.equal("lib/b.lua", at.calls[1])
    between.next = nil
  end)
end)
