local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local resp <const> = require "perigee.codec.resp"
local task <const> = require "perigee.task"

local function lines(text) return (text:gsub("\n", "\r\n")) end

--- What next() gives for each message of a text, up to the first failure; the text comes in pieces of `size` bytes.
local function read_pieces(text, size, options)
  local near <const>, far <const> = net.pair()
  local _ <close> = near
  local _ <close> = far
  local results <const> = {}
  task.group(function(group)
    group:spawn(function()
      for i = 1, #text, size do
        far:write(text:sub(i, i + size - 1))
        far:flush()
        task.sleep(0)
      end
      far:shutdown()
    end)
    local reader <const> = resp.reader(near, options)
    repeat
      local values <const> = table.pack(reader:next())
      values.n = nil
      results[#results + 1] = values
    until values[3] == "closed" or values[3] == "protocol" or values[3] == "limit"
    far:abort()
  end)
  return results
end

--- The messages that came before the end, which is a good one, or else the last failure's message.
local function read(text, size, options)
  local results <const> = read_pieces(text, size or #text, options)
  local last <const> = table.remove(results)
  return results, last[3] ~= "closed" and last[2]:gsub("^read from %S+: ", "") or nil
end

describe("resp.reader", function()
  helper.leaves_nothing(before_each, after_each)

  it("reads replies, cut anywhere", function()
    local text <const> = lines "+OK\n:5\n$5\na\n\n\n*2\n$-1\n*1\n+x\n_\n>2\n+message\n$2\nhi\n-ERR no\n%1\n+a\n,1.5\n"
    local expected <const> = read(text)
    assert.same({ { "OK" }, { 5 }, { "a\r\n\r\n" } }, { expected[1], expected[2], expected[3] })
    assert.same({ { { json.null, { "x" } } }, {}, { { "message", "hi" }, "push" } },
      { expected[4], expected[5], expected[6] })
    assert.equal("ERR", expected[7][1].kind)
    assert.same({ { a = 1.5 } }, expected[8])
    for size = 1, 9 do assert.same(expected, read(text, size)) end
  end)

  it("gives a command's words as so many values, cut anywhere", function()
    local text <const> = lines "*3\n$3\nSET\n$1\na\n$4\nb\nc\n*1\n$4\nPING\n*2\n$4\nECHO\n$0\n\n"
    for size = 1, 9 do
      assert.same({ { "SET", "a", "b\r\nc" }, { "PING" }, { "ECHO", "" } }, (read(text, size, { commands = true })))
    end
  end)

  it("gives the words of inline commands as Redis splits them", function()
    for line, words in pairs {
      ["PING"] = { "PING" }, ["  set  a\tb "] = { "set", "a", "b" },
      ['echo "a b\\n\\x41\\"" c'] = { "echo", 'a b\nA"', "c" },
      ["echo 'it\\'s' \"\""] = { "echo", "it's", "" }, ['fo"o b"'] = { "foo b" }, ["echo '\\n'"] = { "echo", "\\n" },
      ["echo \\n"] = { "echo", "\\n" },
    } do
      for _, size in ipairs { 1, 3, 100 } do
        assert.same({ words }, (read(line .. "\r\n", size, { commands = true })))
        assert.same({ words }, (read(line .. "\n", size, { commands = true })))
      end
    end
  end)

  it("skips empty commands", function()
    assert.same({ { "PING" } }, (read(lines "\n\n*0\n*-1\n \nPING\n*0\n", nil, { commands = true })))
  end)

  it("names what is no command in Redis's words", function()
    for text, expected in pairs {
      ["*x\n"] = "invalid multibulk length", ["*1000000000\n"] = "invalid multibulk length",
      ["*99999999999999999999\n"] = "invalid multibulk length", ["*1\nPING\n"] = "expected '$', got 'P'",
      ["*1\n*1\n"] = "expected '$', got '*'", ["*1\n$-1\n"] = "invalid bulk length",
      ["*1\n$1099511627776\n"] = "invalid bulk length", ["*1\n$x\n"] = "invalid bulk length",
      ['echo "a\n'] = "unbalanced quotes in request", ["echo 'a'b\n"] = "unbalanced quotes in request",
      [("x"):rep(70000)] = "too big inline request", ["*1\n$1\nab\n"] = "a bulk string that is longer than it says",
    } do
      local before <const>, message <const> = read(lines("PING\n" .. text), 4096, { commands = true })
      assert.same({ { "PING" } }, before)
      assert.equal(expected, message)
    end
  end)

  it("says when a message is cut short, at whatever byte", function()
    local whole <const> = lines "*2\n$4\nECHO\n$3\nabc\n"
    for cut = 1, #whole - 1 do
      local before <const>, message <const> = read(whole:sub(1, cut), nil, { commands = true })
      assert.same({}, before)
      assert.equal("closed by the peer in the middle of a RESP message", message)
    end
  end)

  it("refuses messages beyond its limit", function()
    local function reply(size) return ("*2\r\n$%d\r\n%s\r\n:1\r\n"):format(size, ("x"):rep(size)) end
    assert.same({ { { ("x"):rep(81), 1 } } }, (read(reply(81), 50, { limit = 100 })))
    local before <const>, message <const> = read(reply(90), 50, { limit = 100 })
    assert.same({}, before)
    assert.equal("more bytes than the limit allows", message)
    for _, header in ipairs { "$101\n", "*34\n", "%17\n" } do
      assert.equal("more bytes than the limit allows", select(2, read(lines(header), nil, { limit = 100 })))
    end
  end)

  it("stays failed after what it could not read", function()
    local near <const>, far <const> = net.pair()
    local _ <close> = near
    local _ <close> = far
    far:write "?\r\n+OK\r\n"
    far:shutdown()
    local reader <const> = resp.reader(near)
    assert.equal("protocol", select(3, reader:next()))
    assert.equal("protocol", select(3, reader:next()))
  end)

  it("keeps to the connection's timeout", function()
    local near <const>, far <const> = net.pair()
    local _ <close> = near
    local _ <close> = far
    near.timeout = 0.01
    far:write "+OK"
    assert.equal("timeout", select(3, resp.reader(near):next()))
  end)
end)
