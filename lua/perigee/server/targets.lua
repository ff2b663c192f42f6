--- The addresses that the URLs of a server stand for, each with the options that hold for it.

local address <const> = require "core.address"
local tls <const> = require "perigee.tls"

local M <const> = {}

---@class perigee.server.Target
---@field at perigee.Address|perigee.Descriptor
---@field place string where it is, whatever is spoken there
---@field options table of its socket and its clients

local is_encrypted <const> = { tls = true, https = true }

--- A descriptor that the user has given in the place of a URL?
---@param value any
---@return boolean
function M.is_descriptor(value)
  return type(value) == "userdata" and getmetatable(value).__name == "perigee.descriptor"
end

--- Where an address is, whatever protocol is spoken there.
---@param kind "stream"|"datagram"
---@param at perigee.Address
---@return string
function M.place_of(kind, at)
  if at.scheme == "unix" then return "unix " .. at.host end
  return ("%s %s %d"):format(kind, at.host, at.port)
end

--- Where a target is, or its socket is bound. A descriptor that has no address is in no place.
---@param at perigee.Address|perigee.Descriptor
---@return string?
function M.place(at)
  if not M.is_descriptor(at) then return M.place_of(at.scheme == "udp" and "datagram" or "stream", at) end
  return at.address and M.place_of(at.kind == "datagram" and "datagram" or "stream", at.address)
end

--- Options without `tls`, and with it as a context: for plain addresses and for encrypted ones.
local function split_options(protocol, from_url)
  local given <const> = protocol.options or {}
  local plain <const>, encrypted <const> = {}, {}
  for name, value in pairs(given) do plain[name], encrypted[name] = value, value end
  plain.tls, plain.handshake_timeout = nil, nil
  if given.tls == nil and not from_url then return plain, plain end
  local context <const>, message <const>, code <const> = tls.of(from_url or given.tls, protocol.defaults)
  if not context then return nil, message, code end
  encrypted.tls = context
  return plain, encrypted
end

local function look_up(url)
  if M.is_descriptor(url) then return { url } end
  return address.lookup(url)
end

--- A descriptor stands for itself.
local function resolve_one(found, url, protocol)
  local plain_url, from_url = url, nil
  if not M.is_descriptor(url) then plain_url, from_url = tls.split(url) end
  local addresses <const>, message <const>, code <const> = look_up(plain_url)
  if not addresses then return nil, message, code end
  local plain <const>, encrypted <const>, short <const> = split_options(protocol, from_url)
  if not plain then return nil, ("listen on %s: %s"):format(tostring(plain_url), encrypted), short end
  for _, at in ipairs(addresses) do
    local may_be_either <const> = at.scheme == "unix" or M.is_descriptor(at)
    local is_plain <const> = not is_encrypted[at.scheme] and not (may_be_either and encrypted.tls)
    table.insert(found, { at = at, place = M.place(at), options = is_plain and plain or encrypted })
  end
  return true
end

--- Of a name that has several addresses, all are served.
---@param urls (string|perigee.Descriptor)[]
---@param protocol perigee.server.Protocol
---@return perigee.server.Target[]?
---@return string? message
---@return string? code
function M.resolve(urls, protocol)
  local found <const> = {}
  for _, url in ipairs(urls) do
    local done <const>, message <const>, code <const> = resolve_one(found, url, protocol)
    if not done then return nil, message, code end
  end
  return found
end

return M
