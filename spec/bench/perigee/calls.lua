-- Remote procedure calls, by MessagePack-RPC or, where `http` is set, by XML-RPC and JSON-RPC.
local rpc <const> = require "perigee.rpc"
local service <const> = require "perigee.service"

local options <const> = service.options { msgpack = "", http = "" }

local api <const> = rpc.service {
  add = function(x, y) return x + y end,
}

api:serve {
  msgpack = options.msgpack ~= "" and options.msgpack or nil,
  http = options.http ~= "" and options.http or nil,
}
