--- Redirects that the HTTP client follows (RFC 9110 15.4).

local places <const> = require "perigee.http.client_places"

local M <const> = {}

local followed <const> = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- What is for the first server alone: who the caller is, and which of its names is meant.
local private <const> = { authorization = true, cookie = true, ["proxy-authorization"] = true, host = true }

local function without(lines, is_left_out)
  local kept <const> = {}
  for _, line in ipairs(lines) do
    if not is_left_out(line:match "^[^:;]+":lower()) then kept[#kept + 1] = line end
  end
  return kept
end

--- Goes on as a GET, as all browsers do.
local function drop_body(given)
  given.method, given.body = given.method == "HEAD" and "HEAD" or "GET", nil
  given.headers = without(given.headers, function(name) return name:find "^content%-" end)
end

local function drop_private(given)
  given.headers = without(given.headers, function(name) return private[name] end)
  given.certificate, given.key, given.password = nil, nil, nil
end

local function is_same_server(a, b)
  return a.scheme == b.scheme and a.host == b.host and a.port == b.port
end

local function adapt(given, status, from, to)
  if status == 303 or (status == 301 or status == 302) and given.method == "POST" then drop_body(given) end
  if not is_same_server(from, to) then drop_private(given) end
end

local function failure(given, from, message, code)
  return nil, ("%s %s: %s"):format(given.method, from.url, message), code
end

--- Follows up to `most` redirects.
---@param response perigee.http.ClientResponse the first answer
---@param given table what core.http_client.request takes; it is changed
---@param from perigee.http.Place where that came from
---@param most integer
---@param go fun(to: perigee.http.Place): perigee.http.ClientResponse?, string?, string?
---@return perigee.http.ClientResponse?
---@return string? message
---@return string? code
function M.follow(response, given, from, most, go)
  local count = 0
  while followed[response.status] and response.location do
    count = count + 1
    if count > most then return failure(given, from, ("more than %d redirects"):format(most), "limit") end
    local to <const>, why <const>, short <const> = places.parse(response.location)
    if not to then return failure(given, from, "it redirects to " .. why, short) end
    adapt(given, response.status, from, to)
    given.url, from = response.location, to
    local answer <const>, message <const>, code <const> = go(to)
    if not answer then return nil, message, code end
    response = answer
  end
  return response
end

return M
