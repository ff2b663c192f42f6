--- JSON-RPC 2.0 over HTTP: the client's side.

local encoded <const> = require "perigee.rpc.encoded"
local json <const> = require "perigee.rpc.json"
local http <const> = require "perigee.rpc.post"
local null <const> = require "perigee.codec.json".null

local TYPE <const> = "application/json"

local M <const> = {}

---@class perigee.rpc.json.Client
---@field url string
---@field options table
---@field id integer of the last call
local Client <const> = { __name = "perigee.rpc.json.Client" }
Client.__index = Client

local function fail(self, name, message)
  return nil, ("call %s at %s: %s"):format(name, self.url, message), "protocol"
end

--- Calls a method and waits for its answer. Raises for arguments that cannot be encoded.
---@param name string
---@param arguments table with n
---@param seconds number? at most, default 30
---@return boolean? ok nil: there is no answer
---@return any result the perigee.rpc.Fault when not ok; the message when there is no answer
---@return string? code "timeout" "closed" "refused" "protocol" ...: after those the call may have been done or not
function Client:call(name, arguments, seconds)
  self.id = self.id + 1
  local id <const> = self.id
  local response <const>, message <const>, code <const> =
    http.post(self, name, encoded(json.encode_call, name, arguments, id), TYPE, seconds)
  if not response then return nil, message, code end
  local answered <const>, ok <const>, result <const> = json.decode_answer(response.body)
  if answered == nil then return fail(self, name, ok) end
  if answered ~= id and (ok or answered ~= null) then
    return fail(self, name, "the server's answer is for another call")
  end
  return ok, result
end

--- Calls a method without an answer.
---@param name string
---@param arguments table with n
---@return true? sent
---@return string? message
---@return string? code
function Client:notify(name, arguments)
  local response <const>, message <const>, code <const> =
    http.post(self, name, encoded(json.encode_call, name, arguments), TYPE)
  if not response then return nil, message, code end
  return true
end

--- No call can be made any more.
function Client:close()
  self.is_closed = true
end

Client.__close = Client.close

--- A client. Options: timeout (seconds of a call, default 30), limit (bytes of an answer), headers, tls, unix (the path
--- of a Unix socket), as of perigee.http.client.
---@param url string http:// https://
---@param options table?
---@return perigee.rpc.json.Client
function M.connect(url, options)
  return setmetatable({ url = http.with_path(url, "/"), options = options or {}, id = 0 }, Client)
end

return M
