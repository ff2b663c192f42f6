local buffer <const> = require "perigee.buffer"
local core <const> = require "core.task"
local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local function endless() while true do end end

local function assert_raises(message, f, ...)
  local ok <const>, got <const> = pcall(f, ...)
  assert.same({ false, message }, { ok, type(got) == "string" and got:gsub("^spec/[%w_/]+%.lua:%d+: ", "") or got })
end

--- Spawns a call that runs without end, and waits until a thread is at it.
local function occupy_thread()
  local path <const> = helper.temporary_name()
  local call <const> = task.spawn(task.offload, function()
    io.open(path, "w"):close()
    while true do end
  end)
  helper.eventually(function() return os.remove(path) end)
  return call
end

--- With these options until it is closed.
local function with_options(options)
  local before <const> = task.offload_options()
  task.offload_options(options)
  return setmetatable({}, { __close = function() task.offload_options(before) end })
end

local function wait_until_idle()
  helper.eventually(function() return task.counts().offloads == 0 end)
end

-- The first call makes a descriptor that stays.
local function begin_once() task.offload(function() end) end

describe("task.offload", function()
  setup(begin_once)
  helper.leaves_nothing(before_each, after_each)

  it("returns what the function returns", function()
    assert.equal(0, select("#", task.offload(function() end)))
    assert.same({ n = 3, nil, 2, nil }, table.pack(task.offload(function() return nil, 2, nil end)))
    local function change(a, b, c) return a + 1, b .. "b", { c } end
    assert.same({ 3, "ab", { { 1.5 } } }, { task.offload(change, 2, "a", { 1.5 }) })
    assert.equal(3, task.offload(function(...) return select("#", ...) end, nil, nil, nil))
  end)

  it("leaves the loop to the others", function()
    local call <close> = occupy_thread()
    local client <const>, server <const> = net.pair()
    client:write "hello"
    assert.equal("hello", server:read(5))
    client:close()
    server:close()
    assert.equal("waiting", call.state)
  end)

  it("runs calls at the same time", function()
    local _ <close> = with_options { threads = 2 }
    local path <const> = helper.temporary_name()
    local function meet(mine, other)
      io.open(path .. mine, "w"):close()
      repeat local file <const> = io.open(path .. other) until file
      return mine
    end
    local a <const>, b <const> = task.spawn(task.offload, meet, "a", "b"), task.spawn(task.offload, meet, "b", "a")
    assert.same({ "a", "b" }, { a:join(), (b:join()) })
    os.remove(path .. "a")
    os.remove(path .. "b")
  end)

  it("gives each of many tasks its own result", function()
    local sum = 0
    task.group(function(group)
      for i = 1, 50 do
        group:spawn(function()
          for j = 1, 20 do
            local result <const> = task.offload(function(a, b) return a * b end, i, j)
            assert.equal(i * j, result)
            sum = sum + 1
          end
        end)
      end
    end)
    assert.equal(1000, sum)
  end)

  it("takes a function of a module as it is", function()
    assert.equal("ABC", task.offload(string.upper, "abc"))
    assert.same({ a = { 1, 2 } }, task.offload(json.decode, '{"a":[1,2]}'))
    assert.equal('{"a":[1,2]}', task.offload(json.encode, { a = { 1, 2 } }))
  end)

  it("can be used from a coroutine that a task has made", function()
    local squares <const> = coroutine.wrap(function()
      for i = 1, 3 do coroutine.yield((task.offload(function(n) return n * n end, i))) end
    end)
    assert.same({ 1, 4, 9 }, { squares(), squares(), squares() })
  end)

  it("refuses what is no function, and places where nothing can wait", function()
    assert_raises("bad argument #1 to 'offload' (function expected, got string)", function() task.offload "x" end)
    local ok <const>, message <const> = pcall(table.sort, { 1, 2 }, function() task.offload(endless) end)
    assert.is_false(ok)
    assert.matches("offload has to wait, and only a task can", message)
  end)
end)

