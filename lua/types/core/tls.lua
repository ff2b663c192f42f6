---@meta core.tls
--- TLS contexts: what perigee.tls is made of, which says what the options are.

local M <const> = {}

---@class perigee.tls.Context
local Context <const> = {}

--- Reads its files again, for the sessions to come. When that fails it stays as it was.
---@return true?
---@return string? message
---@return string? code "tls"
function Context:reload() end

--- A context of a server.
---@param options table
---@return perigee.tls.Context?
---@return string? message
---@return string? code "tls"
function M.server(options) end

--- A context of a client.
---@param options table
---@return perigee.tls.Context?
---@return string? message
---@return string? code "tls"
function M.client(options) end

--- The secret that the keys of session tickets come from; with an argument it is set.
---@param bytes string?
---@return string bytes
function M.ticket_secret(bytes) end

--- A new key and a certificate for these names, signed by itself.
---@param names string[] DNS names and IP addresses
---@param days integer 1 to 3650
---@return string? certificate PEM
---@return string key PEM; or a message
---@return string? code "tls"
function M.self_signed(names, days) end

return M, { ["perigee.tls.context"] = Context }
