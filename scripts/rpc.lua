--- Remote procedure calls: arithmetic and a store of values by key, for XML-RPC, JSON-RPC and MessagePack-RPC.
---   python3 -c 'from xmlrpc.client import ServerProxy as S; print(S("http://127.0.0.1:15000").add(2, 3))'
---   curl -d '{"jsonrpc":"2.0","method":"add","params":[2,3],"id":1}' http://127.0.0.1:15000
---   http://127.0.0.1:15000      a page that lists the methods
--- All workers have the same store; with --set rpc.store=redis://HOST machines have, with local:/path it is durable.

local json <const> = require "perigee.codec.json"
local msgpack <const> = require "perigee.codec.msgpack"
local rpc <const> = require "perigee.rpc"
local service <const> = require "perigee.service"
local stores <const> = require "perigee.store"

local options <const> = service.options {
  http = "http://127.0.0.1:15000", msgpack = "tcp://127.0.0.1:15001", store = "local:",
}

local store <const> = assert(stores.open(options.store, "rpc"))

local function check_numbers(...)
  for i = 1, select("#", ...) do
    if type((select(i, ...))) ~= "number" then
      error(rpc.fault(rpc.codes.INVALID_PARAMETERS, ("parameter %d must be a number"):format(i)))
    end
  end
end

--- Integers of Lua begin anew beyond 64 bits, floats do not: a result that is far from what it is roughly is none.
local function check_range(result, roughly)
  if math.type(result) == "float" or math.abs(result - roughly) < 2 ^ 63 then return result end
  error(rpc.fault(rpc.codes.INVALID_PARAMETERS, "the result is an integer of more than 64 bits"))
end

--- Names are text: others could not be told by `keys` in JSON.
local function check_name(name)
  if type(name) == "string" and utf8.len(name) then return end
  error(rpc.fault(rpc.codes.INVALID_PARAMETERS, "the name of a key is a string of UTF-8"))
end

local function missing(name)
  return nil, ("there is no key '%s'"):format(name)
end

local methods <const> = {}

methods.add = { help = "The sum of two numbers.", function(x, y)
  check_numbers(x, y)
  return check_range(x + y, x + 0.0 + y)
end }

methods.sub = { help = "x less y.", function(x, y)
  check_numbers(x, y)
  return check_range(x - y, x + 0.0 - y)
end }

methods.double = { help = "Twice a number.", function(num)
  check_numbers(num)
  return check_range(num * 2, num * 2.0)
end }

methods.get = { help = "The value of a key; a fault when there is none.", function(name)
  check_name(name)
  local packed <const>, message <const> = store:get(name)
  if packed then return msgpack.decode(packed) end
  if message then return nil, message end
  return missing(name)
end }

methods.set = { help = "Gives a key its value, of any kind.", function(name, value)
  check_name(name)
  local kept <const>, message <const> = store:set(name, msgpack.encode(value))
  if not kept then return nil, message end
end }

methods.delete = { help = "Takes a key and its value away; a fault when there is none.", function(name)
  check_name(name)
  local count <const>, message <const> = store:delete(name)
  if count == 0 then return missing(name) end
  if not count then return nil, message end
end }

methods.exists = { help = "Is there such a key?", function(name)
  check_name(name)
  return store:exists(name)
end }

methods.keys = { help = "All keys, in the order of their bytes.", function()
  local names <const>, message <const> = store:keys()
  if not names then return nil, message end
  table.sort(names)
  return json.array(names)
end }

assert(rpc.service(methods):serve { http = options.http, msgpack = options.msgpack })