describe("a function that is offloaded", function()
  setup(begin_once)
  helper.leaves_nothing(before_each, after_each)

  it("has copies of its upvalues", function()
    local count, list <const> = 1, { "a" }
    assert.same({ 2, 2 }, { task.offload(function()
      count = count + 1
      list[2] = "b"
      return count, #list
    end) })
    assert.same({ 1, { "a" } }, { count, list })
  end)

  it("can be recursive, and call other local functions", function()
    local function fib(n) return n < 2 and 1 or fib(n - 1) + fib(n - 2) end
    local is_even
    local function is_odd(n) return n ~= 0 and is_even(n - 1) end
    function is_even(n) return n == 0 or is_odd(n - 1) end
    assert.equal(6765, task.offload(fib, 19))
    assert.is_true(task.offload(function() return is_even(100) and is_odd(7) end))
  end)

  it("shares upvalues with the functions that it brings", function()
    local count = 0
    local function add() count = count + 1 end
    local both <const> = { add = add, get = function() return count end }
    assert.equal(3, task.offload(function(others)
      add()
      others.add()
      count = count + 1
      return others.get()
    end, both))
  end)

  it("finds modules and their functions by name", function()
    local encode <const>, rep <const>, text <const> = json.encode, string.rep, string
    assert.same({ "[1]", "xx", "X", "{}", true }, { task.offload(function()
      local same <const> = json == require "perigee.codec.json"
      return encode { 1 }, rep("x", 2), text.upper "x", json.encode(json.object {}), same
    end) })
  end)

  it("can require modules that need no loop", function()
    assert.same({ 2, 5, "b" }, { task.offload(function()
      local numbers <const> = require "perigee.buffer".array("u8", 2)
      local frame <const> = require "perigee.frame"
      local reader <const> = { read = function() return "5:hello," end, write = function() end }
      return #numbers, type(frame.netstring(reader)) == "table" and 5, require "perigee.codec.json".decode '["b"]'[1]
    end) })
  end)

  it("is told what needs the event loop", function()
    for _, name in ipairs { "perigee.net", "perigee.task", "perigee.http", "core.task", "core.connection" } do
      local ok <const>, message <const> = pcall(task.offload, function() return require(name) end)
      assert.is_false(ok)
      assert.equal(name .. " cannot be used in task.offload: it needs the event loop", message)
    end
    assert_raises("upvalue 'net' of the function: perigee.net cannot be used in task.offload: it needs the event loop",
      task.offload, function() return net end)
  end)

  it("is told that a module does not exist", function()
    local ok <const>, message <const> = pcall(task.offload, function() require "perigee.nonsense" end)
    assert.is_false(ok)
    assert.matches("^module 'perigee.nonsense' not found", message)
  end)

  it("has the standard library as its globals, and leaves nothing in them", function()
    for _ = 1, 10 do
      assert.same({ true, "nil", 7, 7 }, { task.offload(function()
        local before <const> = type(_G.left_behind)
        load "left_behind = 7" ()
        return _G == _ENV, before, _G.left_behind, load "return left_behind" ()
      end) })
    end
    assert_raises("attempt to call a nil value (global 'describe')", task.offload, function() describe() end)
  end)

  it("cannot end the process or change what belongs to all of it", function()
    assert_raises("os.exit cannot be used in task.offload", task.offload, function() os.exit(1) end)
    assert_raises("os.setlocale cannot be used in task.offload", task.offload, function() os.setlocale "C" end)
    assert_raises("debug.sethook cannot be used in task.offload", task.offload, function() debug.sethook() end)
  end)

  it("can use coroutines, xpcall and <close> as anywhere", function()
    assert.same({ 1, 2, "done", "caught: oops", true, "closed", false, true, "dead" }, { task.offload(function()
      local generate <const> = coroutine.wrap(function() coroutine.yield(1) coroutine.yield(2) return "done" end)
      local _, caught <const> = xpcall(error, function(value) return "caught: " .. value end, "oops")
      local log = ""
      local closing <const> = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = function() log = "closed" end })
        coroutine.yield()
      end)
      coroutine.resume(closing)
      local ok <const> = coroutine.close(closing)
      local failing <const> = coroutine.wrap(function() error {} end)
      local in_wrap <const> = coroutine.wrap(function()
        local fine <const> = xpcall(function() coroutine.yield() end, print)
        return fine
      end)
      in_wrap()
      return generate(), generate(), generate(), caught, ok, log, (pcall(failing)), in_wrap(), coroutine.status(closing)
    end) })
  end)

  it("starts programs to which signals come", function()
    local status <const> = task.offload(function()
      local pipe <close> = io.popen "grep SigBlk /proc/self/status"
      return pipe:read "a", os.execute "kill -TERM $$; sleep 60"
    end)
    assert.equal("SigBlk:\t0000000000000000\n", status)
  end)
