local codec <const> = require "perigee.codec.resp"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local resp <const> = require "perigee.resp"
local task <const> = require "perigee.task"

--- A server with these commands, and a client of it that says what it gets.
local function start(commands, options)
  local server <const> = assert(resp.serve("tcp://127.0.0.1:0", resp.answers(resp.connection(), commands), options))
  local conn <const> = assert(net.connect(tostring(server.address), { timeout = 20 }))
  local reader <const> = codec.reader(conn)
  local client <const> = { conn = conn, next = function() return reader:next() end }
  function client.call(...)
    conn:write(codec.command(...))
    return reader:next()
  end
  return server, client
end

describe("a server of RESP", function()
  helper.leaves_nothing(before_each, after_each)

  it("answers with what its commands return", function()
    local _ <close>, client <const> = start {
      DOUBLE = { 2, function(_, number) return tonumber(number) * 2 end },
      NOTHING = { 1, function() end }, FINE = { 1, function() return resp.ok end },
      WRONG = { 1, function() return resp.error "BAD luck" end },
      WORDS = { -2, function(_, ...) return { ... } end }, TRUE = { 1, function() return true end },
    }
    assert.same({ 42, n = 1 }, table.pack(client.call("double", 21)))
    assert.same({ n = 1 }, table.pack(client.call "NOTHING"))
    assert.equal("OK", client.call "Fine")
    assert.equal("BAD", client.call("WRONG").kind)
    assert.same({ "a", "b" }, client.call("WORDS", "a", "b"))
    assert.equal("ERR wrong number of arguments for 'words' command", client.call("WORDS").message)
    assert.equal(1, client.call "TRUE")
    client.call("HELLO", 3)
    assert.is_true(client.call "TRUE")
    client.conn:close()
  end)

  it("lets commands answer by themselves, and as often as they want", function()
    local _ <close>, client <const> = start { COUNT = { 2, function(client, last)
      for i = 1, tonumber(last) do client:write(i) end
      return resp.none
    end } }
    client.conn:write(codec.command("COUNT", 3), codec.command "PING")
    for i = 1, 3 do assert.equal(i, client.next()) end
    assert.equal("PONG", client.next())
    client.conn:close()
  end)

  it("lets commands wait, and answers the later ones after them", function()
    local waiting <const> = {}
    local _ <close>, client <const> = start {
      WAIT = { 1, function(self)
        waiting[#waiting + 1] = self
        return self:wait(20) and "woken" or "late"
      end },
      SLEEP = { 1, function() task.sleep(0.01) return "slept" end },
    }
    client.conn:write(codec.command "SLEEP", codec.command "WAIT", codec.command("ECHO", "a"), codec.command "PING")
    assert.equal("slept", client.next())
    helper.eventually(function() return waiting[1] end):wake()
    assert.same({ "woken", "a", "PONG" }, { client.next(), client.next(), client.next() })
    client.conn:close()
  end)

  it("tells commands that wait when their client has gone", function()
    local gone
    local _ <close>, client <const> = start { WAIT = { 1, function(self)
      self:wait(math.huge)
      gone = self.gone
    end } }
    client.conn:write(codec.command "WAIT", codec.command "PING")
    client.conn:flush()
    client.conn:close()
    assert.equal("closed", helper.eventually(function() return gone end)[2])
  end)

  it("calls at the end what its commands have asked for, once", function()
    local ended <const> = {}
    local function note(self) ended[#ended + 1] = self.id end
    local _ <close>, client <const> = start { HOLD = { 1, function(self)
      self:on_end(note)
      self:on_end(note)
      return self.id
    end } }
    local id <const> = client.call "HOLD"
    client.conn:close()
    helper.eventually(function() return #ended > 0 end)
    assert.same({ id }, ended)
  end)

  it("answers that there was an error, logs which, and ends that connection alone", function()
    local server <close>, client <const> = start { BREAK = { 1, function() error "a secret" end } }
    local failures <close> = helper.failures()
    assert.equal("ERR internal error", client.call("BREAK").message)
    assert.equal("closed", (select(3, client.next())))
    assert.matches("a secret", failures[1])
    local other <close> = assert(net.connect(tostring(server.address), { timeout = 20 }))
    other:write "PING\r\n"
    assert.equal("+PONG", (other:read_line()))
    client.conn:close()
  end)

  it("has one client's commands wait for others' turn", function()
    local server <close>, client <const> = start {}
    local other <const> = assert(net.connect(tostring(server.address), { timeout = 20 }))
    client.conn:write(("PING\r\n"):rep(5000))
    other:write "PING\r\n"
    assert.equal("+PONG", (other:read_line()))
    for _ = 1, 5000 do assert(client.next() == "PONG") end
    client.conn:close()
    other:close()
  end)

  it("says what is wrong with its options", function()
    assert.has_error(function() resp.serve("tcp://127.0.0.1:0", 5) end, "bad argument 'answer' (a function expected)")
    assert.has_error(function() resp.serve("tcp://127.0.0.1:0", print, { limit = "x" }) end,
      "option 'limit' must be a number of bytes")
  end)
end)
