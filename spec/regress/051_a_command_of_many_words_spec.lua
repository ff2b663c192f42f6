local helper <const> = require "spec.helper"
local pubsub <const> = require "spec.fixtures.pubsub"

local MANY <const> = 100000

local function repeated(text, count)
  local words <const> = {}
  for i = 1, count do words[i] = text end
  return words
end

-- Taking the words one by one from `...` passes all of them each time: 140,000 words of 1 byte, which fit into a
-- command of 1 MiB, took more than the 5 seconds after which a task is stopped, and nobody was served meanwhile.
describe("a command of many words", function()
  helper.leaves_nothing(before_each, after_each)

  it("is carried out as a whole", function()
    local server <close> = pubsub.start()
    local client <close> = pubsub.client(server)
    local words <const> = repeated("k", MANY)
    assert.equal(MANY, client:call("RPUSH", "k", table.unpack(words)))
    assert.equal(MANY, client:call("EXISTS", table.unpack(words)))
    assert.equal(1, client:call("DEL", table.unpack(words)))
    assert.equal(0, client:call("DEL", table.unpack(words)))
    client:send("SUBSCRIBE", table.unpack(words))
    for _ = 1, MANY do assert.same({ "subscribe", "k", 1 }, (client:next())) end
  end)

  it("takes its share of what is read while another one waits", function()
    local server <close> = pubsub.start()
    local client <close> = pubsub.client(server)
    client:send("BLPOP", "jobs", "0")
    local command <const> = "*100001\r\n$3\r\nDEL\r\n" .. ("$0\r\n\r\n"):rep(100000)
    client.conn.timeout = 1
    local count = 0
    while count < 100 and client.conn:write(command) and client.conn:flush() do count = count + 1 end
    assert.is_true(count < 100) -- the others wait in the kernel
  end)
end)
