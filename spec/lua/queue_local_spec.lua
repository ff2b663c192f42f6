--- What is special about queues and stores on local:/path: processes that share one, and die.

local helper <const> = require "spec.helper"
local process <const> = require "perigee.process"
local queues <const> = require "perigee.queue"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local function start_crashing(url, first, path)
  return assert(process.start("spec/fixtures/crashing.lua",
    { arguments = { url, first, path }, run_options = { "--log-level", "error" }, stderr = "null" }))
end

--- Kills the processes, one after the other, until the time is over; each is followed by another one.
local function crash_for(seconds, url, log)
  local children <const>, deadline <const> = {}, task.now() + seconds
  local kills = 0
  while task.now() < deadline do
    local slot <const> = kills % 2 + 1
    if children[slot] then
      children[slot]:kill()
      children[slot]:wait()
      children[slot]:close()
    end
    kills = kills + 1
    children[slot] = start_crashing(url, kills * 1000000, log .. "/" .. kills)
    task.sleep(0.05 + math.random() * 0.15)
  end
  for _, child in pairs(children) do
    child:kill()
    child:wait()
    child:close()
  end
  return kills
end

--- What the processes have noted: sets of numbers by "put", "doing" and "done".
local function read_notes(log)
  local notes <const>, count = { put = {}, doing = {}, done = {} }, 0
  for name in require "lfs".dir(log) do
    local file <close> = name:find "^%d+$" and io.open(log .. "/" .. name) or nil
    for line in file and file:lines() or function() end do
      local what <const>, number <const> = line:match "^(%l+) (%d+)$"
      if what then
        notes[what][number] = true
        count = count + 1
      end
    end
  end
  return notes, count
end

--- Takes all that is left, and counts each.
local function drain(url)
  local left <const> = {}
  local queue <close> = assert(queues.open(url, "crash", { lease = 5, attempts = 1000 }))
  local function take_until_there_is_none()
    local job = queue:take(1) -- the leases of the killed end meanwhile
    while job do
      left[job.text] = (left[job.text] or 0) + 1
      assert(job:done())
      job = queue:take(1)
    end
  end
  task.group(function(group)
    for _ = 1, 100 do group:spawn(take_until_there_is_none) end
  end)
  assert.same({ waiting = 0, taken = 0, failed = 0 }, queue:count())
  return left
end

