--- The password of a URL was in what a client of RPC said of a failure, in that it was refused for, and in what was
--- said of a proxy.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local rpc <const> = require "perigee.rpc"
local websocket <const> = require "perigee.websocket"

local function message_of(f, ...)
  local ok <const>, value <const>, message <const> = pcall(f, ...)
  return tostring(not ok and value or message)
end

local function assert_hidden(message, wanted)
  assert.is_nil(message:find("cret", 1, true), message)
  assert.is_truthy(message:find(wanted, 1, true), message)
end

describe("the password of a URL", function()
  helper.leaves_nothing(before_each, after_each)

  for url, wanted in pairs {
    ["http://ann:se/cret@127.0.0.1:1/"] = "URL 'http://127.0.0.1:1/'",
    ["http://ann:secret@h:99999/"] = "URL 'http://h:99999/'",
    ["htp://ann:secret@h/"] = "'htp://h/'", ["ann:secret@h"] = "'h'", ["http://ann:se cret@h/"] = "'http://h/'",
  } do
    it("is in no message about one that is refused: " .. url, function()
      assert_hidden(message_of(http.request, { url = url }), wanted)
    end)
  end

  for url, wanted in pairs {
    ["http://ann:se/cret@127.0.0.1:1"] = "proxy 'http://127.0.0.1:1'", ["foo://ann:secret@h:1"] = "proxy 'foo://h:1'",
    ["http://ann:secret@127.0.0.1:99999"] = "Port number", ["http://ann:secret@127.0.0.1:1"] = "refused",
  } do
    it("is in no message about a proxy: " .. url, function()
      assert_hidden(message_of(http.request, { url = "http://127.0.0.2:1/", proxy = url }), wanted)
    end)
  end

  it("is in no message of a client of RPC, nor in its name", function()
    local server <close> = assert(http.serve("http://127.0.0.1:0", function() return http.error(401) end))
    for _, protocol in ipairs { "json", "xml" } do
      local url <const> = ("http://ann:secret@127.0.0.1:%d/a@b"):format(server.address.port)
      local remote <close> = rpc.connect(url, { protocol = protocol })
      assert_hidden(message_of(rpc.try, remote, "add"), "/a@b: the server answers 401")
      assert_hidden(tostring(remote), "/a@b")
    end
    http.close_idle()
    assert_hidden(message_of(rpc.connect, "htp://ann:secret@host/"), "htp://host/")
  end)

  it("is in no message about an address", function()
    assert_hidden(message_of(net.connect, "tcp://ann:secret@host:1"), "'tcp://host:1': user names")
    assert_hidden(message_of(websocket.connect, "ws://ann:secret@host/"), "'tcp://host:80': user names")
    assert_hidden(message_of(rpc.connect, "tcp://ann:secret@host:1"), "'tcp://host:1': user names")
  end)
end)
