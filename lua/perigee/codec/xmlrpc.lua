--- XML-RPC (http://xmlrpc.com/spec.md), strict both ways, with nil and integers of 64 bits.
---   xmlrpc.encode_call("add", { 2, 3 })             -- what a client sends
---   xmlrpc.decode_response(body)                    -- true, 5; or false, { code = 1, message = "..." }
---
--- A table with the keys 1..n is an array, one with string keys a struct, as in perigee.codec.json, whose marks are
--- honoured: an empty table is a struct unless json.array has marked it, and a decoded empty array bears that mark.
--- Strings that XML can hold are sent as text, others and buffers as base64. Integers are <int>, beyond 32 bits <i8>;
--- dateTime.iso8601 is a perigee.codec.timestamp, taken as UTC. Decoding refuses any DOCTYPE.

local decoder <const> = require "perigee.codec.xmlrpc.decoder"
local encoder <const> = require "perigee.codec.xmlrpc.encoder"
local json <const> = require "perigee.codec.json"
local misuse <const> = require "perigee.misuse"

local M <const> = {
  null = json.null, ---@type lightuserdata nil inside of a table
}

local DEPTH <const>, DEPTH_MAX <const> = 512, 4096
local HEAD <const> = "<?xml version='1.0'?>\n"

---@class perigee.xmlrpc.options
---@field depth integer? levels of arrays and structs that are allowed, 1 to 4096, default 512
---@field binary "string"|"buffer"|nil what base64 is decoded to, default "string"

local function check_options(options, ...)
  if options == nil then return DEPTH, "string" end
  if type(options) ~= "table" then error("bad argument 'options' (a table expected)", 0) end
  for name in pairs(options) do
    if name ~= "depth" and name ~= ... then error(("there is no option '%s'"):format(tostring(name)), 0) end
  end
  local depth <const>, binary <const> = options.depth or DEPTH, options.binary or "string"
  if math.type(depth) ~= "integer" or depth < 1 or depth > DEPTH_MAX then
    error(("option 'depth' must be an integer of 1 to %d"):format(DEPTH_MAX), 0)
  end
  if binary ~= "string" and binary ~= "buffer" then error("option 'binary' must be \"string\" or \"buffer\"", 0) end
  return depth, binary
end

local function check_text(text)
  if type(text) ~= "string" then error("bad argument 'text' (a string expected)", 0) end
end

-- Values alone.

local function encode(value, options)
  local pieces <const> = { HEAD }
  encoder.append(pieces, value, (check_options(options)))
  return table.concat(pieces)
end

--- A document that is one <value>. Raises for what cannot be encoded, and names where it is: "cannot encode a function
--- at items[3].price". These are functions, threads, other userdata, NaN, infinities, times with a fraction, keys that
--- are neither 1..n nor all strings or that XML cannot hold, cycles, and tables that are nested too deep.
---@param value any
---@param options { depth: integer? }?
---@return string
function M.encode(value, options)
  return misuse(pcall(encode, value, options))
end

local function decode(text, options)
  check_text(text)
  local found <const>, message <const>, code <const> = decoder.decode(text, "value", check_options(options, "binary"))
  if not found then return nil, message, code end
  local value <const> = found.into[1]
  if value ~= json.null then return value end
end

--- The value of a document that is one <value>. nil on the outside is nil, inside of tables null.
---@param text string
---@param options perigee.xmlrpc.options?
---@return any value
---@return string? message "invalid XML-RPC at byte 17: an integer expected"
---@return "protocol"|"limit"|nil code
function M.decode(text, options)
  return misuse(pcall(decode, text, options))
end

-- Calls and their answers.

local function encode_call(name, parameters, options)
  if type(name) ~= "string" then error("bad argument 'name' (a string expected)", 0) end
  if not encoder.is_text(name) then error("cannot encode a method's name that XML cannot hold", 0) end
  local depth <const> = check_options(options)
  local pieces <const> = { HEAD, "<methodCall><methodName>", encoder.escape(name), "</methodName><params>" }
  for i = 1, parameters and (parameters.n or #parameters) or 0 do
    pieces[#pieces + 1] = "<param>"
    encoder.append(pieces, parameters[i], depth, "parameters", i)
    pieces[#pieces + 1] = "</param>"
  end
  pieces[#pieces + 1] = "</params></methodCall>"
  return table.concat(pieces)
end

--- What a client sends. Raises as encode does: "cannot encode a function at parameters[2].f".
---@param name string
---@param parameters table? n is how many, default #parameters
---@param options { depth: integer? }?
---@return string
function M.encode_call(name, parameters, options)
  return misuse(pcall(encode_call, name, parameters, options))
end

--- The values, those that are null as nil.
local function values_of(found)
  local values <const> = found.into
  for i = 1, found.count do
    if values[i] == json.null then values[i] = nil end
  end
  values.n = found.count
  return values
end

local function decode_call(text, options)
  check_text(text)
  local found <const>, message <const>, code <const> =
    decoder.decode(text, "methodCall", check_options(options, "binary"))
  if not found then return nil, message, code end
  return found.method, values_of(found)
end

--- What a client has sent: the method's name and its parameters; n is how many, and nulls among them are nil.
---@param text string
---@param options perigee.xmlrpc.options?
---@return string? name
---@return table|string|nil parameters or message
---@return "protocol"|"limit"|nil code
function M.decode_call(text, options)
  return misuse(pcall(decode_call, text, options))
end

local function encode_response(value, options)
  local pieces <const> = { HEAD, "<methodResponse><params><param>" }
  encoder.append(pieces, value, (check_options(options)))
  pieces[#pieces + 1] = "</param></params></methodResponse>"
  return table.concat(pieces)
end

--- What a method has returned. Raises as encode does.
---@param value any
---@param options { depth: integer? }?
---@return string
function M.encode_response(value, options)
  return misuse(pcall(encode_response, value, options))
end

local function encode_fault(code, message)
  if math.type(code) ~= "integer" then error("bad argument 'code' (an integer expected)", 0) end
  if type(message) ~= "string" then error("bad argument 'message' (a string expected)", 0) end
  local text <const> = encoder.is_text(message) and message or message:gsub("[^\32-\126]", "?")
  local pieces <const> = { HEAD, "<methodResponse><fault>" }
  encoder.append(pieces, { faultCode = code, faultString = text }, DEPTH)
  pieces[#pieces + 1] = "</fault></methodResponse>"
  return table.concat(pieces)
end

--- What has gone wrong in a method. What XML cannot hold of the message becomes "?".
---@param code integer
---@param message string
---@return string
function M.encode_fault(code, message)
  return misuse(pcall(encode_fault, code, message))
end

local function fault_of(value)
  local is_struct <const> = type(value) == "table" and math.type(value.faultCode) == "integer"
  if not is_struct or type(value.faultString) ~= "string" then
    return nil, "invalid XML-RPC: a fault has an integer faultCode and a string faultString", "protocol"
  end
  return false, { code = value.faultCode, message = value.faultString }
end

local function decode_response(text, options)
  check_text(text)
  local found <const>, message <const>, code <const> =
    decoder.decode(text, "methodResponse", check_options(options, "binary"))
  if not found then return nil, message, code end
  if found.seen.fault then return fault_of(found.into[1]) end
  if found.count ~= 1 then return nil, "invalid XML-RPC: an answer has one value", "protocol" end
  return true, values_of(found)[1]
end

--- What a server has answered: true and the value; false and the fault; or nil when it is no answer.
---@param text string
---@param options perigee.xmlrpc.options?
---@return boolean? ok
---@return any value, or { code: integer, message: string }, or the message
---@return "protocol"|"limit"|nil code
function M.decode_response(text, options)
  return misuse(pcall(decode_response, text, options))
end

return M