describe("a queue on local:/path", function()
  helper.leaves_nothing(before_each, after_each)

  it("loses no job though its processes are killed at any moment #load", function()
    local directory <close> = helper.directory { ["log/none"] = "" }
    local url <const>, log <const> = ("local:%s/queue"):format(directory), tostring(directory) .. "/log"
    local seconds <const> = tonumber(os.getenv "PERIGEE_LOAD_SECONDS") or 3
    local kills <const> = crash_for(seconds, url, log)
    local notes <const>, count <const> = read_notes(log)
    local left <const> = drain(url)
    assert.is_true(kills > seconds * 2 and count > 100)
    for number in pairs(notes.put) do
      assert(left[number] or notes.doing[number], "lost: " .. number)
    end
    for number in pairs(notes.done) do assert(not left[number], "done, but delivered again: " .. number) end
    for number, times in pairs(left) do assert(times == 1, "left twice: " .. number) end
  end)

  it("holds up neither the loop nor other queues while another process writes", function()
    local directory <close> = helper.directory { none = "" }
    local url <const> = ("local:%s/queue"):format(directory)
    local queue <close> = assert(queues.open(url, "mine"))
    local other <close> = assert(queues.open(("local:%s/other"):format(directory), "mine"))
    local holder <close> = assert(process.run({ "/usr/bin/python3", "-c", [[
import sys, ctypes
lmdb = ctypes.CDLL("liblmdb.so.0")
environment, transaction = ctypes.c_void_p(), ctypes.c_void_p()
assert lmdb.mdb_env_create(ctypes.byref(environment)) == 0
assert lmdb.mdb_env_open(environment, sys.argv[1].encode(), 0, 0o600) == 0
assert lmdb.mdb_txn_begin(environment, None, 0, ctypes.byref(transaction)) == 0
print("holds it", flush=True)
sys.stdin.read()
]], ("%s/queue"):format(directory) }, { stdin = "pipe" }))
    assert.equal("holds it", holder.stdout:read_line())
    local putting <const> = task.spawn(function() return queue:put "job" end)
    assert(other:put "job")
    assert.same({ waiting = 0, taken = 0, failed = 0 }, queue:count())
    assert.same({ nil, "the deadline has passed", "timeout" }, { task.deadline(0.05, queue.put, queue, "never") })
    assert.equal("waiting", putting.state)
    holder:kill() -- in the middle of its transaction
    assert.equal(1, (putting:join()))
    assert.equal("job", queue:take(5).text)
  end)

  it("gives the jobs of a process that ends well to others at once", function()
    local directory <close> = helper.directory { none = "" }
    local url <const> = ("local:%s/queue"):format(directory)
    local queue <close> = assert(queues.open(url, "ends", { lease = 1000 }))
    queue:put "job"
    local child <close> = assert(process.start("spec/fixtures/worker.lua",
      { arguments = { url, "ends", { lease = 1000 }, "hold" }, run_options = { "--log-level", "error" } }))
    assert.equal("ready", (child.channel:receive()))
    assert.same({ "took", "job", 1 }, { child.channel:receive() })
    child.channel:close()
    child:wait()
    assert.same({ "job", 1 }, (function(job) return { job.text, job.deliveries } end)(assert(queue:take(10))))
  end)

  it("serves takers of one process in the order in which they came", function()
    local directory <close> = helper.directory { none = "" }
    local queue <close> = assert(queues.open(("local:%s/queue"):format(directory), "fair"))
    local got <const> = {}
    task.group(function(group)
      for i = 1, 20 do
        group:spawn(function()
          local job <const> = assert(queue:take())
          got[#got + 1] = ("%d=%s"):format(i, job.text)
          job:done()
        end)
      end
      for i = 1, 20 do queue:put(tostring(i)) end
    end)
    for i = 1, 20 do assert.equal(("%d=%d"):format(i, i), got[i]) end
  end)

  it("takes what another process has put, though its own place is smaller", function()
    local directory <close> = helper.directory { ["putter.lua"] = [[
      local process <const> = require "perigee.process"
      local queue <const> = assert(require "perigee.queue".open(process.arguments[1], "sizes", { size = 64 << 20 }))
      for i = 1, 100 do assert(queue:put(("x"):rep(100000) .. i)) end
      process.channel():send "done"
      queue:close()
    ]] }
    local url <const> = ("local:%s/queue"):format(directory)
    local queue <close> = assert(queues.open(url, "sizes", { size = 1 << 20 }))
    queue:put "0"
    local child <close> = assert(process.start(tostring(directory) .. "/putter.lua", { arguments = { url } }))
    assert.equal("done", (child.channel:receive()))
    child:wait()
    assert.equal(101, queue:count().waiting)
    assert.equal("limit", (select(3, queue:put(("x"):rep(100000)))))
    for i = 0, 100 do
      local job <const> = assert(queue:take(5))
      assert.equal(tostring(i), (job.text:gsub("x", "")))
      assert(job:done())
    end
    assert(queue:put(("x"):rep(100000)))
  end)

  it("can be closed while somebody takes", function()
    local directory <close> = helper.directory { none = "" }
    local url <const> = ("local:%s/queue"):format(directory)
    for i = 1, 30 do
      local queue <close> = assert(queues.open(url, "closing", { lease = 1000, attempts = 1000 }))
      queue:put "job"
      local taker <const> = task.spawn(function() return queue:take() end)
      for _ = 1, i % 5 do task.sleep(0) end
      queue:close()
      taker:join()
    end
    local queue <close> = assert(queues.open(url, "closing"))
    helper.eventually(function() return queue:count().waiting == 30 end)
  end)

  it("says that the place is full, and goes on", function()
    local directory <close> = helper.directory { none = "" }
    local queue <close> = assert(queues.open(("local:%s/queue"):format(directory), "full", { size = 1 << 20 }))
    local text <const>, count = ("x"):rep(10000), 0
    local id, message, code
    repeat
      id, message, code = queue:put(text)
      count = count + 1
    until not id
    assert.same({ ("put into %s/queue: it is full"):format(directory), "limit" }, { message, code })
    assert.is_true(count > 50)
    for _ = 1, count - 1 do assert(assert(queue:take(5)):done()) end
    assert(queue:put(text))
  end)
end)

--- Runs a script with a copy of the binary, after shell commands, and returns its output.
local function run_script(before, script, user)
  local directory <close> = helper.directory { ["script.lua"] = script }
  os.execute(("cp '%s' '%s'/perigee; chmod 777 '%s'"):format(helper.binary, directory, directory))
  local line <const> = ("cd '%s' && %s; exec ./perigee run --log-level error script.lua"):format(directory, before)
  local child <close> = assert(process.run({ "/bin/bash", "-c", line }, { user = user, stderr = "stdout" }))
  return child.stdout:read_all()
end

describe("a place that", function()
  helper.leaves_nothing(before_each, after_each)

  it("this user cannot write is refused", function()
    if system.user_id() ~= 0 then return pending "only root can become another user" end
    local directory <close> = helper.directory { ["place/none"] = "" }
    os.execute(("cd '%s' && chmod 755 . && chown nobody place && chmod 500 place"):format(directory))
    local output <const> = run_script(("export PLACE=local:%s/place"):format(directory), [[
      print(require "perigee.store".open(os.getenv "PLACE"))
    ]], "nobody")
    assert.equal(("nil\topen %s/place: Permission denied\tdenied\n"):format(directory), output)
  end)

  it("has no room on its disk says so, and keeps what it has", function()
    local output <const> = run_script("ulimit -f 4096; export PLACE=local:$PWD/place", [[
      local queue <const> = assert(require "perigee.queue".open(os.getenv "PLACE", "jobs"))
      local text <const> = ("x"):rep(100000)
      local count = 0
      while true do
        local id <const>, message <const>, code <const> = queue:put(text)
        if not id then print("failed", code, message:match "[^:]*$") break end
        count = count + 1
      end
      print(count > 20 and count < 42)
      local taken = 0
      while true do
        local job <const> = queue:take(0)
        if not job then break end
        if job.text == text and job:done() then taken = taken + 1 end
      end
      print(taken == count)
      print((queue:put(text)))
      queue:close()
    ]])
    assert.equal("failed\tlimit\t File too large\ntrue\ntrue\n41\n", output)
  end)
end)
