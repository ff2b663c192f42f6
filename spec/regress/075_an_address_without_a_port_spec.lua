--- rpc.connect took it, and each call raised an error of a line of the library.

local helper <const> = require "spec.helper"
local rpc <const> = require "perigee.rpc"

describe("rpc.connect", function()
  helper.leaves_nothing(before_each, after_each)

  it("raises for an address that is none", function()
    for url, why in pairs { ["tcp://localhost"] = "the port is missing", ["unix:"] = "the path is missing",
      ["tls://h:99999"] = "the port is not between" } do
      helper.assert_misuse("bad argument 'url': address '" .. url .. "': " .. why, rpc.connect, url)
    end
    helper.assert_misuse("the port is missing", rpc.connect, "tcp://localhost", { protocol = "connection" })
  end)

  it("raises for a URL that is none, and for headers that cannot be sent", function()
    for url, why in pairs { ["http://"] = "bad argument 'url': URL 'http://': No host",
      ["http://h:99999/"] = "Port number", ["https://h h/"] = "Bad hostname",
      ["ws://"] = "url 'ws://': ws://host:port/path or wss:// is expected", ["wss://h/#x"] = "is expected",
      ["ws://h:99999/"] = "the port is not between", ["ws://h/a b"] = "percent%-encoded",
      ["ws://[::1/"] = "is not closed", ["ws://ann:secret@h/"] = "address 'tcp://h:80': user names" } do
      helper.assert_misuse(why, rpc.connect, url)
    end
    for protocol, url in pairs { json = "ws://h/", xml = "tcp://h:1", websocket = "http://h/" } do
      helper.assert_misuse(protocol == "websocket" and "ws://host:port" or "must begin with http://", rpc.connect, url,
        { protocol = protocol })
    end
    for protocol, url in pairs { json = "http://h/", xml = "http://h/", websocket = "ws://h/" } do
      helper.assert_misuse("headers", rpc.connect, url, { protocol = protocol, headers = 5 })
    end
    helper.assert_misuse("'a b' is no name of a header", rpc.connect, "http://h/", { headers = { ["a b"] = "c" } })
  end)
end)
