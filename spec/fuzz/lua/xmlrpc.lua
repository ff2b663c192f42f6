--- XML-RPC: what is decoded can be encoded, and gives the same again.

local json <const> = require "perigee.codec.json"
local timestamp <const> = require "perigee.codec.timestamp"
local xmlrpc <const> = require "perigee.codec.xmlrpc"

local codes <const> = { protocol = true, limit = true }

--- What is wrong, without the place, and without what the bytes say.
local function kind_of(message, code)
  if type(message) ~= "string" or not codes[code] then
    error(("refused by %s, %s"):format(tostring(message), tostring(code)))
  end
  return message:gsub("%d+", "N"):gsub("<[^>]*>", "<>"):sub(1, 80)
end

--- The same again, but for times with a fraction, which cannot be encoded.
local function check_again(name, parameters)
  local encoded <const>, text <const> = pcall(xmlrpc.encode_call, name, parameters)
  if not encoded then
    if text:find "^cannot encode a time " then return "a time" end
    error(text, 0)
  end
  local again <const>, values <const> = xmlrpc.decode_call(text)
  if again ~= name then error(("the name %q is read again as %q"):format(name, tostring(again))) end
  local same <const> = xmlrpc.encode_call(name, values)
  if #same ~= #text or values.n ~= parameters.n then error "what is encoded and decoded has changed" end
  return "a call of " .. math.min(parameters.n, 3)
end

local values <const> = { 1, -2.5, "é <&> \r\n", "\0\xff", true, 1 << 40, nil, json.array {}, { a = { b = json.null } },
  timestamp.new(900684535, 0), n = 10 }

return {
  seeds = {
    xmlrpc.encode_call("math.add", values),
    xmlrpc.encode_response { values[9], values[10] },
    xmlrpc.encode_fault(-32601, "there is no method x"),
    xmlrpc.encode(values[9]),
    [==[<?xml version="1.0" encoding="iso-8859-1"?><!-- c --><?p i?><methodCall><methodName>a</methodName>
<params><param>
<value>plain</value></param><param><value><![CDATA[<x>]]></value></param><param><value><ex:nil/></value></param>
<param><value><dateTime.iso8601>1998-07-17T14:08:55.5Z</dateTime.iso8601></value></param></params></methodCall>]==],
    "<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall><methodName>&b;</methodName></methodCall>",
    "\xFF\xFE" .. xmlrpc.encode_call("a", { 1, "x" }):gsub(".", "%0\0"),
  },
  check = function(bytes)
    for _, decode in ipairs { xmlrpc.decode, xmlrpc.decode_response } do
      local value <const>, message <const>, code <const> = decode(bytes, { binary = "buffer" })
      if value == nil and message ~= nil then kind_of(message, code) end
    end
    local name <const>, parameters <const>, code <const> = xmlrpc.decode_call(bytes)
    if not name then return kind_of(parameters, code) end
    return check_again(name, parameters)
  end,
}
