--- Who wants which messages: by topic in one step, and by globs, of which each is looked at once for each topic.

local globs <const> = require "perigee.bus.glob"

local CACHED <const> = 100000 -- globs and sinks, in all that is remembered for topics

--- Somebody who wants messages: compared by identity, so anything.
---@alias perigee.bus.Sink table

--- Sinks in no order. Removing puts the last one in the place of the removed: whoever goes through a list while sinks
--- may leave it goes from its end to its start.
---@class perigee.bus.Sinks
---@field index table<perigee.bus.Sink, integer>

---@class perigee.bus.Routes
---@field topics table<string, perigee.bus.Sinks>
---@field globs table<string, { matches: fun(topic: string): boolean, sinks: perigee.bus.Sinks }>
---@field package matches table<string, table[]> by topic, the globs that match
---@field package merged table<string, perigee.bus.Sink[]> by topic that globs match, everybody who wants it
---@field package cached integer what is in both
local Routes <const> = {}
Routes.__index = Routes

local NONE <const> = { index = {} }

local function new_sinks()
  return { index = {} }
end

local function add(sinks, sink)
  if sinks.index[sink] then return end
  sinks[#sinks + 1] = sink
  sinks.index[sink] = #sinks
end

local function remove(sinks, sink)
  local at <const>, last <const> = sinks.index[sink], sinks[#sinks]
  if not at then return end
  sinks[at], sinks.index[last] = last, at
  sinks[#sinks], sinks.index[sink] = nil, nil
end

local function forget(self, globs_too)
  self.merged = {}
  if globs_too then self.matches, self.cached = {}, 0 end
end

--- A sink wants a topic.
---@param topic string
---@param sink perigee.bus.Sink
---@return boolean first nobody has wanted it before
function Routes:add_topic(topic, sink)
  local sinks <const> = self.topics[topic]
  self.merged[topic] = nil
  self.topics[topic] = sinks or new_sinks()
  add(self.topics[topic], sink)
  return sinks == nil
end

---@param topic string
---@param sink perigee.bus.Sink
---@return boolean last nobody wants it any more
function Routes:remove_topic(topic, sink)
  local sinks <const> = self.topics[topic]
  if not sinks then return false end
  self.merged[topic] = nil
  remove(sinks, sink)
  if #sinks > 0 then return false end
  self.topics[topic] = nil
  return true
end

--- A sink wants what matches a glob.
---@param glob string
---@param sink perigee.bus.Sink
---@return boolean first
function Routes:add_glob(glob, sink)
  local entry <const> = self.globs[glob]
  self.globs[glob] = entry or { matches = globs.compile(glob), sinks = new_sinks(), is_internal = glob:find "^\0" }
  add(self.globs[glob].sinks, sink)
  forget(self, not entry)
  return entry == nil
end

---@param glob string
---@param sink perigee.bus.Sink
---@return boolean last
function Routes:remove_glob(glob, sink)
  local entry <const> = self.globs[glob]
  if not entry then return false end
  remove(entry.sinks, sink)
  local last <const> = #entry.sinks == 0
  if last then self.globs[glob] = nil end
  forget(self, last)
  return last
end

--- Topics that begin with a zero byte are the library's own: a glob that does not begin so matches none of them.
local function matching(self, topic)
  if self.matches[topic] then return self.matches[topic] end
  local found <const>, is_internal <const> = {}, topic:find "^\0"
  for _, entry in pairs(self.globs) do
    if entry.is_internal == is_internal and entry.matches(topic) then found[#found + 1] = entry end
  end
  self.matches[topic] = found
  self.cached = self.cached + 1 + #found
  return found
end

local function merge(self, topic, found)
  local all <const> = new_sinks()
  for _, sink in ipairs(self.topics[topic] or NONE) do add(all, sink) end
  for _, entry in ipairs(found) do
    for _, sink in ipairs(entry.sinks) do add(all, sink) end
  end
  all.index = nil
  self.merged[topic] = all
  self.cached = self.cached + #all
  return all
end

--- Everybody who wants a topic, each once. To be gone through from the end to the start, and not to be changed.
---@param topic string
---@return perigee.bus.Sink[]
function Routes:find(topic)
  local merged <const> = self.merged[topic]
  if merged then return merged end
  if next(self.globs) == nil then return self.topics[topic] or NONE end
  if self.cached > CACHED then forget(self, true) end
  local found <const> = matching(self, topic)
  if #found == 0 then return self.topics[topic] or NONE end
  return merge(self, topic, found)
end

--- Every topic and every glob that somebody wants.
---@return string[] topics
---@return string[] globs
function Routes:names()
  local topics <const>, wanted <const> = {}, {}
  for topic in pairs(self.topics) do topics[#topics + 1] = topic end
  for glob in pairs(self.globs) do wanted[#wanted + 1] = glob end
  return topics, wanted
end

local M <const> = {}

---@return perigee.bus.Routes
function M.new()
  return setmetatable({ topics = {}, globs = {}, matches = {}, merged = {}, cached = 0 }, Routes)
end

return M
