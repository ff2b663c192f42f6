local buffer <const> = require "perigee.buffer"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local process <const> = require "perigee.process"
local serial <const> = require "core.serial"
local task <const> = require "perigee.task"

local HEADER <const> = "local process <const> = require 'perigee.process'\nlocal channel <const> = process.channel()\n"

--- Runs a script of this text as a process while body(child) runs.
local function with_script(text, options, body)
  local directory <close> = helper.directory { ["worker.lua"] = HEADER .. text }
  local given <const> = { run_options = { "--log-level", "warn" } }
  for name, value in pairs(options) do given[name] = value end
  local child <close> = assert(process.start(tostring(directory) .. "/worker.lua", given))
  body(child)
  child.channel:close()
  child:wait()
end

describe("a script as a process", function()
  helper.leaves_nothing(before_each, after_each)

  it("answers over its channel, and ends when that is closed", function()
    with_script("for a, b in channel:messages() do channel:send(a + b, a * b) end", {}, function(child)
      assert.is_true(child.channel:send(3, 4))
      assert.same({ 7, 12 }, { child.channel:receive() })
      child.channel:close()
      assert.same({ exit = 0 }, child:wait())
    end)
  end)

  it("gets its arguments and its name", function()
    local text <const> = "channel:send(process.arguments, require 'perigee.service'.current().name, process.pid) "
      .. "channel:receive()"
    with_script(text, { arguments = { "a", { deep = true }, 7.5 }, name = "worker 1" }, function(child)
      local arguments <const>, name <const>, pid <const> = child.channel:receive()
      assert.same({ { "a", { deep = true }, 7.5 }, "worker 1", child.pid }, { arguments, name, pid })
      assert.equal(("process: %d worker 1"):format(child.pid), tostring(child))
      assert.equal(("channel to process %d (worker 1)"):format(child.pid), tostring(child.channel))
    end)
  end)

  it("has what process.run gives as well", function()
    local directory <close> = helper.directory { any = "" }
    local text <const> = "print(os.getenv 'SPEC'); io.stderr:write(io.read 'a')"
    local options <const> = { environment = { SPEC = "seen" }, stdin = "pipe", stdout = "pipe", stderr = "stdout",
      directory = tostring(directory) }
    with_script(text, options, function(child)
      child.stdin:write "input"
      child.stdin:close()
      assert.equal("seen\ninput", child.stdout:read_all())
    end)
  end)

  it("does not show its channel to what it starts", function()
    local text <const> = [[
      local listing <const> = "import os; print(os.environ.get('PERIGEE_CHANNEL'), os.path.exists('/proc/self/fd/4'))"
      local found <const> = process.run({ "/usr/bin/python3", "-c", listing }).stdout:read_line()
      local shell <close> = io.popen "ls /proc/self/fd | wc -l; echo $PERIGEE_CHANNEL"
      channel:send(found, shell:read "a")
    ]]
    with_script(text, {}, function(child)
      assert.same({ "None False", "4\n\n" }, { child.channel:receive() })
    end)
  end)

  it("with an error in it ends with a status, and its channel with it", function()
    local text <const> = "local x = = 1"
    with_script(text, { stderr = "pipe" }, function(child)
      local received <const>, message <const>, code <const> = child.channel:receive()
      assert.same({ nil, "closed" }, { received, code })
      assert.matches("^receive from process %d+ %(.*worker%.lua%): the channel is closed$", message)
      assert.same({ exit = 1 }, child:wait())
      assert.matches("worker.lua:3: unexpected symbol near '='", child.stderr:read_all(), 1, true)
    end)
  end)

  it("that is not there ends with a status", function()
    local child <close> = assert(process.start("/nowhere/script.lua", { stderr = "null" }))
    assert.same({ exit = 1 }, child:wait())
    assert.equal("closed", select(3, child.channel:receive()))
    assert.equal("closed", select(3, child.channel:receive_fd()))
  end)

  it("stops gracefully when it is told to", function()
    local text <const> = "require 'perigee.service'.on_stop(function() channel:send 'stopping' end) channel:send 'up' "
      .. "channel:receive()"
    with_script(text, {}, function(child)
      assert.equal("up", child.channel:receive())
      child:signal "TERM"
      assert.equal("stopping", child.channel:receive())
      assert.same({ exit = 0 }, child:wait())
    end)
  end)

  it("learns that its parent has gone", function()
    local directory <close> = helper.directory {
      ["child.lua"] = HEADER .. "print('child', process.pid) print(select(2, channel:receive()))",
      ["parent.lua"] = "local path <const> = require 'perigee.service'.path 'child.lua' "
        .. "require 'perigee.process'.start(path):wait()",
    }
    local parent <close> = helper.start(("%s run %s/parent.lua"):format(helper.binary, directory))
    parent:wait_for "child%s(%d+)"
    parent:signal "KILL"
    helper.eventually(function()
      return parent:output():find("receive from the parent process: the channel is closed\tclosed\n", 1, true)
    end)
  end)

  it("cannot be started with what cannot travel", function()
    assert.has_error(function() process.start("x.lua", { arguments = { print } }) end,
      "argument 1, field 'arguments[1]': a function cannot travel")
    assert.has_error(function() process.start(7) end, "bad argument 'script' (a path expected)")
    assert.has_error(function() process.start("x.lua", { nme = "" }) end, "there is no option 'nme'")
  end)

  it("is no other's: there is no channel, and there are no arguments", function()
    assert.is_nil(process.channel())
    assert.same({}, process.arguments)
    assert.equal(helper.binary:match "[^/]+$", process.executable:match "[^/]+$")
  end)
end)

