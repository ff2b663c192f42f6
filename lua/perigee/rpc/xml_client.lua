--- XML-RPC over HTTP: the client's side.

local encoded <const> = require "perigee.rpc.encoded"
local fault <const> = require "perigee.rpc.fault"
local http <const> = require "perigee.rpc.post"
local xmlrpc <const> = require "perigee.codec.xmlrpc"

local M <const> = {}

---@class perigee.rpc.xml.Client
---@field url string without user and password
---@field whole_url string
---@field options table
local Client <const> = http.class "perigee.rpc.xml.Client"

--- Calls a method and waits for its answer. Raises for arguments that cannot be encoded.
---@param name string
---@param arguments table with n
---@param seconds number? at most, default 30
---@return boolean? ok nil: there is no answer
---@return any result the perigee.rpc.Fault when not ok; the message when there is no answer
---@return string? code "timeout" "closed" "refused" "protocol" ...: after those the call may have been done or not
function Client:call(name, arguments, seconds)
  local response <const>, message <const>, code <const> =
    http.post(self, name, encoded(xmlrpc.encode_call, name, arguments), "text/xml", seconds)
  if not response then return nil, message, code end
  local ok <const>, result <const>, short <const> =
    xmlrpc.decode_response(response.body, { binary = self.options.binary })
  if ok == nil then return nil, ("call %s at %s: %s"):format(name, self.url, result), short end
  if not ok then return false, fault.new(result.code, result.message) end
  return true, result
end

--- Calls a method, and drops its answer: XML-RPC always has one.
---@param name string
---@param arguments table with n
---@return true? sent
---@return string? message
---@return string? code
function Client:notify(name, arguments)
  local ok <const>, message <const>, code <const> = self:call(name, arguments)
  if ok == nil then return nil, message, code end
  return true
end

--- A client. Options: timeout (seconds of a call, default 30), binary ("string", "buffer": what base64 becomes), limit
--- (bytes of an answer), headers, tls, unix (the path of a Unix socket), as of perigee.http.client.
---@param url string http:// https://, whose path is /RPC2 unless it names one
---@param options table?
---@return perigee.rpc.xml.Client
function M.connect(url, options)
  return http.new(Client, url, "/RPC2", options)
end

return M
