--- Cookies (RFC 6265): Set-Cookie values, and values with a signature that a client cannot forge.

local digest <const> = require "core.digest"

local M <const> = {}

local same_site <const> = { strict = "Strict", lax = "Lax", none = "None" }

local function check_name(name)
  if type(name) ~= "string" or not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
    error(("cookie name '%s': it must be a token (RFC 6265 4.1.1)"):format(tostring(name)), 5)
  end
end

local function check_value(value)
  if type(value) ~= "string" or value:find "[%c%s\",;\\\128-\255]" then
    error("a cookie's value must have no space, quote, comma, semicolon, backslash or control character: encode it", 5)
  end
end

local function check_attribute(name, value)
  if type(value) ~= "string" or value:find "[%c;]" then
    error(("option '%s' must be a string without ; and control characters"):format(name), 4)
  end
  return value
end

local function check(name, value, options)
  check_name(name)
  check_value(value)
  for key in pairs(options) do
    if not (key == "path" or key == "domain" or key == "max_age" or key == "secure" or key == "http_only"
      or key == "same_site") then
      error(("there is no option '%s'"):format(tostring(key)), 4)
    end
  end
end

--- The value of Set-Cookie. Options: path (default "/"), domain, max_age (seconds; absent: until the browser is
--- closed), secure (only over TLS), http_only (default true: scripts of a page cannot read it), same_site ("lax" unless
--- told otherwise, "strict", "none").
---@param name string
---@param value string
---@param options table?
---@return string
function M.format(name, value, options)
  options = options or {}
  check(name, value, options)
  if options.max_age and math.type(options.max_age) ~= "integer" then
    error("option 'max_age' must be a whole number of seconds", 3)
  end
  local site <const> = options.same_site or "lax"
  if not same_site[site] then error("option 'same_site' must be strict, lax or none", 3) end
  local parts <const> = { name .. "=" .. value, "Path=" .. check_attribute("path", options.path or "/") }
  if options.domain then parts[#parts + 1] = "Domain=" .. check_attribute("domain", options.domain) end
  if options.max_age then parts[#parts + 1] = ("Max-Age=%d"):format(options.max_age) end
  if options.secure or site == "none" then parts[#parts + 1] = "Secure" end
  if options.http_only ~= false then parts[#parts + 1] = "HttpOnly" end
  parts[#parts + 1] = "SameSite=" .. same_site[site]
  return table.concat(parts, "; ")
end

local function url_safe(bytes)
  return (digest.to_base64(bytes):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" }))
end

local function from_url_safe(text)
  local padded <const> = text:gsub("[-_]", { ["-"] = "+", ["_"] = "/" }) .. ("="):rep(-#text % 4)
  return digest.from_base64(padded)
end

---@class perigee.http.Signer
---@field secret string
local Signer <const> = { __name = "perigee.http.signer" }
Signer.__index = Signer

--- The value, whatever its bytes, with its signature, as text that a cookie may hold. It can be read, but not changed.
--- The name of the cookie is signed too, so that the value of one cannot be used as that of another.
---@param name string
---@param value string
---@return string
function Signer:sign(name, value)
  local text <const> = url_safe(value)
  return text .. "." .. url_safe(digest.hmac(self.secret, name .. "=" .. text))
end

--- The value, when the signature is ours; nil when it is not.
---@param name string
---@param signed string?
---@return string?
function Signer:verify(name, signed)
  local text <const>, signature <const> = (signed or ""):match "^([%w_-]*)%.([%w_-]+)$"
  if not text then return nil end
  local expected <const> = url_safe(digest.hmac(self.secret, name .. "=" .. text))
  if not digest.equal(expected, signature) then return nil end
  return from_url_safe(text)
end

--- Signs cookies with a secret of 16 bytes or more (HMAC with SHA-256).
---@param secret string
---@return perigee.http.Signer
function M.signer(secret)
  if type(secret) ~= "string" or #secret < 16 then
    error("bad argument 'secret' (a string of 16 bytes or more expected)", 2)
  end
  return setmetatable({ secret = secret }, Signer)
end

return M
