--- What messages become for subscribers by HTTP: for WebSockets, and for events.

--- What a message becomes for a subscriber: the bytes, and what Fanout:write takes besides. A function of a library
--- module, not of a script, where topics are to outlive the script's code.
---@alias perigee.topics.Form fun(topic: string, text: string, glob: string?): string, any

local M <const> = {}

--- For WebSockets. What is no UTF-8 is sent as a binary message.
---@type perigee.topics.Form
function M.message(_, text)
  return text, utf8.len(text) and "text" or "binary"
end

local function repaired(text)
  local parts <const>, from = {}, 1
  local _, bad = utf8.len(text)
  while bad do
    parts[#parts + 1] = text:sub(from, bad - 1) .. "\u{FFFD}"
    from = bad + 1
    _, bad = utf8.len(text, from)
  end
  return table.concat(parts) .. text:sub(from)
end

--- For events. Each byte that is no UTF-8 becomes U+FFFD.
---@type perigee.topics.Form
function M.event(_, text)
  return utf8.len(text) and text or repaired(text)
end

return M
