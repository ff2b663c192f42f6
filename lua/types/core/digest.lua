---@meta core.digest
--- Digests, HMAC, base64 and random bytes, by OpenSSL.

local M <const> = {}

---@param data string
---@param name string? default "sha256"
---@return string bytes
function M.digest(data, name) end

--- RFC 2104.
---@param key string
---@param data string
---@param name string? default "sha256"
---@return string bytes
function M.hmac(key, data, name) end

--- Compares in a time that does not tell where they differ.
---@param a string
---@param b string
---@return boolean
function M.equal(a, b) end

---@param count integer? 1 to 1 MiB, default 16
---@return string bytes that nobody can foresee
function M.random(count) end

--- RFC 4648 4.
---@param bytes string
---@return string
function M.to_base64(bytes) end

---@param text string
---@return string? bytes nil: it is no base64
function M.from_base64(text) end

return M, {}
