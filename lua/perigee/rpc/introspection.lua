--- The methods that every service has, about its methods: those of XML-RPC (system.*), and OpenRPC's rpc.discover.

local fault <const> = require "perigee.rpc.fault"
local json <const> = require "perigee.codec.json"
local running <const> = require "perigee.service"

local codes <const> = fault.codes

local CALLS <const> = 1000                -- of one system.multicall
local ANSWERS <const> = 4 * 1024 * 1024   -- bytes of what they return, about, before the others are not made

local function describe(service, name)
  local method <const> = service:describe(name)
  local shown <const> = type(name) == "string" and name or "of such a name"
  if not method then error(fault.new(codes.NOT_FOUND, ("there is no method %s"):format(shown))) end
  return method
end

-- Several calls at once.

local function failure_of(wrong)
  return { faultCode = wrong.code, faultString = wrong.message }
end

--- About how many bytes a value has, as far as `most`.
local function size_of(value, most)
  local size, count, rest <const> = 0, 1, { value }
  while count > 0 and size <= most do
    local item <const> = rest[count]
    count = count - 1
    size = size + (type(item) == "string" and #item or 8)
    for key, element in next, type(item) == "table" and item or {} do
      count = count + 1
      rest[count], size = element, size + (type(key) == "string" and #key or 0)
    end
  end
  return size
end

--- What a peer gives is no list for having a length: maps of MessagePack have any keys, "n" among them.
local function is_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for _ in next, value do count = count + 1 end
  return count == #value
end

local function call_one(service, call)
  local name <const>, parameters <const> = call.methodName, call.params
  if type(name) ~= "string" or not is_list(parameters) then
    return failure_of(fault.new(codes.INVALID_PARAMETERS, "a call has a methodName and an array of params"))
  end
  if name == "system.multicall" then
    return failure_of(fault.new(codes.INVALID_PARAMETERS, "system.multicall calls all but itself"))
  end
  local ok <const>, result <const> = service:call(name, parameters)
  if not ok then return failure_of(result) end
  return { result == nil and json.null or result }
end

local TOO_LONG <const> = fault.new(codes.LIMIT, "the results of the calls before this one are too long")

local function call_all(service, calls)
  if not is_list(calls) then
    error(fault.new(codes.INVALID_PARAMETERS, "system.multicall takes an array of calls"))
  end
  if #calls > CALLS then
    error(fault.new(codes.LIMIT, ("system.multicall takes at most %d calls"):format(CALLS)))
  end
  local results <const>, room = json.array {}, ANSWERS
  for index, call in ipairs(calls) do
    results[index] = room >= 0 and call_one(service, type(call) == "table" and call or {}) or failure_of(TOO_LONG)
    room = room - size_of(results[index], room)
  end
  return results
end

-- The document of OpenRPC (https://spec.open-rpc.org), version 1.2.6. Of types nothing is known.

local function document_of(method)
  local parameters <const> = json.array {}
  for index, name in ipairs(method.parameters) do
    parameters[index] = { name = name, schema = json.object {} }
  end
  return { name = method.name, description = method.help ~= "" and method.help or nil, params = parameters,
    paramStructure = "either", result = { name = "result", schema = json.object {} } }
end

local function discover(service)
  local methods <const> = json.array {}
  for _, name in ipairs(service:list()) do
    if name ~= "rpc.discover" then methods[#methods + 1] = document_of(service:describe(name)) end
  end
  local current <const> = running.current()
  return { openrpc = "1.2.6", info = { title = current and current.name or "perigee", version = "1" },
    methods = methods }
end

--- The methods for a service, as rpc.service takes them.
---@param service perigee.rpc.Service
---@return table
return function(service)
  return {
    system = {
      listMethods = { function() return json.array(service:list()) end, help = "The names of all methods." },
      methodHelp = { function(name) return describe(service, name).help end, parameters = { "name" },
        help = "What a method does." },
      methodSignature = { function(name) return describe(service, name) and "undef" end, parameters = { "name" },
        help = "The types of a method's parameters, of which nothing is known: always undef." },
      multicall = { function(calls) return call_all(service, calls) end, parameters = { "calls" },
        help = "Makes calls like {methodName: \"add\", params: [2, 3]}, in order; an array of [result] and of "
          .. "{faultCode:, faultString:}." },
    },
    rpc = {
      discover = { function() return discover(service) end, help = "The methods as an OpenRPC document." },
    },
  }
end
