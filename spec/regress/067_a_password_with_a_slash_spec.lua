--- The password of a URL was in the message that refused it, when it had a slash that should have been escaped.

local helper <const> = require "spec.helper"
local redis <const> = require "perigee.redis"

describe("a refused URL of a Redis", function()
  helper.leaves_nothing(before_each, after_each)

  for _, url in ipairs { "redis://:se/cret@host", "redis://ann:se?cret@host:1", "redis://:se/cret@host/0?password=cret",
    "radis://:secret@host" } do
    it("is told without the password: " .. url, function()
      local ok <const>, message <const> = pcall(redis.connect, url)
      assert.is_false(ok)
      assert.is_nil(message:find("cret", 1, true), message)
    end)
  end

  it("takes a slash that is escaped", function()
    local client <close> = redis.connect "redis://:se%2Fcret@host"
    assert.equal("redis://host:6379", client.url)
  end)
end)
