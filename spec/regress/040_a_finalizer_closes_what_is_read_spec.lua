local helper <const> = require "spec.helper"
local msgpack <const> = require "perigee.codec.msgpack"
local net <const> = require "perigee.net"

-- Decoding allocates, so finalizers run meanwhile: one that closed the connection freed the bytes that were decoded.
describe("a reader of messages", function()
  helper.leaves_nothing(before_each, after_each)

  it("decodes a message to its end while a finalizer ends the connection", function()
    local items <const> = {}
    for i = 1, 2000 do items[i] = { "text " .. i, { i } } end
    local message <const> = msgpack.encode(items)
    for _ = 1, 50 do
      local a <close>, b <const> = net.pair()
      b:write(message)
      local reader <const> = msgpack.reader(a)
      for _ = 1, 50 do setmetatable({}, { __gc = function() a:abort() end }) end
      local value <const>, _, code <const> = reader:next() -- a finalizer may have run before, too
      assert.truthy(value and #value == 2000 or code == "closed")
      b:abort()
    end
  end)
end)
