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
end)
