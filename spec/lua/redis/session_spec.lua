local certificates <const> = require "spec.fixtures.certificates"
local fixture <const> = require "spec.fixtures.redis"
local helper <const> = require "spec.helper"
local redis <const> = require "perigee.redis"
local task <const> = require "perigee.task"

local server

setup(function()
  server = fixture.start { tls = true, port = true, requirepass = "open-sesame",
    user = { "alice on >pw ~mine:* &mine:* +@all -flushall", "bob off >pw ~* +@all", "carol on nopass ~* +get" } }
end)
teardown(function() server:__close() end)

--- How many clients have tried to log in and failed.
local function rejected()
  local client <close> = redis.connect(server.url, { password = "open-sesame" })
  return tonumber(client:info("stats"):match "acl_access_denied_auth:(%d+)")
    or tonumber(client:info("errorstats"):match "errorstat_WRONGPASS:count=(%d+)") or 0
end

for _, protocol in ipairs { 2, 3 } do
  describe("a session with a Redis, in RESP" .. protocol .. ",", function()
    helper.leaves_nothing(before_each, after_each)

    local function connect(options, url)
      options.protocol = protocol
      return redis.connect(url or server.url, options)
    end

    it("begins with the password, or with user and password", function()
      local any <close> = connect { password = "open-sesame" }
      assert.equal("default", any:acl "WHOAMI")
      local alice <close> = connect { user = "alice", password = "pw" }
      assert.equal("alice", alice:acl "WHOAMI")
      local by_url <close> = connect({}, (server.port_url:gsub("//", "//alice:pw@")))
      assert.equal("alice", by_url:acl "WHOAMI")
    end)

    it("is denied at once with a wrong password, and is not tried over and over", function()
      local before <const> = rejected()
      local client <close> = connect { password = "wrong", timeout = 20 }
      local began <const> = task.now()
      for _ = 1, 50 do
        local reply <const>, message <const>, code <const> = client:get "a"
        assert.is_nil(reply)
        assert.matches("^GET: greet redis%+unix://%S+: %u+: WRONGPASS ", message)
        assert.equal("denied", code)
      end
      assert.is_true(task.now() - began < 10)
      assert.is_true(rejected() - before <= 10)
      assert.equal("denied", select(3, client:subscribe "a"))
      assert.equal("denied", select(3, client:blpop("a", 1)))
    end)

    it("is denied without a password", function()
      local client <close> = connect {}
      local _ <const>, message <const>, code <const> = client:get "a"
      assert.matches("NOAUTH", message)
      assert.equal("denied", code)
      local off <close> = connect { user = "bob", password = "pw" }
      assert.equal("denied", select(3, off:get "a"))
    end)

    it("says which command a user may not run", function()
      local client <close> = connect { user = "alice", password = "pw" }
      assert.equal("OK", client:set("mine:a", 1))
      local _ <const>, message <const>, code <const> = client:set("yours:a", 1)
      assert.matches("^SET on %S+: NOPERM ", message)
      assert.equal("denied", code)
      assert.equal("denied", select(3, client:flushall()))
    end)

    it("may be one that allows no PING", function()
      local client <close> = connect { user = "carol", password = "any" }
      assert.same({ n = 1 }, table.pack(client:get "a"))
    end)

    it("has its name and its database", function()
      local client <close> = connect { password = "open-sesame", name = "shop", database = 3 }
      assert.equal("shop", client:client "GETNAME")
      assert.matches(" db=3 ", client:client "INFO")
      assert.matches(" resp=" .. protocol, client:client "INFO")
      local _ <const>, message <const>, code <const> = (function()
        local beyond <close> = connect { password = "open-sesame", database = 99 }
        return beyond:ping()
      end)()
      assert.matches("^PING: greet %S+: SELECT 99: ERR DB index is out of range$", message)
      assert.equal("failed", code)
    end)

    it("is encrypted, and the server's certificate is verified", function()
      local client <close> = connect({ password = "open-sesame", tls = certificates.trusting() }, server.tls_url)
      assert.equal("PONG", client:ping())
      local function failure_with(tls)
        local refused <close> = connect({ password = "open-sesame", tls = tls, timeout = 5 }, server.tls_url)
        return select(2, refused:ping())
      end
      assert.matches("^PING: TLS with tls:.*the certificate of .* is not valid", failure_with(nil))
      local named <close> = connect({ password = "open-sesame", tls = certificates.trusting(),
        server_name = "elsewhere.example" }, server.tls_url)
      local _ <const>, _ <const>, code <const> = named:ping()
      assert.equal("tls", code)
      local plain <close> = connect({ password = "open-sesame", timeout = 0.2, tls = certificates.trusting() },
        (server.port_url:gsub("redis:", "rediss:")))
      assert.equal("string", type(select(2, plain:ping())))
    end)
  end)
