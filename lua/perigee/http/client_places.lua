--- Where a request of the HTTP client goes: the parts of its URL, the proxy on the way, and the addresses that the
--- names stand for, which are kept for a minute.

local core <const> = require "core.http_client"
local address <const> = require "core.address"
local task <const> = require "core.task"
local proxies <const> = require "perigee.http.client_proxy"
local public_url <const> = require "perigee.http.public_url"

local M <const> = {}

local KEPT_SECONDS <const> = 60
local KEPT_MOST <const> = 1000

---@class perigee.http.Place
---@field scheme string
---@field host string
---@field port integer
---@field url string without user and password

local kept, count = {}, 0

local function key_of(place)
  return place.host:lower() .. ":" .. place.port
end

local QUOTED <const> = "URL '" -- how a message of core.parse begins

--- The parts of a URL.
---@param url string
---@return perigee.http.Place?
---@return string? message
---@return string? code "protocol"
function M.parse(url)
  local scheme <const>, host <const>, port <const>, shown <const> = core.parse(url)
  if not scheme then return nil, QUOTED .. public_url.hide(host:sub(#QUOTED + 1)), "protocol" end
  return { scheme = scheme, host = host, port = port, url = shown }
end

--- Whether libcurl knows without asking.
local function is_known(host)
  return host:find "^%[" or host:find "^[%d.]+$" or host == "localhost" or host:find "%.localhost$"
end

--- A host that libcurl takes for one may be none here; redirects name any.
local function look_up(place, left)
  local url <const> = ("tcp://%s:%d"):format(place.host, place.port)
  local ok <const>, why <const>, wrong <const> = address.parse(url)
  if not ok then return nil, why, wrong end
  local found <const>, message <const>, code <const> = address.lookup(url, left())
  if not found then return nil, message:gsub("^look up tcp://", "look up "), code end
  local hosts <const> = {}
  for i, each in ipairs(found) do hosts[i] = each.host end
  return ("%s:%s"):format(key_of(place), table.concat(hosts, ","))
end

local function keep(key, resolve)
  if count >= KEPT_MOST then kept, count = {}, 0 end
  if not kept[key] then count = count + 1 end
  kept[key] = { resolve = resolve, ends = task.now() + KEPT_SECONDS }
end

--- Adds the addresses of a place to a list for libcurl: true, or nil, message, code.
local function resolve(list, place, left)
  if is_known(place.host:lower()) then return true end
  local key <const> = key_of(place)
  local known <const> = kept[key]
  if known and known.ends > task.now() then
    list[#list + 1] = known.resolve
    return true
  end
  local found <const>, message <const>, code <const> = look_up(place, left)
  if not found then return nil, message, code end
  keep(key, found)
  list[#list + 1] = found
  return true
end

--- Looks the name up again the next time.
---@param place perigee.http.Place
function M.forget(place)
  local key <const> = key_of(place)
  if kept[key] then kept[key], count = nil, count - 1 end
end

local function fail_proxy(url, why)
  return nil, ("proxy '%s': %s"):format(public_url.hide(url), why), "protocol"
end

local function resolve_proxy(list, url, left)
  local parts <const> = proxies.parts(url)
  if not parts.is_known then return fail_proxy(url, "it must begin with http://, https:// or socks5://") end
  local place <const>, message <const> = M.parse(parts.url)
  if not place then return fail_proxy(url, message:match ".*': (.*)$") end
  place.port = parts.port
  return resolve(list, place, left)
end

--- The way to a place, by its proxy if it has one.
---@param place perigee.http.Place
---@param proxy string|false|nil what the caller says; nil: as the environment says
---@param left fun(): number seconds that a lookup may take
---@return { proxy: string?, resolve: string[] }?
---@return string? message
---@return string? code
function M.route(place, proxy, left)
  if proxy == nil then proxy = proxies.of(place) end
  local route <const> = { proxy = proxy or nil, resolve = {} }
  local ok, message, code = true, nil, nil
  if proxy then ok, message, code = resolve_proxy(route.resolve, proxy, left) end
  if ok and (not proxy or proxies.parts(proxy).resolves_here) then
    ok, message, code = resolve(route.resolve, place, left)
  end
  if not ok then return nil, message, code end
  return route
end

return M
