--- A script for the server, in Redis's Lua: sent once, then called by its digest.
---   local take <const> = redis.script [[ return redis.call("GET", KEYS[1]) ]]
---   local reply, message, code = take(client, { key }, { argument })

local digest <const> = require "core.digest"

local function words_of(first, keys, arguments)
  local words <const> = { first, #keys, table.unpack(keys) }
  return table.move(arguments, 1, #arguments, #words + 1, words)
end

---@param text string
---@return fun(client: perigee.redis.Client, keys: string[]?, arguments: (string|number)[]?): any, string?, string?
return function(text)
  if type(text) ~= "string" then error("bad argument 'text' (a string expected)", 2) end
  local name <const> = digest.digest(text, "sha1"):gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
  return function(client, keys, arguments)
    keys, arguments = keys or {}, arguments or {}
    local reply <const>, message <const>, code <const> =
      client:call("EVALSHA", table.unpack(words_of(name, keys, arguments)))
    if not message or not message:find("NOSCRIPT", 1, true) then return reply, message, code end
    return client:call("EVAL", table.unpack(words_of(text, keys, arguments)))
  end
end
