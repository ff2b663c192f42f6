--- The methods that every service has, about its methods: those of XML-RPC (system.*), and OpenRPC's rpc.discover.

local fault <const> = require "perigee.rpc.fault"
local json <const> = require "perigee.codec.json"
local running <const> = require "perigee.service"

local codes <const> = fault.codes

local CALLS <const> = 1000 -- of one system.multicall

local function describe(service, name)
  local method <const> = service:describe(name)
  if not method then error(fault.new(codes.NOT_FOUND, ("there is no method %s"):format(tostring(name)))) end
  return method
end

-- Several calls at once.

local function failure_of(wrong)
  return { faultCode = wrong.code, faultString = wrong.message }
end

local function call_one(service, call)
  local name <const>, parameters <const> = call.methodName, call.params
  if type(name) ~= "string" or type(parameters) ~= "table" then
    return failure_of(fault.new(codes.INVALID_PARAMETERS, "a call has a methodName and params"))
  end
  if name == "system.multicall" then
    return failure_of(fault.new(codes.INVALID_PARAMETERS, "system.multicall calls all but itself"))
  end
  local ok <const>, result <const> = service:call(name, parameters)
  if not ok then return failure_of(result) end
  return { result == nil and json.null or result }
end

local function call_all(service, calls)
  if type(calls) ~= "table" or next(calls) ~= nil and #calls == 0 then
    error(fault.new(codes.INVALID_PARAMETERS, "system.multicall takes an array of calls"))
  end
  if #calls > CALLS then
    error(fault.new(codes.LIMIT, ("system.multicall takes at most %d calls"):format(CALLS)))
  end
  local results <const> = json.array {}
  for index, call in ipairs(calls) do results[index] = call_one(service, type(call) == "table" and call or {}) end
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
