--- JSON-RPC 2.0 over HTTP: the client's side.

local encoded <const> = require "perigee.rpc.encoded"
local json <const> = require "perigee.rpc.json"
local http <const> = require "perigee.rpc.post"
local null <const> = require "perigee.codec.json".null

local TYPE <const> = "application/json"

local M <const> = {}

---@class perigee.rpc.json.Client
---@field url string without user and password
---@field whole_url string
---@field options table
---@field id integer of the last call
local Client <const> = http.class "perigee.rpc.json.Client"

local function fail(self, name, message)
  return nil, ("call %s at %s: %s"):format(name, self.url, message), "protocol"
end

--- Many servers have statuses for their faults, 404 for a method that there is not.
local function refused(id, message, code, body)
  local answered, ok, failure
  if body then answered, ok, failure = json.decode_answer(body) end
  if ok == false and (answered == id or answered == null) then return false, failure end
  return nil, message, code
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
  local response <const>, message <const>, code <const>, refusal <const> =
    http.post(self, name, encoded(json.encode_call, name, arguments, id), TYPE, seconds)
  if not response then return refused(id, message, code, refusal) end
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

--- A client. Options: timeout (seconds of a call, default 30), limit (bytes of an answer), headers, tls, unix (the path
--- of a Unix socket), as of perigee.http.client.
---@param url string http:// https://
---@param options table?
---@return perigee.rpc.json.Client
function M.connect(url, options)
  local client <const> = http.new(Client, url, "/", options)
  client.id = 0
  return client
end

return M
