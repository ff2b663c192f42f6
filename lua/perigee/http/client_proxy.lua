--- Which proxy a request goes through, by the environment as curl(1) reads it: http_proxy (in small letters alone: CGI
--- sets HTTP_PROXY from a header), https_proxy, all_proxy, no_proxy. This machine is never asked for by a proxy.

local M <const> = {}

local DEFAULT_PORT <const> = 1080

--- The bytes of an IP address; nil: it is none.
local function bytes_of_v4(text)
  local bytes <const> = { text:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$" }
  for i, each in ipairs(bytes) do bytes[i] = tonumber(each) end
  for i = 1, 4 do
    if not bytes[i] or bytes[i] > 255 then return nil end
  end
  return string.char(table.unpack(bytes))
end

local function groups_of(text)
  local groups <const> = {}
  for group in text:gmatch "%x+" do groups[#groups + 1] = string.pack(">I2", tonumber(group, 16) & 0xffff) end
  return table.concat(groups)
end

local function bytes_of_v6(text)
  if not text:find ":" or not text:find "^[%x:]+$" then return nil end
  local before <const>, after <const> = text:match "^(.-)::(.*)$"
  local head <const>, tail <const> = groups_of(before or text), groups_of(after or "")
  local missing <const> = 16 - #head - #tail
  if missing < 0 or not before and missing > 0 then return nil end
  return head .. ("\0"):rep(missing) .. tail
end

local function bytes_of(text)
  return bytes_of_v4(text) or bytes_of_v6(text:match "^%[(.*)%]$" or text)
end

--- Whether the first `bits` of both are the same.
local function is_in_network(bytes, network, bits)
  if #bytes ~= #network or bits > #bytes * 8 then return false end
  local whole <const>, rest <const> = bits // 8, bits % 8
  if bytes:sub(1, whole) ~= network:sub(1, whole) then return false end
  return rest == 0 or (bytes:byte(whole + 1) ~ network:byte(whole + 1)) >> (8 - rest) == 0
end

local function is_loopback(host)
  local bytes <const> = bytes_of(host)
  if not bytes then return host == "localhost" or host:find "%.localhost$" ~= nil end
  return #bytes == 4 and bytes:byte() == 127 or bytes == ("\0"):rep(15) .. "\1"
end

local function names_address(word, bytes)
  local text <const>, bits <const> = word:match "^([^/]+)/?(%d*)$"
  local network <const> = text and bytes_of(text)
  return network and is_in_network(bytes, network, tonumber(bits) or #network * 8)
end

local function names_host(word, host)
  local name <const> = word:lower():gsub("^%.", ""):gsub("%.$", "")
  return name == host or #name > 0 and host:sub(-#name - 1) == "." .. name
end

--- Whether a list such as "example.org, .local 10.0.0.0/8" has the host.
---@param list string
---@param host string
---@return boolean
function M.is_excepted(list, host)
  if list == "*" then return true end
  local bytes <const> = bytes_of(host)
  for word in list:gmatch "[^%s,]+" do
    if bytes and names_address(word, bytes) or not bytes and names_host(word, host) then return true end
  end
  return false
end

local function first_of(environment, ...)
  for _, name in ipairs { ... } do
    local value <const> = environment(name)
    if value and value ~= "" then return value end
  end
end

--- The proxy's URL for a place; nil: none.
---@param place perigee.http.Place
---@param environment (fun(name: string): string?)? default os.getenv
---@return string?
function M.of(place, environment)
  local get <const>, host <const> = environment or os.getenv, place.host:lower():gsub("%.$", "")
  local proxy <const> = first_of(get, place.scheme .. "_proxy", place.scheme == "https" and "HTTPS_PROXY" or "",
    "all_proxy", "ALL_PROXY")
  if not proxy or is_loopback(host) then return nil end
  return not M.is_excepted(first_of(get, "no_proxy", "NO_PROXY") or "", host) and proxy or nil
end

local known <const> = { http = true, https = true, socks4 = true, socks4a = true, socks5 = true, socks5h = true }

--- Where a proxy is: what its URL says to libcurl.
---@param url string
---@return { url: string, port: integer, resolves_here: boolean, is_known: boolean } place its URL as one of http
function M.parts(url)
  local scheme <const>, rest <const> = url:match "^(%a[%w+.-]*)://(.*)$"
  local authority <const> = (rest or url):match "^[^/?#]*"
  local port <const> = authority:match ":(%d+)$" or scheme == "https" and 443 or DEFAULT_PORT
  return { url = "http://" .. authority, port = tonumber(port),
    resolves_here = scheme == "socks4" or scheme == "socks5", is_known = not scheme or known[scheme:lower()] or false }
end

return M
