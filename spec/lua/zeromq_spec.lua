local helper <const> = require "spec.helper"
local log <const> = require "perigee.log"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local wire <const> = require "perigee.zeromq.wire"
local zeromq <const> = require "perigee.zeromq"

local ANY <const> = "tcp://127.0.0.1:0"

describe("zeromq", function()
  helper.leaves_nothing(before_each, after_each)
  local logged

  local function listen()
    logged = {}
    log.configure { write = function(line) logged[#logged + 1] = line end }
  end

  before_each(listen)
  after_each(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  local function bind(socket, options)
    return tostring(assert(socket:bind(ANY, options)).address)
  end

  local function connected(socket, url)
    socket:connect(url)
    helper.eventually(function() return socket.count > 0 end)
    return socket
  end

  describe("REP and REQ", function()
    it("ask and answer, in several parts", function()
      local rep <close> = zeromq.rep(function(...) return "got", tostring(select("#", ...)), ... end)
      local req <close> = connected(zeromq.req(), bind(rep))
      assert.same({ "got", "2", "a", "" }, { req:request("a", "") })
      assert.same({ "got", "1", ("x"):rep(100000) }, { req:request(("x"):rep(100000)) })
      assert.equal("zeromq REQ socket: 1 peer", tostring(req))
    end)

    it("answer with an empty part when there is nothing to say", function()
      local rep <close> = zeromq.rep(function() end)
      local req <close> = connected(zeromq.req(), bind(rep))
      assert.equal("", req:request "?")
    end)

    it("let several tasks ask, one after the other", function()
      local rep <close> = zeromq.rep(function(text) task.sleep(0) return text end)
      local req <close> = connected(zeromq.req(), bind(rep))
      task.group(function(group)
        for i = 1, 50 do group:spawn(function() assert(req:request(tostring(i)) == tostring(i)) end) end
      end)
    end)

    it("share the requests between several peers", function()
      local asked <const>, req <close> = { 0, 0 }, zeromq.req()
      local sockets <const> = {}
      for i = 1, 2 do
        sockets[i] = zeromq.rep(function() asked[i] = asked[i] + 1 return "" end)
        req:connect(bind(sockets[i]))
      end
      helper.eventually(function() return req.count == 2 end)
      for _ = 1, 10 do req:request "?" end
      assert.same({ 5, 5 }, asked)
      for _, socket in ipairs(sockets) do socket:close() end
    end)

    it("give up at a deadline, and never get the reply of an earlier request", function()
      local slow = true
      local rep <close> = zeromq.rep(function(text)
        if slow then task.sleep(0.05) end
        return text
      end)
      local req <close> = connected(zeromq.req(), bind(rep))
      assert.same({ nil, "request: no reply in time", "timeout" }, { req:request_within(0.01, "first") })
      slow = false
      assert.equal("second", req:request "second")
      local lonely <close> = zeromq.req()
      assert.same({ nil, "request: nobody is connected in time", "timeout" }, { lonely:request_within(0.01, "?") })
    end)

    it("log a handler that fails, reply that there is nothing or what they are to say, and go on", function()
      for _, failed in ipairs { "", "cannot" } do
        local rep <close> = zeromq.rep(function(text)
          if text == "number" then return "a", 1 end
          return assert(text ~= "bad", "this is bad") and text
        end, failed ~= "" and { failed = failed } or nil)
        local req <close> = connected(zeromq.req(), bind(rep))
        assert.same({ failed }, { req:request "bad" })
        assert.same({ failed }, { req:request "number" })
        assert.equal("good", req:request "good")
      end
      assert.truthy(table.concat(logged):find "this is bad")
      assert.truthy(table.concat(logged):find "a reply must be of strings part=2 type=number")
      assert.has_error(function() zeromq.rep(print, { failed = 1 }) end, "option 'failed' must be a string")
    end)

    it("do not leave a REQ socket of libzmq without a reply", function()
      local rep <close> = zeromq.rep(function(text) return assert(text ~= "bad", "this is bad") and text end)
      assert.equal("[b'', b'good']\n", helper.python([[
import sys, zmq
socket = zmq.Context().socket(zmq.REQ)
socket.setsockopt(zmq.LINGER, 0)
socket.connect(sys.argv[1])
def ask(text):
    socket.send(text)
    assert socket.poll(20000)
    return socket.recv()
print([ask(b'bad'), ask(b'good')])
]], bind(rep)))
    end)

    it("bind and connect either way", function()
      local req <close> = zeromq.req()
      local rep <close> = zeromq.rep(function(text) return text end)
      connected(rep, bind(req))
      assert.equal("hello", req:request "hello")
    end)

    it("connect again when the other side comes back", function()
      local rep <const> = zeromq.rep(function() return "first" end)
      local url <const> = bind(rep)
      local req <close> = connected(zeromq.req(), url)
      assert.equal("first", req:request "?")
      rep:close()
      helper.eventually(function() return req.count == 0 end)
      local again <close> = zeromq.rep(function() return "again" end)
      assert(again:bind(url))
      assert.equal("again", req:request "?")
    end)
  end)

  describe("PUB and SUB", function()
    local function subscribed(wanted)
      return zeromq.xpub { on_subscribe = function(topic, is_on)
        table.insert(wanted, (is_on and "+" or "-") .. topic)
      end }
    end

    it("bring each what it wants by the beginning of the topic, once", function()
      local wanted <const> = {}
      local pub <close> = subscribed(wanted)
      local url <const> = bind(pub)
      local cats <close> = zeromq.sub { "cat", "cats", "dog" }
      local all <close> = zeromq.sub ""
      cats:connect(url)
      all:connect(url)
      helper.eventually(function() return #wanted == 4 end)
      assert.equal(2, pub:send("cats", "siamese"))
      assert.equal(1, pub:send("ca"))
      assert.equal(2, pub:send("dog", "boxer", ""))
      assert.same({ "cats", "siamese" }, { cats:receive() })
      assert.same({ "dog", "boxer", "" }, { cats:receive() })
      assert.same({ "cats", "siamese" }, { all:receive() })
      assert.equal("ca", all:receive())
      assert.same({ nil, "timeout" }, { (function() local a, _, c = cats:receive(0.01) return a, c end)() })
    end)

    it("take subscriptions back, and tell XPUB of the first and the last", function()
      local wanted <const> = {}
      local pub <close> = subscribed(wanted)
      local url <const> = bind(pub)
      local a <close>, b <const> = connected(zeromq.sub "x", url), connected(zeromq.sub "x", url)
      a:subscribe "y"
      helper.eventually(function() return #wanted == 2 end)
      a:unsubscribe "y"
      a:unsubscribe "x"
      helper.eventually(function() return #wanted == 3 end)
      b:close()
      helper.eventually(function() return #wanted == 4 end)
      table.sort(wanted)
      assert.same({ "+x", "+y", "-x", "-y" }, wanted)
      assert.equal(0, pub:send "x")
    end)

    it("leave messages out for one who is too slow, and count them", function()
      local wanted <const> = {}
      local pub <close> = zeromq.xpub { queued = 100000, on_subscribe = function(topic) wanted[topic] = true end }
      local sub <close> = zeromq.sub("", { waiting = 1 })
      sub:connect(bind(pub, { send_buffer = 4096 }))
      helper.eventually(function() return wanted[""] end)
      local sent, text = 0, ("x"):rep(50000)
      helper.eventually(function()
        sent = sent + pub:send("big", text)
        task.sleep(0)
        return pub.dropped > 0
      end)
      for _ = 1, sent do assert.equal(text, (select(2, sub:receive(20)))) end
    end)

    it("iterate until the socket is closed", function()
      local pub <close> = zeromq.pub()
      local sub <close> = zeromq.sub ""
      connected(sub, bind(pub))
      local seen <const> = {}
      task.group(function(group)
        group:spawn(function()
          for topic in sub:values() do
            seen[#seen + 1] = topic
            if topic == "end" then sub:close() end
          end
        end)
        helper.eventually(function() return pub:send "end" > 0 end)
      end)
      assert.equal("end", seen[#seen])
      assert.same({ nil, "closed" }, { (function() local a, _, c = sub:receive() return a, c end)() })
    end)
  end)

  describe("the wire", function()
    local GOOD <const> = wire.greeting .. wire.ready "REQ"

    --- What a REP socket says to these bytes before it closes, and the log.
    local function say(bytes, options)
      local rep <close> = zeromq.rep(function(text) return text end, options)
      local conn <close> = assert(net.connect(bind(rep)))
      conn:write(bytes)
      conn:shutdown()
      local answer <const> = conn:read_all() or ""
      helper.eventually(function() return rep.count == 0 end)
      return answer:sub(#wire.greeting + 1), table.concat(logged)
    end

    it("says why it does not talk", function()
      for bytes, why in pairs {
        [("GET / HTTP/1.1\r\n"):rep(5)] = "speaks no ZMTP",
        [wire.greeting:sub(1, 10) .. "\2" .. wire.greeting:sub(12)] = "speaks ZMTP 2, not 3",
        [wire.greeting:sub(1, 12) .. "CURVE" .. wire.greeting:sub(18)] = "the mechanism \\\"CURVE",
        [wire.greeting .. wire.ready "SUB"] = "a REP socket cannot talk to a SUB socket",
        [wire.greeting .. wire.message { "hi" }] = "READY expected",
        [wire.greeting .. wire.command("READY", "\11Socket-Type\0\0\0\9REQ")] = "the properties of READY are cut off",
        [wire.greeting .. wire.command("ERROR", "\2no")] = "the other side refuses: no",
        [GOOD .. "\8\0"] = "a frame with the flags 0x08",
        [GOOD .. "\0\3abc"] = "a request without an empty part",
        [GOOD .. "\1\0\4\1\0"] = "a command within a message",
        [GOOD .. "\2" .. ("\xff"):rep(8)] = "a frame of 18446744073709551615 bytes, where 16777216 are the limit",
        [GOOD .. ("\1\0"):rep(1025)] = "a message of more than 1024 parts",
      } do
        listen()
        local _ <const>, said <const> = say(bytes)
        assert.truthy(said:find(why, 1, true), said)
      end
      assert.truthy(say(wire.greeting .. wire.ready "PUB"):find "ERROR")
    end)

    it("holds the limit of a message over all its parts", function()
      local _ <const>, said <const> = say(GOOD .. "\1\0\1\60" .. ("x"):rep(60) .. "\0\60", { limit = 100 })
      assert.truthy(said:find("a frame of 60 bytes, where 40 are the limit", 1, true), said)
    end)

    it("answers PING", function()
      local answer <const> = say(GOOD .. wire.command("PING", "\0\10abc") .. "\1\0\0\2hi")
      assert.truthy(answer:find(wire.command("PONG", "abc") .. wire.message { "", "hi" }, 1, true))
    end)

    it("forgets what was cut off anywhere", function()
      local whole <const> = GOOD .. wire.message { "", "hi" }
      for length = 0, #whole - 1, helper.is_tiny and 7 or 1 do
        assert.is_nil(say(whole:sub(1, length)):find("\2hi", 1, true))
      end
    end)

    it("takes subscriptions of ZMTP 3.0", function()
      local pub <close> = zeromq.pub()
      local conn <close> = assert(net.connect(bind(pub)))
      conn:write(wire.greeting:sub(1, 11), "\0", wire.greeting:sub(13), wire.ready "SUB", wire.message { "\1news" })
      helper.eventually(function() return pub:send("newspaper", "x") == 1 end)
      conn:read(#wire.greeting + #wire.ready "PUB")
      assert.equal(wire.message { "newspaper", "x" }, conn:read(#wire.message { "newspaper", "x" }))
      conn:write(wire.message { "\0news" })
      helper.eventually(function() return pub:send("newspaper", "x") == 0 end)
    end)
  end)

  it("raises for misuse", function()
    assert.error_matches(function() zeromq.rep() end, "bad argument 'handler'")
    assert.error_matches(function() zeromq.rep(print, { limits = 1 }) end, "there is no option 'limits'")
    assert.error_matches(function() zeromq.req { limit = 0 } end, "option 'limit' must be a positive integer")
    assert.error_matches(function() zeromq.pub { queued = "x" } end, "option 'queued'")
    assert.error_matches(function() zeromq.sub(5) end, "bad argument 'topic'")
    local req <close> = zeromq.req()
    assert.error_matches(function() req:request() end, "a message has one part at least")
    assert.error_matches(function() req:request(5) end, "part 1 of a message must be a string, not a number")
    assert.error_matches(function() req:connect(5) end, "bad argument 'url'")
    req:close()
    assert.error_matches(function() req:connect "tcp://127.0.0.1:1" end, "the socket is closed")
  end)
end)
