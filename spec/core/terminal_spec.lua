local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local terminal <const> = require "core.terminal"

--- Answers a line for a line, in the way that the line says.
local SERVER <const> = [[
import os, socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
while True:
    client, _ = listener.accept()
    line = client.makefile().readline()
    try:
        if line == "drip\n":
            for byte in b"drop by drop\nand more":
                client.send(bytes([byte]))
                time.sleep(0.001)
        elif line == "long\n":
            client.sendall(b"x" * 1048000 + b"\n")
        elif line == "too long\n":
            client.sendall(b"x" * 3000000)
        elif line == "half\n":
            client.sendall(b"half of it")
        elif line != "close\n":
            client.sendall(b"%d bytes\n" % len(line))
    except OSError: # who has asked is gone
        pass
    client.close()
]]

describe("asking a server at a Unix socket", function()
  helper.leaves_nothing(before_each, after_each)

  local function with_server(body)
    local directory <close> = helper.directory { ["server.py"] = SERVER }
    local path <const> = tostring(directory) .. "/socket"
    local process <close> = helper.start(("/usr/bin/python3 %s/server.py %s"):format(directory, path))
    process:wait_for "ready"
    body(path)
  end

  it("gives the line that answers, however it comes", function()
    with_server(function(path)
      assert.equal("6 bytes", terminal.ask(path, "hello\n", 20))
      assert.equal("500001 bytes", terminal.ask(path, ("x"):rep(500000) .. "\n", 20))
      assert.equal("drop by drop", terminal.ask(path, "drip\n", 20))
      assert.equal(1048000, #assert(terminal.ask(path, "long\n")))
    end)
  end)

  it("tells why there is no answer", function()
    with_server(function(path)
      local function failure(line)
        local answer <const>, message <const>, code <const> = terminal.ask(path, line, 20)
        assert.is_nil(answer)
        assert.equal("ask " .. path, message:match "^(.-):")
        return code
      end
      assert.equal("reset", failure "close\n")
      assert.equal("reset", failure "half\n")
      assert.equal("limit", failure "too long\n")
    end)
    local _, message <const>, code <const> = terminal.ask("/nowhere/at/all", "x\n", 1)
    assert.same({ "ask /nowhere/at/all: No such file or directory", "unreachable" }, { message, code })
    assert.matches("File name too long", select(2, terminal.ask(("x"):rep(200), "x\n", 1)))
  end)

  it("waits no longer than it is told", function()
    local path <const> = helper.temporary_name()
    local server <close> = assert(net.serve("unix:" .. path, function(conn) conn:read_all() end)) -- while nobody asks
    assert.equal("timeout", select(3, terminal.ask(path, "x\n", 0.01)))
    assert.equal("timeout", select(3, terminal.ask(path, "x\n", 0)))
    assert.is_true(server.is_open)
  end)
end)

describe("a terminal", function()
  helper.leaves_nothing(before_each, after_each)

  it("knows what the standard descriptors are", function()
    assert.equal("boolean", type(terminal.is_terminal "stdin"))
    assert.has_error(function() terminal.is_terminal "other" end,
      "bad argument #1 to 'is_terminal' (invalid option 'other')")
    assert.is_true(terminal.columns() > 0)
  end)

  it("is not to be used when it is closed", function()
    local at <const> = terminal.open(function() end)
    at:remember "a line"
    at:close()
    at:close()
    assert.is_false(at.is_edited)
    assert.has_error(function() at:read_line "> " end, "calling 'read_line' on bad self (the terminal is closed)")
    assert.has_error(function() terminal.open(1) end, "bad argument #1 to 'open' (function expected, got number)")
  end)
end)
