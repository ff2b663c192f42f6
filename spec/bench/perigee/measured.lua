-- What the codecs written for Lua are measured by, ours and cjson alike: how many documents a second of CPU time takes.
local M = {}

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

-- So many calls in a row that reading the clock costs nothing.
local function batch_of(f, argument)
  local count = 1
  while true do
    local start = os.clock()
    for _ = 1, count do f(argument) end
    if os.clock() - start > 0.002 then return count end
    count = count * 2
  end
end

--- `work`: "json|msgpack decode|encode PATH MILLISECONDS"; PATH is a document in JSON.
---@param work string
---@param codecs table<string, { decode: function, encode: function }>
function M.run(work, codecs)
  local name, direction, path, milliseconds = work:match "^(%S+) (%S+) (%S+) (%S+)$"
  local codec = codecs[name]
  local value = assert(codecs.json.decode(read(path)))
  local text = codec.encode(value)
  assert(#codec.encode(codec.decode(text)) == #text, "the codec does not give back what it got")
  local f, argument = codec[direction], direction == "decode" and text or value
  local batch, count = batch_of(f, argument), 0
  local start = os.clock()
  local now = start
  while now < start + milliseconds / 1000 do
    for _ = 1, batch do f(argument) end
    count, now = count + batch, os.clock()
  end
  print(("messages=%d seconds=%.6f bytes=%d"):format(count, now - start, #text))
end

return M
