---@meta core.address
--- Addresses: URLs that are resolved. tostring(a) and a .. "" give the URL.

local M <const> = {}

---@class perigee.Address
---@field scheme string "tcp" "udp" "unix" ...
---@field host string "127.0.0.1", "::1", or the path of a Unix socket
---@field port integer

--- The parts of a URL, not resolved.
---@param url string
---@return { scheme: string, host: string, port: integer, path: string }?
---@return string? message
---@return string? code "protocol"
function M.parse(url) end

--- The addresses that a URL stands for; a name waits for the resolver.
---@param url string|perigee.Address
---@param seconds number? default 10
---@return perigee.Address[]?
---@return string? message
---@return string? code "unreachable" "timeout"
function M.lookup(url, seconds) end

--- Asks these name servers instead of the system's: "127.0.0.1:53,[::1]:53".
---@param servers string
function M.name_servers(servers) end

return M, {}
