local fixture <const> = require "spec.fixtures.redis"
local helper <const> = require "spec.helper"
local http <const> = require "spec.fixtures.http"
local redis <const> = require "perigee.redis"
local task <const> = require "perigee.task"

local FAST <const> = { 0.001, 0.02 } -- seconds

--- Connects to a server that answers each command with these bytes, once it has greeted.
local function connect_to(bytes, options)
  local given <const> = { backoff = FAST, timeout = 5 }
  for name, value in pairs(options or {}) do given[name] = value end
  local ends <const> = given.ends
  given.ends = nil
  local fake <const>, url <const> = fixture.fake(function(conn, reader)
    for _ in reader:messages() do
      if not conn:write(bytes) then return end
      if ends then return end
    end
  end)
  local client <const> = redis.connect(url, given)
  return client, setmetatable({}, { __close = function()
    client:close()
    fake:close()
  end })
end

describe("a server that is no Redis", function()
  helper.leaves_nothing(before_each, after_each)

  for name, bytes in pairs {
    ["garbage"] = "HTTP/1.1 400 Bad Request\r\n\r\n", ["a length that is no number"] = "$x\r\n",
    ["a negative length"] = "$-2\r\n", ["a wrong end of a bulk"] = "$1\r\nabc\r\n", ["an unknown type"] = "?\r\n",
    ["an array of 2^32 items"] = "*4294967296\r\n", ["too many levels"] = ("*1\r\n"):rep(2000) .. ":1\r\n",
  } do
    it("and sends " .. name .. " gives a clear error", function()
      local client <const>, _ <close> = connect_to(bytes, { timeout = 0.2 })
      local reply <const>, message <const>, code <const> = client:get "a"
      assert.is_nil(reply)
      assert.matches("^GET: .+; what was under way may or may not have been done$", message)
      assert.is_true(code == "protocol" or code == "limit" or code == "timeout")
    end)
  end

  it("or one that sends a reply to nothing, is not believed", function()
    local client <const>, _ <close> = connect_to "+OK\r\n+and another\r\n"
    task.group(function(group)
      local first <const> = group:spawn(client.get, client, "a")
      assert.equal("OK", first:join())
    end)
    helper.eventually(function() return tostring(client):find "not connected" end)
  end)

  it("may cut a reply off at every byte", function()
    local reply <const> = "*3\r\n$5\r\nhello\r\n:12\r\n*2\r\n+simple\r\n$-1\r\n"
    for length = 1, #reply - 1 do
      local client <const>, _ <close> = connect_to(reply:sub(1, length), { ends = true })
      local _ <const>, message <const>, code <const> = client:get "a"
      assert.matches("^GET: .*may or may not have been done$", message)
      assert.is_true(code == "closed" or code == "protocol", code)
    end
  end)

  it("may send a reply byte by byte", function()
    local reply <const> = "*3\r\n$5\r\nhello\r\n:12\r\n*2\r\n+simple\r\n$-1\r\n"
    local fake <close>, url <const> = fixture.fake(function(conn, reader)
      for _ in reader:messages() do
        for byte in reply:gmatch "." do
          conn:write(byte)
          conn:flush()
          task.sleep(0)
        end
      end
    end)
    local client <close> = redis.connect(url)
    assert.same({ "hello", 12, { "simple", redis.null } }, client:lrange("a", 0, -1))
    client:close()
    fake:close()
  end)

  it("may send a bulk without an end: it is bounded", function()
    local client <const>, _ <close> = connect_to("$100000000\r\n" .. ("x"):rep(5000), { limit = 1000 })
    local _ <const>, message <const>, code <const> = client:get "a"
    assert.matches("^GET: .+", message)
    assert.is_true(code == "limit" or code == "protocol")
  end)

  it("may send a line without an end: it is bounded", function()
    local client <const>, _ <close> = connect_to("+" .. ("x"):rep(100000), { limit = 1000 })
    local _ <const>, _ <const>, code <const> = client:get "a"
    assert.is_true(code == "limit" or code == "protocol")
  end)

  it("may never answer", function()
    local client <const>, _ <close> = connect_to("", { timeout = 0.5 })
    local _ <const>, message <const>, code <const> = client:get "a"
    assert.matches("^GET: no reply from redis://127.0.0.1:%d+ within 0.5 s", message)
    assert.equal("timeout", code)
  end)

  it("may end every connection at once, and is not asked without a pause", function()
    local clients = 0
    local fake <close>, url <const> = fixture.fake(function() clients = clients + 1 end)
    local client <close> = redis.connect(url, { backoff = { 0.02, 0.05 }, timeout = 0.2 })
    local began <const> = task.now()
    for _ = 1, 10 do
      local reply <const>, _ <const>, code <const> = client:get "a"
      assert.is_nil(reply)
      assert.equal("closed", code)
    end
    assert.is_true(clients <= 2 + (task.now() - began) / 0.01) -- half of the first pause at least
    client:close()
    fake:close()
  end)

  it("may greet with garbage", function()
    local fake <close>, url <const> = fixture.fake(function(conn) conn:write "SSH-2.0-OpenSSH_9.2\r\n" end, false)
    local client <close> = redis.connect(url)
    local _ <const>, message <const>, code <const> = client:ping()
    assert.matches("^PING: greet redis://127.0.0.1:%d+: ", message)
    assert.equal("protocol", code)
    client:close()
    fake:close()
  end)
end)

describe("a server that publishes what it likes", function()
  helper.leaves_nothing(before_each, after_each)

  for name, bytes in pairs {
    ["a message without a text"] = "*2\r\n$7\r\nmessage\r\n$1\r\na\r\n",
    ["a message whose text is a list"] = "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n*0\r\n",
    ["a confirmation of something else"] = "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n",
    ["a number"] = ":1\r\n",
    ["nothing in a list"] = "*0\r\n",
    ["a name that is null"] = "*3\r\n$9\r\nsubscribe\r\n$-1\r\n:1\r\n",
    ["an error twice"] = "-ERR one\r\n-ERR two\r\n",
    ["garbage"] = "\0\1\2\3",
  } do
    it("as " .. name .. ", is not believed", function()
      local log <close> = http.log()
      local client <const>, _ <close> = connect_to(bytes, { timeout = 0.2 })
      local subscription <const>, message <const>, code <const> = client:subscribe "a"
      assert.is_nil(subscription)
      assert.equal("string", type(message))
      assert.is_true(code == "timeout" or code == "failed" or code == "protocol", code)
      assert.equal("string", type(tostring(log)))
    end)
  end

  it("may do so for channels that nobody has asked for", function()
    local client <const>, _ <close> = connect_to("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"
      .. "*3\r\n$7\r\nmessage\r\n$1\r\nz\r\n$1\r\nx\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\ny\r\n")
    local subscription <close> = client:subscribe "a"
    assert.same({ "y", "a" }, { subscription:receive() })
  end)
end)