describe("the channel of a process", function()
  helper.leaves_nothing(before_each, after_each)

  local ECHO <const> = "for value, more in channel:messages() do channel:send(value, more) end"

  it("carries what can travel", function()
    with_script(ECHO, {}, function(child)
      local table_of_all <const> = { 1, -2.5, "text\0\xff", true, { nested = { {} } }, [10] = math.mininteger }
      for _, value in ipairs { "", 0, false, table_of_all, math.huge } do
        assert.is_true(child.channel:send(value, nil))
        assert.same(table.pack(value, nil), table.pack(child.channel:receive()))
      end
      local numbers <const> = buffer.array("f64", 2)
      numbers[2] = 2.5
      child.channel:send(numbers)
      assert.equal(2.5, child.channel:receive()[2])
    end)
  end)

  it("refuses what cannot travel, and goes on", function()
    with_script(ECHO, {}, function(child)
      assert.has_error(function() child.channel:send(1, { a = print }) end,
        "argument 2, field 'a': a function cannot travel")
      assert.has_error(function() child.channel:send(nil, 1) end,
        "bad argument #1 to 'send' (the first value cannot be nil)")
      assert.has_error(function() child.channel:send() end, "bad argument #1 to 'send' (the first value cannot be nil)")
      child.channel:send "next"
      assert.equal("next", child.channel:receive())
    end)
  end)

  it("carries large messages both ways at once", function()
    local size <const> = helper.is_tiny and 5000 or 3 * 1024 * 1024
    with_script(ECHO, {}, function(child)
      local count = 0
      task.group(function(group)
        group:spawn(function()
          for index = 1, 5 do child.channel:send(("x"):rep(size), index) end
        end)
        for index = 1, 5 do
          local text <const>, number <const> = child.channel:receive()
          assert.same({ size, index }, { #text, number })
          count = count + 1
        end
      end)
      assert.equal(5, count)
    end)
  end)

  it("has senders and receivers wait for each other", function()
    with_script(ECHO, {}, function(child)
      local sum = 0
      task.group(function(group)
        for sender = 1, 10 do
          group:spawn(function()
            for index = 1, 20 do child.channel:send(sender * index, ("x"):rep(helper.is_tiny and 10 or 50000)) end
          end)
          group:spawn(function()
            for _ = 1, 20 do
              local number <const> = child.channel:receive()
              sum = sum + number
            end
          end)
        end
      end)
      assert.equal(55 * 210, sum)
    end)
  end)

  it("limits the size of messages", function()
    with_script("channel:send(('x'):rep(200)) channel:receive()", {}, function(child)
      child.channel.limit = 100
      local sent <const>, message <const>, code <const> = child.channel:send(("x"):rep(200))
      assert.same({ nil, "limit" }, { sent, code })
      assert.matches("^send to process %d+ %(.*%): a message of 2%d%d bytes, where 100 are the limit$", message)
      assert.equal("limit", select(3, child.channel:receive()))
      assert.is_false(child.channel.is_open)
    end)
  end)

  it("carries descriptors, whenever they are taken", function()
    local text <const> = [[
      local conn <const> = channel:receive_fd()
      channel:send(channel:receive())
      conn:write(conn:read_line(), "\n")
      channel:send_fd(conn)
      channel:send_fd(io.open(channel:receive()))
    ]]
    with_script(text, {}, function(child)
      local ours <close>, theirs <const> = net.pair()
      child.channel:send "a message first"
      assert.is_true(child.channel:send_fd(theirs))
      assert.equal("a message first", child.channel:receive())
      ours:write "line\n"
      assert.equal("line", ours:read_line())
      local back <close> = assert(child.channel:receive_fd())
      back:write "back"
      assert.equal("back", ours:read(4))
      child.channel:send "/dev/null"
      assert.is_nil((select(2, child.channel:receive_fd())))
    end)
  end)

  --- A channel whose other end is a plain connection.
  local function with_connection(body)
    local channel <const> = require "perigee.process.channel"
    local stream <const>, other <const> = net.pair()
    local descriptors <const>, last <close> = net.pair()
    local one <close> = channel.new(stream, descriptors, "a spec")
    body(one, other, last)
    other:close()
  end

  it("is a length of four bytes, the highest first, and the bytes of core.serial", function()
    with_connection(function(channel, other)
      channel:send("text", 7)
      local bytes <const> = serial.encode("text", 7)
      assert.equal(string.pack(">s4", bytes), other:read(4 + #bytes))
      other:write(string.pack(">s4", "\xff"), string.pack(">s4", bytes))
      assert.equal("protocol", select(3, channel:receive()))
      assert.same({ "text", 7 }, { channel:receive() })
    end)
  end)

  it("loses nothing when a receiver is cancelled in the middle of a message", function()
    with_connection(function(channel, other)
      local bytes <const> = string.pack(">s4", serial.encode "text")
      for cut = 1, #bytes - 1 do
        other:write(bytes:sub(1, cut))
        assert.equal("timeout", select(3, task.deadline(0.001, channel.receive, channel)))
        other:write(bytes:sub(cut + 1))
        assert.equal("text", channel:receive())
      end
    end)
  end)

  it("ends, and not with half a message", function()
    with_connection(function(channel, other)
      other:write(string.pack(">I4", 100), "half")
      other:close()
      assert.equal("closed", select(3, channel:receive()))
      assert.equal("closed", select(3, channel:receive()))
      local sent <const>, message <const> = channel:send "x"
      assert.is_true(sent or message:find "closed" ~= nil)
    end)
  end)
end)
