local redis <const> = require "perigee.redis"
local settings <const> = require "perigee.redis.settings"

local function refuses(message, url, options)
  local ok <const>, failure <const> = pcall(redis.connect, url, options)
  assert.is_false(ok)
  assert.matches(message, failure)
end

describe("the URL of a Redis", function()
  it("has a host, a port and a database, or their defaults", function()
    local given <const> = settings.read "redis://db.example:6380/2"
    assert.same({ "tcp://db.example:6380", 2 }, { given.address, given.database })
    assert.same({ "tcp://localhost:6379", 0 }, (function()
      local read <const> = settings.read "redis://"
      return { read.address, read.database }
    end)())
    assert.equal("tcp://[::1]:6379", settings.read "redis://[::1]".address)
    assert.equal("tcp://[::1]:7000", settings.read "redis://[::1]:7000/".address)
    assert.equal("tls://db.example:6379", settings.read "rediss://db.example".address)
  end)

  it("has user and password, whatever bytes are in them", function()
    local given <const> = settings.read "redis://al%20ice:p%40ss:w%2Ford@host"
    assert.same({ "al ice", "p@ss:w/ord", "tcp://host:6379" }, { given.user, given.password, given.address })
    local only <const> = settings.read "redis://:secret@host"
    assert.same({ nil, "secret" }, { only.user, only.password })
    local nobody <const> = settings.read "redis://alice@host"
    assert.same({ "alice", "" }, { nobody.user, nobody.password })
  end)

  it("has the path of a Unix socket", function()
    local given <const> = settings.read "redis+unix://user:pw@/run/redis.sock?db=3&name=shop&timeout=2.5&protocol=2"
    assert.same({ "unix:/run/redis.sock", 3, "shop", 2.5, 2, "user", "pw" }, { given.address, given.database,
      given.name, given.timeout, given.protocol, given.user, given.password })
  end)

  it("yields to the options", function()
    local given <const> = settings.read("redis://a:b@host/1?timeout=3", { password = "c", database = 4, timeout = 5 })
    assert.same({ "a", "c", 4, 5 }, { given.user, given.password, given.database, given.timeout })
  end)

  it("is shown without its password", function()
    local client <close> = redis.connect("redis://alice:secret@host:1/2?password=other&name=x")
    assert.equal("redis client: redis://host:1 (not connected)", tostring(client))
    refuses("'color=red' has no meaning in redis://host%?color=red$", "redis://u:secret@host?color=red")
  end)

  it("is refused when it means nothing, with the reason", function()
    refuses("must begin with redis://, rediss:// or redis%+unix://, not 'http://host'", "http://host")
    refuses("bad argument 'url' %(a URL expected%)", nil)
    refuses("there is no port in redis://host:99999", "redis://host:99999")
    refuses("there is no port in redis://host:x", "redis://host:x")
    refuses("option 'database' must be an integer of 0 or more, not x", "redis://host/x")
    refuses("option 'timeout' must be a number of 0.001 or more, not 0", "redis://host?timeout=0")
    refuses("there is no path in redis%+unix://", "redis+unix://")
  end)

  it("has options that are checked", function()
    refuses("there is no option 'pasword'", "redis://host", { pasword = "x" })
    refuses("option 'protocol' must be 2 or 3, not 4", "redis://host", { protocol = 4 })
    refuses("option 'name' must be printable ASCII without spaces, not 'a b'", "redis://host", { name = "a b" })
    refuses("option 'backoff' must be { first, longest } seconds", "redis://host", { backoff = 1 })
    refuses("option 'password' must be a string, not a number", "redis://host", { password = 1 })
    refuses("bad argument 'options' %(a table expected%)", "redis://host", 1)
  end)
end)
