--- The commands of RESP that publish and subscribe: SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE PUBLISH PUBSUB,
--- over the topics of perigee.topics.

local answers <const> = require "perigee.resp.answers"
local codec <const> = require "perigee.codec.resp"
local json <const> = require "perigee.codec.json"

local M <const> = {}

local TOO_MANY <const> = codec.error "ERR too many subscriptions"

--- How a message goes to clients of a version. The beginning of arrays differs: a push of version 3 is one of its own.
local function form_of(array)
  return function(topic, text, glob)
    local ending <const> = "\r\n$" .. #topic .. "\r\n" .. topic .. "\r\n$" .. #text .. "\r\n" .. text .. "\r\n"
    if not glob then return array .. "3\r\n$7\r\nmessage" .. ending end
    return array .. "4\r\n$8\r\npmessage\r\n$" .. #glob .. "\r\n" .. glob .. ending
  end
end

local forms <const> = { [2] = form_of "*", [3] = form_of ">" }

-- A client's subscriptions: client.channels and client.globs are sets of names, among client.topics.

---@class perigee.resp.Subscribing
---@field field string of the client
---@field join string method of the topics
---@field leave string
---@field words { [1]: string, [2]: string } in the answers
local CHANNELS <const> = { field = "channels", join = "subscribe", leave = "unsubscribe",
  words = { "subscribe", "unsubscribe" } }
local GLOBS <const> = { field = "globs", join = "match", leave = "unmatch", words = { "psubscribe", "punsubscribe" } }

local function say(client, word, name)
  client:write(codec.push { word, name or json.null, client.subscriptions })
end

local function leave(client, how, name)
  local names <const> = client[how.field]
  if not names or not names[name] then return end
  names[name] = nil
  client:count_subscriptions(-1)
  client.topics[how.leave](client.topics, name, forms[client.version], client.conn)
end

local function leave_all(client)
  for _, how in ipairs { CHANNELS, GLOBS } do
    for name in pairs(client[how.field] or {}) do leave(client, how, name) end
  end
end

--- The version has changed: the client takes its messages in the other form.
local function change_form(client)
  local version <const>, topics <const> = client.version, client.topics
  for _, how in ipairs { CHANNELS, GLOBS } do
    for name in pairs(client[how.field] or {}) do
      topics[how.leave](topics, name, forms[5 - version], client.conn)
      topics[how.join](topics, name, forms[version], client.conn)
    end
  end
end

--- The error for what the topics refuse.
local function refusal(message)
  return codec.error("ERR " .. message)
end

local function join(client, how, name, limit)
  local names <const>, topics <const> = client[how.field], client.topics
  if names[name] then return true end
  if client.subscriptions >= limit then return nil, TOO_MANY end
  local joined <const>, message <const> = topics[how.join](topics, name, forms[client.version], client.conn)
  if not joined then return nil, refusal(message) end
  names[name] = true
  client:count_subscriptions(1)
  return true
end

local function subscribe_with(topics, how, limit)
  return function(client, ...)
    client[how.field] = client[how.field] or {}
    client.topics, client.respeak = topics, change_form
    client:on_end(leave_all)
    for _, name in ipairs { ... } do
      local joined <const>, problem <const> = join(client, how, name, limit)
      if not joined then return problem end
      say(client, how.words[1], name)
    end
    return answers.none
  end
end

local function names_of(client, how)
  local list <const> = {}
  for name in pairs(client[how.field] or {}) do list[#list + 1] = name end
  return list
end

local function unsubscribe_of(how)
  return function(client, ...)
    local names <const> = ... and { ... } or names_of(client, how)
    if #names == 0 then say(client, how.words[2]) end
    for _, name in ipairs(names) do
      leave(client, how, name)
      say(client, how.words[2], name)
    end
    return answers.none
  end
end

-- PUBSUB.

local function channels_of(topics)
  return function(_, glob, more)
    if more then
      return codec.error "ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP."
    end
    local names <const>, message <const> = topics:names(glob)
    return names and json.array(names) or refusal(message)
  end
end

local function subscribers_of(topics)
  return function(_, ...)
    local list <const> = json.array {}
    for i, name in ipairs { ... } do list[2 * i - 1], list[2 * i] = name, topics:subscribers(name) end
    return list
  end
end

local function publishing(topics)
  return function(_, topic, text)
    local count <const>, message <const> = topics:publish(topic, text)
    return count or refusal(message)
  end
end

local function parts_of(topics)
  return {
    CHANNELS = { -2, channels_of(topics), summary = "Lists the topics that have subscribers." },
    NUMSUB = { -2, subscribers_of(topics), summary = "Counts the subscribers of topics." },
    NUMPAT = { 2, function() return topics:glob_count() end, summary = "Counts the globs that have subscribers." },
  }
end

--- The commands. Options: limit (subscriptions of one client, default 10,000).
---@param topics perigee.Topics
---@param options { limit: integer? }?
---@return table<string, perigee.resp.Command>
function M.commands(topics, options)
  local limit <const> = options and options.limit or 10000
  return {
    SUBSCRIBE = { -2, subscribe_with(topics, CHANNELS, limit), group = "pubsub", subscribed = true, single = true,
      summary = "Subscribes to topics." },
    UNSUBSCRIBE = { -1, unsubscribe_of(CHANNELS), group = "pubsub", subscribed = true, single = true,
      summary = "Unsubscribes from topics, or all." },
    PSUBSCRIBE = { -2, subscribe_with(topics, GLOBS, limit), group = "pubsub", subscribed = true, single = true,
      summary = "Subscribes to the topics that match." },
    PUNSUBSCRIBE = { -1, unsubscribe_of(GLOBS), group = "pubsub", subscribed = true, single = true,
      summary = "Unsubscribes from globs, or all." },
    PUBLISH = { 3, publishing(topics), group = "pubsub", summary = "Sends a text to the subscribers of a topic." },
    PUBSUB = { -2, subcommands = parts_of(topics), group = "pubsub", summary = "What is about topics." },
  }
end

return M