end

describe("a session with a server", function()
  helper.leaves_nothing(before_each, after_each)

  it("falls back to RESP2 where HELLO is not known", function()
    local said <const> = {}
    local fake <close>, url <const> = fixture.fake(function(conn, reader)
      for name, first in reader:messages() do
        said[#said + 1] = first and name .. " " .. first or name
        conn:write(name == "HELLO" and "-ERR unknown command 'HELLO'\r\n" or name == "PING" and "+PONG\r\n"
          or name == "GET" and "$1\r\nx\r\n" or "+OK\r\n")
      end
    end, false)
    local client <close> = redis.connect(url, { user = "u", password = "p", name = "n", database = 2 })
    assert.equal("x", client:get "a")
    assert.same({ "HELLO 3", "AUTH u", "CLIENT SETNAME", "SELECT 2", "PING", "GET a" }, said)
    client:close()
    fake:close()
  end)

  it("that loads its data waits until it takes commands", function()
    local attempts = 0
    local fake <close>, url <const> = fixture.fake(function(conn, reader)
      attempts = attempts + 1
      for name in reader:messages() do
        local is_ready <const> = attempts > 2
        conn:write(name == "HELLO" and "-NOPROTO no\r\n" or is_ready and "+PONG\r\n"
          or "-LOADING Redis is loading the dataset in memory\r\n")
      end
    end, false)
    local client <close> = redis.connect(url, { backoff = { 0.001, 0.01 } })
    assert.equal("PONG", client:ping())
    assert.equal(3, attempts)
    client:close()
    fake:close()
  end)

  it("that has no place for more clients is tried again, until the time is over", function()
    local fake <close>, url <const> = fixture.fake(function(conn)
      conn:write "-ERR max number of clients reached\r\n"
    end, false)
    local client <close> = redis.connect(url, { backoff = { 0.001, 0.01 }, timeout = 0.1 })
    local _ <const>, message <const>, code <const> = client:ping()
    assert.matches("^PING: greet %S+: HELLO: ERR max number of clients reached$", message)
    assert.equal("limit", code)
    client:close()
    fake:close()
  end)

  it("that is not there is waited for, then the reason is told", function()
    local fake <close>, url <const> = fixture.fake(function() end)
    fake:close()
    local client <close> = redis.connect(url, { backoff = { 0.001, 0.01 }, timeout = 0.1 })
    local _ <const>, message <const>, code <const> = client:ping()
    assert.matches("^PING: connect to tcp://127.0.0.1:%d+: Connection refused$", message)
    assert.equal("refused", code)
  end)

  it("that says nothing is given up", function()
    local fake <close>, url <const> = fixture.fake(function(conn) conn:read_all() end, false)
    local client <close> = redis.connect(url, { timeout = 0.1 })
    local _ <const>, message <const>, code <const> = client:ping()
    assert.matches("^PING: connect to redis://127.0.0.1:%d+: no", message)
    assert.equal("timeout", code)
    client:close()
    fake:close()
  end)
end)