end)

describe("an error in a function that is offloaded", function()
  setup(begin_once)
  helper.leaves_nothing(before_each, after_each)

  it("is raised where it was called", function()
    local ok <const>, message <const> = pcall(task.offload, function() error "bad luck" end)
    assert.is_false(ok)
    assert.matches("^spec/lua/offload_spec.lua:%d+: bad luck$", message)
  end)

  it("keeps its value, or becomes a text", function()
    assert_raises("plain", task.offload, function() error("plain", 0) end)
    local _, value <const> = pcall(task.offload, function() error { code = 7, list = { 1 } } end)
    assert.same({ code = 7, list = { 1 } }, value)
    assert_raises("as text", task.offload,
      function() error(setmetatable({}, { __tostring = function() return "as text" end })) end)
    local _, nothing <const> = pcall(task.offload, function() error() end)
    assert.is_nil(nothing)
  end)

  it("is logged with the thread's traceback and the caller's", function()
    local failures <close> = helper.failures()
    local told
    core.on_failure(function(_, traceback) told = traceback end)
    local function fail_deep_down() error "bad luck" end
    local function call_offload() task.offload(function() fail_deep_down() end) end
    task.spawn(call_offload)
    helper.eventually(function() return told end)
    assert.matches("in upvalue 'fail_deep_down'.*a thread of task.offload.*:%d+: in function", told)
    assert.equal(0, #failures)
  end)

  it("leaves the thread fit for the next call", function()
    for i = 1, 20 do
      pcall(task.offload, function() error "bad luck" end)
      assert.equal(i, task.offload(function() return i end))
    end
  end)

  it("is lack of memory beyond the limit", function()
    local _ <close> = with_options { memory = 8 * 1024 * 1024 }
    local message <const> = "not enough memory: a job of task.offload may have 8 MiB"
    assert_raises(message, task.offload, function()
      local all = {}
      while true do all = { all } end
    end)
    assert_raises(message, task.offload, function() return ("x"):rep(1 << 30) end)
    assert_raises(message, task.offload, function(text) return #text end, ("x"):rep(9 << 20))
    assert.equal(1, task.offload(function() return 1 end))
    assert.equal(200, task.offload(function()
      local made = 0
      for _ = 1, 200 do made = made + #("x"):rep(1 << 20) // (1 << 20) end -- garbage does not count
      return made
    end))
  end)
end)

describe("what cannot travel to a thread", function()
  setup(begin_once)
  helper.leaves_nothing(before_each, after_each)

  it("is named, wherever it is", function()
    local conn <const>, other <const> = net.pair()
    finally(function() conn:close() other:close() end)
    local function inner() return conn end
    local state <const> = { list = { conn } }
    local iterate <const> = ("a"):gmatch "."
    assert_raises("upvalue 'conn' of the function: a connection cannot travel",
      task.offload, function() return conn end)
    assert_raises("upvalue 'conn' of upvalue 'inner' of the function: a connection cannot travel",
      task.offload, function() return inner() end)
    assert_raises("upvalue 'state' of the function, field 'list[1]': a connection cannot travel",
      task.offload, function() return state end)
    assert_raises("argument 2: a connection cannot travel", task.offload, print, conn)
    assert_raises("argument 3, field 'a': a connection cannot travel", task.offload, print, 1, { a = conn })
    assert_raises("upvalue 'conn' of argument 2, field 'f': a connection cannot travel",
      task.offload, print, { f = inner })
    assert_raises("upvalue 'iterate' of the function: a function in C that is in no module cannot travel",
      task.offload, function() return iterate() end)
  end)

  it("is named with the caller's line", function()
    local ok <const>, message <const> = pcall(function() task.offload(print, coroutine.create(print)) end)
    assert.is_false(ok)
    assert.matches("^spec/lua/offload_spec.lua:%d+: argument 2: a coroutine cannot travel$", message)
  end)

  it("cannot travel back either, nor can functions", function()
    assert_raises("result 1: a function cannot travel", task.offload, function() return function() end end)
    assert_raises("result 2, field 'a[1]': a coroutine cannot travel",
      task.offload, function() return 1, { a = { coroutine.create(print) } } end)
    assert_raises("result 1: a file cannot travel", task.offload, function() return io.stdout end)
    assert_raises("result 1: a table with a metatable cannot travel",
      task.offload, function() return setmetatable({}, {}) end)
  end)
end)

describe("a buffer that is offloaded", function()
  setup(begin_once)
  helper.leaves_nothing(before_each, after_each)

  local MOVED <const> = "the buffer is empty: its memory has moved to another thread"

  it("moves to the thread and back", function()
    local numbers <const> = buffer.array("f64", 1000):fill(2)
    local sum <const>, back <const> = task.offload(function(given)
      local total = 0
      for i = 1, #given do total = total + given[i] end
      given[1] = 42
      return total, given
    end, numbers)
    assert.same({ 2000.0, "f64", 1000, 42.0, 2.0 }, { sum, back.type, #back, back[1], back[2] })
  end)

  it("is empty at the caller's, with all its views", function()
    local bytes <const> = buffer.from "0123456789"
    local view <const>, other <const> = bytes:view(3, 4), bytes:cast "i8"
    assert.equal("23", task.offload(function(v) return v:string() end, view))
    for _, gone in ipairs { bytes, view, other } do
      for _, use in ipairs {
        function() return #gone end, function() return gone[1] end, function() gone[1] = 0 end,
        function() return gone.bytes end, function() gone:string() end, function() gone:view() end,
        function() gone:fill(0) end, function() gone:copy "x" end, function() buffer.from "x":copy(gone) end,
        function() task.offload(print, gone) end,
      } do
        local ok <const>, message <const> = pcall(use)
        assert.is_false(ok)
        assert.matches("memory has moved to another thread", message)
      end
      assert.equal("buffer: moved to another thread", tostring(gone))
      assert.is_false(gone == buffer.from "0123456789")
    end
  end)

  it("cannot be sent or received into any more", function()
    local conn <const>, other <const> = net.pair()
    local gone <const> = buffer.new(10)
    task.offload(function() end, gone)
    for _, use in ipairs { function() conn:write(gone) end, function() conn:read_into(gone) end } do
      local ok <const>, message <const> = pcall(use)
      assert.is_false(ok)
      assert.matches(MOVED, message, 1, true)
    end
    conn:close()
    other:close()
  end)

  it("keeps the memory that its views share", function()
    local whole <const> = buffer.array("u8", 10)
    local first <const>, second <const> = task.offload(function(a, b)
      a[1] = 7
      return a, b
    end, whole, whole:view(1, 2))
    assert.same({ 7, 7, 10, 2 }, { first[1], second[1], #first, #second })
    first[2] = 9
    assert.equal(9, second[2])
  end)

  it("can be an upvalue, and be made in the thread", function()
    local bytes <const> = buffer.from "abc"
    assert.equal("abc", task.offload(function() return bytes:string() end))
    local made <const> = task.offload(function() return { require "perigee.buffer".array("i32", 3):fill(5) } end)
    assert.same({ 5, 3 }, { made[1][3], #made[1] })
  end)

  it("stays when the call is refused", function()
    local bytes <const> = buffer.from "abc"
    pcall(task.offload, print, bytes, coroutine.create(print))
    assert.equal("abc", bytes:string())
    local _ <close> = with_options { threads = 1, queue = 0 }
    local call <close> = occupy_thread()
    assert.equal("limit", (select(3, task.offload(print, bytes))))
    assert.equal("abc", bytes:string())
    assert.equal("waiting", call.state)
  end)

  it("has to be sent first", function()
    local conn <const>, other <const> = net.pair()
    local bytes <const> = buffer.new(4 * 1024 * 1024)
    conn.timeout = 60
    local writer <const> = task.spawn(function() conn:write(bytes) conn:flush() end)
    task.sleep(0)
    assert_raises("argument 2: a buffer that is still being sent (flush the connection first) cannot travel",
      task.offload, print, bytes)
    local sink <const> = buffer.new(#bytes)
    assert.equal(#bytes, other:read_into(sink))
    writer:join()
    assert.equal(#sink, task.offload(function(b) return #b end, bytes))
    conn:close()
    other:close()
  end)
end)

describe("a call of task.offload", function()
  setup(begin_once)
  helper.leaves_nothing(before_each, after_each)

  local function end_by_deadline(f)
    assert.same({ n = 3, nil, "the deadline has passed", "timeout" }, table.pack(task.deadline(0.02, task.offload, f)))
    wait_until_idle()
  end

  it("obeys a deadline, and the thread is stopped", function()
    end_by_deadline(endless)
    assert.equal(1, task.offload(function() return 1 end))
  end)

  it("is stopped wherever Lua code runs", function()
    end_by_deadline(function() while true do pcall(endless) end end)
    end_by_deadline(function() while true do pcall(string.rep) end end)
    end_by_deadline(function() while true do pcall(pcall, pcall, error) end end)
    end_by_deadline(function() table.sort({ 1, 2, 3 }, endless) end)
    end_by_deadline(function() ("x"):gsub(".", endless) end)
    end_by_deadline(function() return setmetatable({}, { __index = endless }).x end)
    end_by_deadline(function() load(function() return "x = 1 " end) end)
    end_by_deadline(function() local function again() return again() end return again() end)
    end_by_deadline(function() local made = {} while made do made = {} end end)
  end)

  it("is stopped in coroutines", function()
    end_by_deadline(function() coroutine.wrap(endless)() end)
    end_by_deadline(function() while true do coroutine.resume(coroutine.create(endless)) end end)
    end_by_deadline(function() for _ in coroutine.wrap(function() while true do coroutine.yield(1) end end) do end end)
    end_by_deadline(function()
      coroutine.wrap(function() while true do pcall(coroutine.wrap(function() endless() end)) end end)()
    end)
  end)

  it("is stopped in handlers, and in what is to be closed", function()
    end_by_deadline(function() xpcall(error, endless) end)
    end_by_deadline(function() while true do xpcall(endless, endless) end end)
    end_by_deadline(function() local _ <close> = setmetatable({}, { __close = endless }) end)
    end_by_deadline(function()
      local _ <close> = setmetatable({}, { __close = endless })
      endless()
    end)
    end_by_deadline(function()
      coroutine.wrap(function()
        local _ <close> = setmetatable({}, { __close = endless })
        error "x"
      end)()
    end)
    end_by_deadline(function()
      local thread <const> = coroutine.create(function()
        local _ <close> = setmetatable({}, { __close = endless })
        coroutine.yield()
      end)
      coroutine.resume(thread)
      coroutine.close(thread)
    end)
  end)

  it("can be cancelled while it runs", function()
    local call <const> = occupy_thread()
    call:cancel()
    assert.equal("cancelled", (select(3, call:join())))
    wait_until_idle()
  end)

  it("can be cancelled while it waits for a thread, and never runs then", function()
    local _ <close> = with_options { threads = 1 }
    local running <const> = occupy_thread()
    local path <const> = helper.temporary_name()
    local waiting <const> = task.spawn(task.offload, function() io.open(path, "w"):close() end)
    task.sleep(0)
    assert.equal(2, task.counts().offloads)
    waiting:cancel()
    assert.equal("cancelled", (select(3, waiting:join())))
    assert.equal(1, task.counts().offloads)
    running:cancel()
    task.offload(function() end)
    assert.is_nil(io.open(path))
  end)

  it("drops what comes too late, buffers as well", function()
    for _ = 1, 100 do
      local call <const> = task.spawn(task.offload, function(b) return b, { ("x"):rep(1000) } end, buffer.new(1000))
      task.sleep(0)
      call:cancel()
    end
    wait_until_idle()
  end)

  it("fails with its group", function()
    local ok <const>, message <const> = pcall(task.group, function(group)
      group:spawn(task.offload, endless)
      group:spawn(function() task.sleep(0) error("the other failed", 0) end)
    end)
    assert.same({ false, "the other failed" }, { ok, message })
    wait_until_idle()
  end)

  it("waits its turn when all threads are taken", function()
    local _ <close> = with_options { threads = 1 }
    local order <const> = {}
    local running <const> = occupy_thread()
    local calls <const> = {}
    for i = 1, 5 do
      calls[i] = task.spawn(function() table.insert(order, (task.offload(function() return i end))) end)
    end
    task.sleep(0)
    assert.equal(6, task.counts().offloads)
    running:cancel()
    for _, call in ipairs(calls) do call:join() end
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("is turned away when too many wait", function()
    local _ <close> = with_options { threads = 1, queue = 2 }
    local running <const> = occupy_thread()
    local waiting <const> = { task.spawn(task.offload, print), task.spawn(task.offload, print) }
    task.sleep(0)
    assert.same({ n = 3, nil, "offload: 2 calls wait for a thread already", "limit" }, table.pack(task.offload(print)))
    waiting[1]:cancel()
    waiting[1]:join()
    local again <const> = task.spawn(task.offload, string.rep, "x", 3)
    task.sleep(0)
    running:cancel()
    assert.equal("xxx", again:join())
    waiting[2]:join()
  end)
end)

describe("task.offload_options", function()
  setup(begin_once)

  it("tells what is in force, and sets what is given", function()
    local before <const> = task.offload_options()
    assert.same({ memory = "integer", queue = "integer", threads = "integer" },
      { memory = math.type(before.memory), queue = math.type(before.queue), threads = math.type(before.threads) })
    assert.same({ memory = before.memory, queue = 7, threads = before.threads }, task.offload_options { queue = 7 })
    assert.same(before, task.offload_options(before))
  end)

  it("refuses misuse", function()
    assert_raises("there is no option 'thread'", task.offload_options, { thread = 1 })
    assert_raises("option 'threads' must be an integer from 1 to 256, not 0", task.offload_options, { threads = 0 })
    assert_raises("option 'queue' must be an integer from 0 to 16777216, not -1", task.offload_options, { queue = -1 })
    assert.has_error(function() task.offload_options { memory = 1 } end)
    assert.has_error(function() task.offload_options(5) end)
  end)
end)

describe("a service that uses task.offload", function()
  helper.leaves_nothing(before_each, after_each)

  local HEAD <const> = [[
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
net.serve("tcp://127.0.0.1:0", function(conn) conn:write "hello" end)
]]

  local function folder_with(text)
    return helper.directory { ["service.lua"] = HEAD .. text }
  end

  local function serve(folder)
    local process <const> = helper.serve(tostring(folder) .. "/service.lua")
    return process
  end

  it("brings its globals' library along by name", function()
    local folder <close> = folder_with [[
      local globals, find, text, read <const> = _G, require, string, load
      print(task.offload(function()
        return globals == _G, find == require, read == load, text.rep("x", 2), find "perigee.codec.json".encode {}
      end))
    ]]
    local process <close> = serve(folder)
    process:wait_for "true%s+true%s+true%s+xx%s+{}"
  end)

  it("is told that its global functions are not there", function()
    local folder <close> = folder_with [[
      function helper() end
      task.spawn(task.offload, function() helper() end)
    ]]
    local process <close> = serve(folder)
    process:wait_for "attempt to call a nil value %(global 'helper'%)"
  end)

  it("ends at once though a thread runs without end, and others wait", function()
    local folder <close> = folder_with [[
      for _ = 1, 10 do
        task.spawn(task.offload, function() print "begun" while true do pcall(function() while true do end end) end end)
      end
    ]]
    local process <close> = serve(folder)
    process:wait_for "begun"
    process:signal "TERM"
    assert.equal(0, process:wait())
  end)

  it("ends though a thread is in a call that nothing can stop", function()
    local folder <close> = folder_with [[
      task.spawn(task.offload, function()
        print "begun"
        return (("a"):rep(60)):find(("a-"):rep(25) .. "b")
      end)
    ]]
    local process <close> = serve(folder)
    process:wait_for "begun"
    process:signal "TERM"
    assert.equal(0, process:wait())
  end)
end)
