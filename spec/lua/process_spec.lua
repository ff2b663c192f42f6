local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local process <const> = require "perigee.process"
local task <const> = require "perigee.task"

local function output_of(arguments, options)
  local child <close> = assert(process.run(arguments, options))
  return child.stdout:read_all(), child:wait()
end

-- Prints its descriptors, without the one that it lists them with.
local LISTING <const> = [[
import os
def there(number):
    try: return os.fstat(number)
    except OSError: return None
print([number for number in sorted(map(int, os.listdir("/proc/self/fd"))) if there(number)])
]]

describe("a command", function()
  helper.leaves_nothing(before_each, after_each)

  it("is found by PATH, and its arguments are seen by no shell", function()
    local output <const>, status <const> = output_of { "printf", "%s|", "a b", "$HOME", "*", "", 7 }
    assert.equal("a b|$HOME|*||7|", output)
    assert.same({ exit = 0 }, status)
  end)

  it("reads what is written to its standard input, to its end", function()
    local child <close> = assert(process.run({ "cat", "-n" }, { stdin = "pipe" }))
    child.stdin:write("one\n", "two\n")
    assert.equal("     1\tone", child.stdout:read_line())
    child.stdin:shutdown()
    assert.equal("     2\ttwo\n", child.stdout:read_all())
    assert.same({ exit = 0 }, child:wait())
    assert.is_false(child.is_running)
  end)

  it("ends when its standard input is closed", function()
    local child <close> = assert(process.run({ "cat" }, { stdin = "pipe" }))
    assert.is_true(child.is_running)
    child.stdin:close()
    assert.same({ exit = 0 }, child:wait())
  end)

  it("has an empty standard input when none is given", function()
    assert.same({ "", { exit = 0 } }, { output_of { "cat" } })
  end)

  for _, status in ipairs { 0, 1, 77, 255 } do
    it(("that exits with %d says so"):format(status), function()
      local child <close> = assert(process.run { "sh", "-c", "exit " .. status })
      assert.same({ exit = status }, child:wait())
      assert.same({ exit = status }, child:wait())
    end)
  end

  it("that a signal ends says which", function()
    local child <close> = assert(process.run { "sh", "-c", "kill -SEGV $$" })
    assert.same({ signal = "SIGSEGV", number = 11 }, child:wait())
  end)

  it("has a name and a number", function()
    local child <close> = assert(process.run({ "cat" }, { stdin = "pipe" }))
    assert.equal(("process: %d cat"):format(child.pid), tostring(child))
    child:close()
    child:wait()
    assert.equal(("process: %d cat (ended)"):format(child.pid), tostring(child))
  end)

  it("sends more than a pipe holds, and waits while nobody reads", function()
    local size <const> = helper.is_tiny and 100000 or 20 * 1024 * 1024
    local child <close> = assert(process.run { "head", "-c", size, "/dev/zero" })
    local count = 0
    for chunk in child.stdout:chunks() do count = count + #chunk end
    assert.equal(size, count)
    assert.same({ exit = 0 }, child:wait())
  end)

  it("takes and sends at the same time", function()
    local size <const> = helper.is_tiny and 100000 or 8 * 1024 * 1024
    local child <close> = assert(process.run({ "cat" }, { stdin = "pipe" }))
    local text <const> = ("0123456789abcdef"):rep(size // 16)
    task.spawn(function()
      for from = 1, #text, 10000 do assert(child.stdin:write(text:sub(from, from + 9999))) end
      child.stdin:close()
    end)
    assert.is_true(text == child.stdout:read_all())
  end)

  it("gets all that was written before its input was closed, however slow it is", function()
    local text <const> = "read -r _; cat >/dev/null; echo done"
    local child <close> = assert(process.run({ "sh", "-c", text }, { stdin = "pipe" }))
    child.stdin:write("begin\n", ("x"):rep(helper.is_tiny and 1000 or 200000))
    child.stdin:close()
    assert.equal("done\n", child.stdout:read_all())
  end)

  it("that has ended breaks the pipe to it", function()
    local child <close> = assert(process.run({ "true" }, { stdin = "pipe" }))
    child:wait()
    child.stdin:write "x"
    local flushed <const>, message <const>, code <const> = child.stdin:flush()
    assert.same({ nil, "write to a pipe: Broken pipe", "closed" }, { flushed, message, code })
  end)

  it("sends its errors to a pipe of their own, or with its output", function()
    local apart <close> = assert(process.run({ "sh", "-c", "echo out; echo bad >&2" }, { stderr = "pipe" }))
    assert.same({ "out\n", "bad\n" }, { apart.stdout:read_all(), apart.stderr:read_all() })
    assert.equal("out\nbad\n", output_of({ "sh", "-c", "echo out; echo bad >&2" }, { stderr = "stdout" }))
    assert.equal("out\n", output_of({ "sh", "-c", "echo out; echo bad >&2" }, { stderr = "null" }))
  end)

  it("sees our variables, changed as we say", function()
    local changes <const> = { PERIGEE_SPEC = "a=b c", NUMBER = 7, HOME = false }
    local output <const> = output_of({ "env" }, { environment = changes })
    assert.matches("\nPERIGEE_SPEC=a=b c\n", "\n" .. output, 1, true)
    assert.matches("\nNUMBER=7\n", "\n" .. output, 1, true)
    assert.matches("\nPATH=", "\n" .. output, 1, true)
    assert.not_matches("\nHOME=", "\n" .. output, 1, true)
  end)

  it("sees no other variables than given when they are cleared", function()
    assert.equal("A=1\n", output_of({ "/usr/bin/env" }, { environment = { A = "1" }, clear_environment = true }))
    assert.equal("", output_of({ "env" }, { clear_environment = true }))
  end)

  it("is searched in the PATH that it is given", function()
    local directory <close> = helper.directory { ["perigee-tool"] = "#!/bin/sh\necho tool\n" }
    os.execute(("chmod +x '%s/perigee-tool'"):format(directory))
    local path <const> = "/nowhere:" .. tostring(directory) .. ":" .. os.getenv "PATH"
    assert.equal("tool\n", output_of({ "perigee-tool" }, { environment = { PATH = path } }))
  end)

  it("runs in the directory that is named", function()
    local directory <close> = helper.directory { here = "", ["tool"] = "#!/bin/sh\npwd\n" }
    os.execute(("chmod +x '%s/tool'"):format(directory))
    assert.equal("here\ntool\n", output_of({ "ls" }, { directory = tostring(directory) }))
    assert.equal(tostring(directory) .. "\n", output_of({ "./tool" }, { directory = tostring(directory) }))
  end)

  it("has the default action for every signal, and none is blocked", function()
    local output <const> = output_of { "cat", "/proc/self/status" }
    local LIBC_OWN <const> = 3 << 31 -- 32 and 33, signal(7): nobody but libc can change what was inherited of them
    for _, name in ipairs { "SigIgn", "SigBlk" } do
      assert.equal(0, tonumber(output:match(name .. ":%s*(%x+)"), 16) & ~LIBC_OWN)
    end
  end)

  it("runs as another user, with that user's groups, for good", function()
    if helper.run "id -u" ~= "0\n" then return pending "only root can become another user" end
    local program <const> = "import os; print(os.getresuid(), os.getresgid(), os.getgroups()); os.setuid(0)"
    local options <const> = { user = "nobody", stderr = "pipe" }
    local child <close> = assert(process.run({ "/usr/bin/python3", "-c", program }, options))
    assert.equal("(65534, 65534, 65534) (65534, 65534, 65534) [65534]\n", child.stdout:read_all())
    assert.matches("PermissionError", child.stderr:read_all())
    assert.equal("0\n", helper.run "id -u")
  end)

  it("is in a process group of its own, or in ours", function()
    local program <const> = "import os; print(os.getpgrp() == os.getpid())"
    assert.equal("True\n", output_of { "/usr/bin/python3", "-c", program })
    assert.equal("False\n", output_of({ "/usr/bin/python3", "-c", program }, { group = false }))
  end)
end)

describe("what a command is given", function()
  helper.leaves_nothing(before_each, after_each)

  it("are its standard descriptors alone", function()
    local _ <close> = assert(net.serve("tcp://127.0.0.1:0", function() end))
    assert.equal("[0, 1, 2]\n", output_of { "/usr/bin/python3", "-c", LISTING })
  end)

  it("are files and connections under the numbers that are named, and nothing else", function()
    local program <const> = LISTING .. "print(os.read(5, 9).decode()); os.write(9, b'written')"
    local directory <close> = helper.directory { text = "from file" }
    local file <close> = assert(io.open(tostring(directory) .. "/text"))
    local ours <close>, theirs <const> = net.pair()
    local options <const> = { descriptors = { [9] = theirs, [5] = file } }
    local output <const> = output_of({ "/usr/bin/python3", "-c", program }, options)
    assert.equal("[0, 1, 2, 5, 9]\nfrom file\n", output)
    assert.equal("written", ours:read_all())
    assert.is_false(theirs.is_open)
    assert.equal("file", io.type(file))
  end)

  it("may be given crosswise", function()
    local a <close>, a_theirs <const> = net.pair()
    local b <close>, b_theirs <const> = net.pair()
    local child <close> = assert(process.run({ "sh", "-c", "echo 0 >&3; echo 1 >&4" },
      { descriptors = { [3] = b_theirs, [4] = a_theirs } }))
    assert.same({ "1\n", "0\n" }, { a:read_all(), b:read_all() })
    child:wait()
  end)

  it("can be a client's connection, as inetd does it", function()
    local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn)
      local child <close> = assert(process.run({ "cat", "-n" }, { stdin = conn, stdout = conn }))
      child:wait()
    end))
    local client <close> = assert(net.connect(tostring(server.address)))
    client:write "hello\n"
    client:shutdown()
    assert.equal("     1\thello\n", client:read_all())
  end)

  it("is not a connection with unread bytes, or a closed one", function()
    local a <close>, b <const> = net.pair()
    a:write "xy"
    b.timeout = 0.01
    assert.equal("timeout", select(3, b:read(3)))
    local child <const>, message <const>, code <const> = process.run({ "cat" }, { stdin = b })
    assert.is_nil(child)
    assert.matches("unread bytes would be lost", message)
    assert.equal("protocol", code)
    assert.equal("xy", b:read(2))
    b:close()
    assert.equal("closed", select(3, process.run({ "cat" }, { stdin = b })))
  end)

  it("is still ours, and does not block us, when the command cannot be started", function()
    local a <close>, b <const> = net.pair()
    assert.is_nil((process.run({ "/nowhere" }, { stdin = b })))
    assert.is_true(b.is_open)
    b.timeout = 0.01
    assert.equal("timeout", select(3, b:read(1)))
    a:write "z"
    assert.equal("z", b:read(1))
  end)
end)
