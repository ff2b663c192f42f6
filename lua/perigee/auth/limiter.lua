--- How often a peer may fail to authenticate itself. Failures are counted by where a peer comes from, for some time;
--- the memory that this takes has a bound.

local task <const> = require "core.task"

local FAILURES <const>, SECONDS <const>, PEERS <const> = 10, 60, 10000

local M <const> = {}

---@class perigee.auth.Limiter
---@field failures integer that a peer may have had
---@field seconds number for which they count, at least
---@field peers integer that are remembered in each of two tables, at most
---@field counts table<string, integer> since `began`
---@field counts_before table<string, integer> of the time before that
---@field known integer peers in counts
---@field began number
local Limiter <const> = { __name = "perigee.auth.Limiter" }
Limiter.__index = Limiter

--- The first 64 bits of an IPv6 address: who has one address there has all.
local function network_of(host)
  local first <const>, last <const> = host:match "^(.-)::(.*)$"
  local groups <const> = {}
  for group in (first or host):gmatch "[^:]+" do groups[#groups + 1] = group end
  if first then
    local _ <const>, behind <const> = last:gsub("[^:]+", "")
    for _ = 1, 8 - #groups - behind do groups[#groups + 1] = "0" end
    for group in last:gmatch "[^:]+" do groups[#groups + 1] = group end
  end
  return table.concat(groups, ":", 1, math.min(4, #groups))
end

--- Who a connection is with: the address, without its port; of a Unix socket, the user.
---@param conn perigee.Connection
---@return string
function M.peer_of(conn)
  local peer <const> = conn.peer
  if not peer or peer.scheme == "unix" then
    local credentials <const> = conn.peer_credentials
    return credentials and "user " .. credentials.uid or "unix"
  end
  local host <const> = peer.host:gsub("%%.*$", "")
  local mapped <const> = host:lower():match "^::ffff:(%d+%.%d+%.%d+%.%d+)$"
  return mapped or host:find(":", 1, true) and network_of(host) or host
end

--- Peers at different addresses of ours do not count together: these are different services.
local function key_of(conn)
  return M.peer_of(conn) .. " at " .. tostring(conn.address)
end

--- What was counted stays for one to two times `seconds`, or until there are too many peers.
local function turn(self)
  local now <const> = task.now()
  local age <const> = now - self.began
  if age < self.seconds and self.known < self.peers then return end
  self.counts_before = age < 2 * self.seconds and self.counts or {}
  self.counts, self.known, self.began = {}, 0, now
end

--- May the peer try?
---@param conn perigee.Connection
---@return boolean
function Limiter:allows(conn)
  turn(self)
  local key <const> = key_of(conn)
  return (self.counts[key] or 0) + (self.counts_before[key] or 0) < self.failures
end

--- It has failed.
---@param conn perigee.Connection
function Limiter:note_failure(conn)
  turn(self)
  local key <const> = key_of(conn)
  if not self.counts[key] then self.known = self.known + 1 end
  self.counts[key] = (self.counts[key] or 0) + 1
end

local function check(options, name, otherwise)
  local value <const> = options[name]
  if value == nil then return otherwise end
  if type(value) == "number" and value > 0 then return value end
  error(("option '%s' must be a number above 0, not %s"):format(name, tostring(value)), 3)
end

--- Options: failures (of a peer, after which it is turned away, default 10), seconds (for which each counts, at least;
--- default 60), peers (that are remembered, default 10,000: of more, the oldest are forgotten).
---@param options { failures: integer?, seconds: number?, peers: integer? }?
---@return perigee.auth.Limiter
function M.new(options)
  options = options == nil and {} or options
  if type(options) ~= "table" then error("bad argument 'options' (a table expected)", 2) end
  return setmetatable({
    failures = check(options, "failures", FAILURES), seconds = check(options, "seconds", SECONDS),
    peers = check(options, "peers", PEERS), counts = {}, counts_before = {}, known = 0, began = task.now(),
  }, Limiter)
end

return M
