--- Remote procedure calls: arithmetic and a store of values by key, for XML-RPC, JSON-RPC and MessagePack-RPC.
---   python3 -c 'from xmlrpc.client import ServerProxy as S; print(S("http://127.0.0.1:15000").add(2, 3))'
---   curl -d '{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}' http://127.0.0.1:15000
---   http://127.0.0.1:15000      a page that lists the methods

local json <const> = require "perigee.codec.json"
local rpc <const> = require "perigee.rpc"
local service <const> = require "perigee.service"

local options <const> = service.options {
  http = "http://127.0.0.1:15000", msgpack = "tcp://127.0.0.1:15001", keys_limit = 10000,
}

local store <const> = service.state("store", function() return { count = 0, values = {} } end)

local function check_numbers(...)
  for i = 1, select("#", ...) do
    if type((select(i, ...))) ~= "number" then
      error(rpc.fault(rpc.codes.INVALID_PARAMETERS, ("parameter %d must be a number"):format(i)))
    end
  end
end

local function check_name(name)
  if type(name) ~= "string" then error(rpc.fault(rpc.codes.INVALID_PARAMETERS, "the name of a key is a string")) end
end

local function missing(name)
  return nil, ("there is no key '%s'"):format(name)
end

local methods <const> = {}

methods.add = { help = "The sum of two numbers.", function(x, y)
  check_numbers(x, y)
  return x + y
end }

methods.sub = { help = "x less y.", function(x, y)
  check_numbers(x, y)
  return x - y
end }

methods.double = { help = "Twice a number.", function(num)
  check_numbers(num)
  return num * 2
end }

methods.get = { help = "The value of a key; a fault when there is none.", function(name)
  check_name(name)
  local value <const> = store.values[name]
  if value == nil then return missing(name) end
  return value
end }

methods.set = { help = "Gives a key its value, of any kind.", function(name, value)
  check_name(name)
  if store.values[name] == nil then
    if store.count >= options.keys_limit then return nil, "there are too many keys" end
    store.count = store.count + 1
  end
  store.values[name] = value == nil and json.null or value
end }

methods.delete = { help = "Takes a key and its value away; a fault when there is none.", function(name)
  check_name(name)
  if store.values[name] == nil then return missing(name) end
  store.values[name], store.count = nil, store.count - 1
end }

methods.exists = { help = "Is there such a key?", function(name)
  check_name(name)
  return store.values[name] ~= nil
end }

methods.keys = { help = "All keys, in the order of their bytes.", function()
  local list <const> = json.array {}
  for name in pairs(store.values) do list[#list + 1] = name end
  table.sort(list)
  return list
end }

assert(rpc.service(methods):serve { http = options.http, msgpack = options.msgpack })
