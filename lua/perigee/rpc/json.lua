--- JSON-RPC 2.0 (https://www.jsonrpc.org/specification): texts of calls to texts of answers, whatever carries them.

local fault <const> = require "perigee.rpc.fault"
local json <const> = require "perigee.codec.json"
local sendable <const> = require "perigee.rpc.sendable"

local codes <const> = fault.codes
local NULL <const> = json.null
local BATCH <const> = 1000 -- default limit of the calls in a batch
local ANSWERS <const> = 4 * 1024 * 1024 -- bytes of a batch's answers, before its other calls are not made
local TOO_LONG <const> = fault.new(codes.LIMIT, "the answers to the calls before this one are too long")

local M <const> = { BATCH = BATCH }

--- A fault as JSON. Data that cannot be encoded is left out; what JSON cannot hold of the message becomes "?".
---@param wrong perigee.rpc.Fault
---@return string
function M.encode_fault(wrong)
  local message <const> = utf8.len(wrong.message) and wrong.message or wrong.message:gsub("[^\32-\126]", "?")
  local ok <const>, text <const> = pcall(json.encode, { code = wrong.code, message = message, data = wrong.data })
  if ok then return text end
  fault.drop_data(text)
  return json.encode { code = wrong.code, message = message }
end

local function refuse(id, wrong)
  return '{"jsonrpc":"2.0","error":' .. M.encode_fault(wrong) .. ',"id":' .. id .. "}"
end

local function invalid(why)
  return refuse("null", fault.new(codes.INVALID_REQUEST, why))
end

local is_id <const> = { string = true, number = true, ["nil"] = true }

--- Why this is no call; nil when it is one.
local function problem_of(call)
  if type(call) ~= "table" or #call > 0 then return "a call is an object" end
  if next(call) == nil then return "a call has a method, and a batch one call at least" end
  if call.jsonrpc ~= "2.0" then return 'a call has "jsonrpc": "2.0"' end
  if type(call.method) ~= "string" then return "the method of a call is a string" end
  if call.params ~= nil and type(call.params) ~= "table" then return "params are an array or an object" end
  if not is_id[type(call.id)] and call.id ~= NULL then return "the id of a call is a string, a number or null" end
end

local function perform(service, call, has_room)
  if not has_room then return false, TOO_LONG end
  local parameters <const> = call.params
  if parameters and type(next(parameters)) == "string" then return service:call(call.method, nil, parameters) end
  return service:call(call.method, parameters)
end

local function respond(service, call, has_room)
  local why <const> = problem_of(call)
  if why then return invalid(why) end
  local ok <const>, result <const> = perform(service, call, has_room)
  if call.id == nil then return nil end
  local id <const> = json.encode(call.id)
  if not ok then return refuse(id, result) end
  local text <const>, wrong <const> = sendable(call.method, result == nil and NULL or result, json.encode)
  if not text then return refuse(id, wrong) end
  return '{"jsonrpc":"2.0","result":' .. text .. ',"id":' .. id .. "}"
end

local function respond_all(service, batch, limit)
  if #batch > limit then
    return refuse("null", fault.new(codes.LIMIT, ("a batch has at most %d calls"):format(limit)))
  end
  local answers <const>, room = {}, ANSWERS
  for _, call in ipairs(batch) do
    local answer <const> = respond(service, call, room >= 0)
    answers[#answers + 1], room = answer, room - (answer and #answer or 0)
  end
  return #answers > 0 and "[" .. table.concat(answers, ",") .. "]" or nil
end

--- The answer to a call or a batch of them, which run one after the other; nil when none is wanted.
---@param service perigee.rpc.Service
---@param text string what a client has sent
---@param batch integer? calls that a batch may have, default 1000
---@return string?
function M.answer(service, text, batch)
  local call <const>, message <const>, code <const> = json.decode(text)
  if code then return refuse("null", fault.new(codes.PARSE, message)) end
  if type(call) == "table" and #call > 0 then return respond_all(service, call, batch or BATCH) end
  return respond(service, call, true)
end

-- The client's side.

--- A call as text; a notification when it has no id. Raises for arguments that cannot be encoded.
---@param name string
---@param arguments table with n
---@param id integer?
---@return string
function M.encode_call(name, arguments, id)
  local parameters <const> = json.array {}
  for index = 1, arguments.n or #arguments do
    parameters[index] = arguments[index] == nil and NULL or arguments[index]
  end
  return json.encode { jsonrpc = "2.0", method = name, params = parameters, id = id }
end

local function fault_of(failure)
  local code <const> = type(failure) == "table" and math.tointeger(failure.code)
  if not code then return nil end
  local data = failure.data
  if data == NULL then data = nil end
  return fault.new(code, type(failure.message) == "string" and failure.message or "error", data)
end

--- What an answer says: its id, and then true and the result, or false and the fault. nil, message, "protocol" when it
--- is none. The id is null for a call that the server could not read, and false when this is a call of the server's.
---@param text string
---@return any id
---@return any ok or message
---@return any result
function M.decode_answer(text)
  local answer <const>, message <const>, code <const> = json.decode(text)
  if code then return nil, "the server's answer: " .. message, "protocol" end
  if type(answer) == "table" and type(answer.method) == "string" then return false end
  if type(answer) ~= "table" or answer.id == nil then
    return nil, "the server's answer is none of JSON-RPC", "protocol"
  end
  if answer.error ~= nil and answer.error ~= NULL then
    local failure <const> = fault_of(answer.error)
    if not failure then return nil, "the server's answer has an error without a code", "protocol" end
    return answer.id, false, failure
  end
  local result = answer.result
  if result == nil then return nil, "the server's answer has no result", "protocol" end
  if result == NULL then result = nil end
  return answer.id, true, result
end

return M
