local core <const> = require "core.task"
local durable <const> = require "core.durable"
local fixture <const> = require "spec.fixtures.durable"
local helper <const> = require "spec.helper"
local task <const> = require "perigee.task"

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write_file(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

--- A directory with an environment in which there is something of everything, closed.
local function filled()
  local directory <const> = helper.directory {}
  local environment <close> = assert(durable.open(fixture.make(directory)))
  local store <const>, queue <const> = assert(environment:store "spec"), assert(environment:queue "spec")
  for i = 1, 100 do
    store:set("key" .. i, ("v"):rep(100 * i), i)
    queue:put(("j"):rep(100 * i))
  end
  environment:close()
  fixture.closed()
  return directory, tostring(directory) .. "/env"
end

describe("core.durable", function()
  setup(fixture.begin_once)
  helper.leaves_nothing(before_each, after_each)

  it("opens an environment once in a process, by whatever path", function()
    local directory <close> = helper.directory {}
    local path <const> = fixture.make(directory)
    os.execute(("ln -s env '%s/link'"):format(directory))
    local before <const> = core.counts().durables
    local first <close> = assert(durable.open(path))
    local second <close> = assert(durable.open(path .. "/../link/"))
    assert.equal(before + 1, core.counts().durables)
    assert(first:store "spec"):set("key", "value")
    first:close()
    assert.equal("value", (assert(second:store "spec"):get "key"))
  end)

  it("opens another one where a directory was removed and made again", function()
    local directory <close> = helper.directory {}
    local first <close> = assert(durable.open(fixture.make(directory)))
    assert(first:store "spec"):set("key", "old")
    os.execute(("rm -r '%s/env'"):format(directory))
    local second <close> = assert(durable.open(fixture.make(directory)))
    assert.is_nil((assert(second:store "spec"):get "key"))
    assert.equal("old", (assert(first:store "spec"):get "key"))
  end)

  it("is opened again while it closes", function()
    local directory <close> = helper.directory {}
    local path <const> = fixture.make(directory)
    for i = 1, 50 do
      local environment <close> = assert(durable.open(path))
      local queue <const> = assert(environment:queue "spec")
      assert.equal(i, (queue:put "job"))
      if i % 3 == 0 then queue:release_soon(i, 0) end
    end
  end)

  it("is closed when it is collected", function()
    local directory <close> = helper.directory {}
    assert(assert(durable.open(fixture.make(directory))):store "spec"):set("key", "value")
  end)

  it("does what was submitted before it was closed", function()
    local directory <close> = helper.directory {}
    local environment <close> = assert(durable.open(fixture.make(directory)))
    local store <const> = assert(environment:store "spec")
    local setting <const> = task.spawn(function() return store:set("key", "value") end)
    task.sleep(0)
    environment:close()
    assert.is_true(setting:join())
    local again <close> = assert(durable.open(fixture.make(directory)))
    assert.equal("value", (assert(again:store "spec"):get "key"))
  end)

  it("leaves no descriptor to other programs", function()
    local directory <close> = helper.directory {}
    local _ <close> = assert(durable.open(fixture.make(directory)))
    assert.equal("", (helper.run(("ls -l /proc/self/fd | grep -F '%s' || true"):format(directory))))
  end)

  it("lets its owner alone read it", function()
    local directory <close> = helper.directory {}
    local environment <close> = assert(durable.open(fixture.make(directory)))
    assert(environment:store "spec")
    assert.equal("600\n600\n", (helper.run(("stat -c %%a '%s'/env/*"):format(directory))))
  end)

  it("says what is wrong with a directory", function()
    local directory <close> = helper.directory { file = "" }
    local function fails(path, message, code)
      assert.same({ nil, ("open %s: %s"):format(path, message), code }, { durable.open(path) })
    end
    local path <const> = tostring(directory)
    fails(path .. "/none", "No such file or directory", "unreachable")
    fails(path .. "/file", "Not a directory", "unreachable")
    os.execute(("mkdir -p '%s'/env/data.mdb"):format(directory))
    fails(path .. "/env", "Is a directory", "failed")
    assert.has_error(function() durable.open(path, { size = 1000 }) end,
      "option 'size' must be an integer from 1048576 to 35184372088832, not 1000")
    assert.has_error(function() durable.open(path, { sink = true }) end, "there is no option 'sink'")
  end)

  it("goes on with an environment that it has closed well", function()
    local directory <close>, path <const> = filled()
    local environment <close> = assert(durable.open(path))
    local store <const>, queue <const> = assert(environment:store "spec"), assert(environment:queue "spec")
    assert.equal(("v"):rep(10000), (store:get "key100"))
    assert.same({ 1, ("j"):rep(100), 1, 99 }, { queue:take(10) })
    assert.truthy(directory)
  end)

  for name, damage in pairs {
    ["that was truncated in the middle of its data"] = function(bytes) return bytes:sub(1, 5 * 4096 + 100) end,
    ["that was truncated to its first pages"] = function(bytes) return bytes:sub(1, 2 * 4096) end,
    ["that was truncated in its first page"] = function(bytes) return bytes:sub(1, 100) end,
    ["of other bytes"] = function(bytes) return ("damage\n"):rep(#bytes // 7) end,
    ["of zeros"] = function(bytes) return ("\0"):rep(#bytes) end,
    ["whose first pages are wrong"] = function(bytes) return ("\255"):rep(8192) .. bytes:sub(8193) end,
    ["whose data is zeros"] = function(bytes) return bytes:sub(1, 8192) .. ("\0"):rep(#bytes - 8192) end,
    ["whose size of pages is wrong"] = function(bytes)
      return (bytes:gsub(("\0\16\0\0"):rep(1), "\0\0\0\7", 4))
    end,
  } do
    it("refuses a file " .. name, function()
      local directory <close>, path <const> = filled()
      write_file(path .. "/data.mdb", damage(read_file(path .. "/data.mdb")))
      local environment <const>, message <const>, code <const> = durable.open(path)
      assert.is_nil(environment)
      assert.equal("protocol", code)
      assert.truthy(message:find("open " .. path .. ": data.mdb", 1, true), message)
      assert.truthy(message:find("damaged", 1, true), message)
      assert.truthy(directory)
    end)
  end

  it("refuses the database of somebody else", function()
    local directory <close>, path <const> = filled()
    local bytes <const>, count <const> = read_file(path .. "/data.mdb"):gsub("perigee 1", "somebody ")
    assert.is_true(count > 0)
    write_file(path .. "/data.mdb", bytes)
    local environment <const>, message <const>, code <const> = durable.open(path)
    assert.same({ nil, ("open %s: there is a database that is not Perigee's, or of another version"):format(path),
      "protocol" }, { environment, message, code })
    assert.truthy(directory)
  end)
end)

describe("a full environment of core.durable", function()
  setup(fixture.begin_once)
  helper.leaves_nothing(before_each, after_each)

  local text <const> = ("x"):rep(1000)

  --- Fills it by many tasks at once, and returns how many jobs were taken in.
  local function fill(queue)
    local count, refused = 0, 0
    task.group(function(group)
      for _ = 1, 20 do
        group:spawn(function()
          while true do
            local id <const>, message <const>, code <const> = queue:put(text)
            if not id then
              refused = refused + 1
              assert.equal("limit", code)
              assert.truthy(message:find ": it is full$", message)
              return
            end
            count = count + 1
          end
        end)
      end
    end)
    assert.equal(20, refused)
    return count
  end

  it("says so, keeps what it has, and takes more when there is room again", function()
    local directory <close> = helper.directory {}
    local environment <close> = assert(durable.open(fixture.make(directory), { size = 1 << 20, sync = false }))
    local queue <const>, store <const> = assert(environment:queue "spec"), assert(environment:store "spec")
    store:set("key", "value")
    local count <const> = fill(queue)
    assert.is_true(count > 300)
    assert.same({ count, 0, 0 }, { queue:counts() })
    assert.same({ nil, "limit" }, { (store:set("other", text)), (select(3, store:set("other", text))) })
    assert.equal("value", (store:get "key"))
    assert.is_true(store:expire("key", 10))
    for i = 1, count do
      assert.same({ i, text, 1, count - i }, { queue:take(10) })
      if i > count // 2 then assert.is_true(queue:release(i, 1, 100)) else assert.is_true(queue:done(i, 1)) end
    end
    assert.is_true(store:delete "key" == 1)
    assert.is_true(fill(queue) > 100)
  end)

  it("can be emptied by many at once", function()
    local directory <close> = helper.directory {}
    local environment <close> = assert(durable.open(fixture.make(directory), { size = 1 << 20, sync = false }))
    local queue <const> = assert(environment:queue "spec")
    for _ = 1, 3 do
      local count <const>, done = fill(queue), 0
      task.group(function(group)
        for _ = 1, 500 do
          group:spawn(function()
            local id <const>, _ <const>, deliveries <const> = queue:take(10)
            if id and queue:done(id, deliveries) then done = done + 1 end
          end)
        end
      end)
      assert.equal(math.min(count, 500), done)
      while queue:done(queue:take(10) or 0, 1) do done = done + 1 end
      assert.equal(count, done)
    end
  end)

  it("makes room by what has expired", function()
    local directory <close> = helper.directory {}
    local environment <close> = assert(durable.open(fixture.make(directory), { size = 1 << 20, sync = false }))
    local store <const> = assert(environment:store "spec")
    local i = 0
    repeat i = i + 1 until not store:set("key" .. i, text, 10)
    environment:shift_clock(11)
    for j = 1, i - 1 do assert.is_true(store:set("other" .. j, text)) end
  end)

  it("refuses what does not fit, not what is with it", function()
    local directory <close> = helper.directory {}
    local environment <close> = assert(durable.open(fixture.make(directory), { size = 1 << 20, sync = false }))
    local store <const> = assert(environment:store "spec")
    local large <const>, results <const> = ("x"):rep(2 << 20), {}
    task.group(function(group)
      for i = 1, 30 do
        group:spawn(function() results[i] = store:set("key" .. i, i % 3 == 0 and large or "small") or false end)
      end
    end)
    for i = 1, 30 do assert.equal(i % 3 ~= 0, results[i]) end
  end)
end)
