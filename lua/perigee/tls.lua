--- TLS contexts: the certificates, keys and rules that sessions are made with.
---   net.serve("tls://127.0.0.1:7000", handler, { tls = { certificate = "localhost.crt", key = "localhost.key" } })
---   local conn = assert(net.connect("tls://example.org:443"))    -- chain and name are verified
--- `perigee cert localhost` makes a certificate for development.

local core <const> = require "core.tls"
local returned <const> = require "perigee.misuse"
local system <const> = require "core.system"

local M <const> = {}

---@class perigee.tls.Context : userdata
---@field reload fun(self): true?, string?, string? reads its files again, for the sessions to come; when that fails it
--- stays as it was

--- Servers' contexts that are alive, so that their files can be loaded anew, and whether they have others by name: they
--- take those as they are then.
local contexts <const> = setmetatable({}, { __mode = "k" })

local function copy(options)
  if type(options) ~= "table" then error("bad argument 'options' (a table expected)", 0) end
  local result <const> = {}
  for name, value in pairs(options) do result[name] = value end
  return result
end

--- "site.crt" has its key in "site.key", when there is such a file, or in itself.
local function key_of(certificate)
  if type(certificate) ~= "string" then return nil end
  local beside <const> = certificate:gsub("%.[^./]*$", "") .. ".key"
  return system.file_kind(beside) == "file" and beside or certificate
end

local function keys_of(certificate)
  if type(certificate) ~= "table" then return key_of(certificate) end
  local keys <const> = {}
  for i, path in ipairs(certificate) do keys[i] = key_of(path) end
  return keys
end

local function server(options)
  local given <const> = copy(options)
  if given.certificate and given.key == nil then given.key = keys_of(given.certificate) end
  if type(given.names) == "table" then
    given.names = copy(given.names)
    for name, value in pairs(given.names) do
      if type(value) == "table" then
        local context <const>, message <const>, code <const> = server(value)
        if not context then return nil, message, code end
        given.names[name] = context
      end
    end
  end
  local context <const>, message <const>, code <const> = core.server(given)
  if not context then return nil, message, code end
  contexts[context] = given.names ~= nil
  return context
end

--- A context of a server.
---
--- Options: certificate (the path of a PEM file with the chain, or a list of such for several types of keys), key
--- (default: the certificate's name with .key, or the certificate's own file), password (of an encrypted key), ca (a
--- PEM file: whose certificates clients may show; then verify is "required"), verify ("required", "optional" or
--- "none"), min_version and max_version ("1.2", "1.3"), ciphers (of TLS 1.2, OpenSSL's list), cipher_suites (of TLS
--- 1.3), groups, protocols (ALPN, RFC 7301: a list of names), names (contexts or options by server name: "example.org",
--- "*.example.org"), on_server_name (a function that is given a name which is not in the list and returns a context,
--- nil for this one, or false to refuse; it may not wait), ocsp (a file with a response to staple, DER), tickets
--- (default true: sessions can be resumed).
---@param options table
---@return perigee.tls.Context? context
---@return string? message
---@return string? code "tls"
function M.server(options)
  return returned(pcall(server, options))
end

local function client(options)
  local given <const> = copy(options or {})
  if given.certificate and given.key == nil then given.key = keys_of(given.certificate) end
  return core.client(given)
end

--- A context of a client. Without options it verifies the server's chain by the system's certificates, and its name.
---
--- Options: ca (a PEM file to trust instead of the system's), verify (default true), certificate, key and password (to
--- show when the server asks), protocols (ALPN), min_version, max_version, ciphers, cipher_suites, groups.
---@param options table?
---@return perigee.tls.Context? context
---@return string? message
---@return string? code "tls"
function M.client(options)
  return returned(pcall(client, options))
end

local default

--- The context of clients that have no other.
---@return perigee.tls.Context? context
---@return string? message
---@return string? code
function M.default()
  local message, code
  if not default then default, message, code = client() end
  return default, message, code
end

--- What the option `tls` of a server stands for: a context, or options for one. `defaults` are added to options.
---@param value perigee.tls.Context|table
---@param defaults table?
---@return perigee.tls.Context? context
---@return string? message
---@return string? code
function M.of(value, defaults)
  if type(value) == "userdata" then return value end
  if type(value) ~= "table" then error("option 'tls' must be a table of options or a context of perigee.tls", 0) end
  local given <const> = copy(value)
  for name, otherwise in pairs(defaults or {}) do
    if given[name] == nil then given[name] = otherwise end
  end
  return server(given)
end

local from_url <const> = { certificate = true, key = true, ca = true, verify = true }

--- tls://host:port?certificate=FILE&key=FILE: the address without what follows the question mark, and that as options.
---@param url string
---@return string address
---@return table? options
function M.split(url)
  local address <const>, query <const> = url:match "^(%a+://[^?#]*)%?(.*)$"
  if not address or not (address:find "^[Tt][Ll][Ss]:" or address:find "^[Hh][Tt][Tt][Pp][Ss]:") then return url end
  local options <const> = {}
  for part in query:gmatch "[^&]+" do
    local name <const>, value <const> = part:match "^([%w_]+)=(.+)$"
    if not name or not from_url[name] then
      error(("url '%s': after ? come certificate, key, ca and verify, as name=value, not '%s'"):format(url, part), 0)
    end
    options[name] = value:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  end
  return address, options
end

--- Reads the files of all servers' contexts again: for renewed certificates.
---@return integer count of contexts
---@return string[] failures what went wrong; those contexts stay as they were
function M.reload()
  local count, failures = 0, {}
  local function reload_those(with_names)
    for context, has_names in pairs(contexts) do
      if has_names == with_names then
        local ok <const>, message <const>, code <const> = context:reload()
        if code ~= "closed" then count = count + 1 end -- else the collector has just had it
        if not ok and code ~= "closed" then table.insert(failures, message) end
      end
    end
  end
  reload_those(false)
  reload_those(true)
  return count, failures
end

--- The secret that the keys of session tickets come from, for processes that are to resume each other's sessions. With
--- an argument it is set.
---@param bytes string? what another process's ticket_secret() returned
---@return string bytes
M.ticket_secret = core.ticket_secret

return M
