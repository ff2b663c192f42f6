local helper <const> = require "spec.helper"
local auth <const> = require "perigee.auth"
local digest <const> = require "core.digest"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

--- Both ends of a connection, and what closes them.
local function closing(a, b)
  return a, b, setmetatable({}, { __close = function()
    a:close()
    b:close()
  end })
end

--- Both sides at once: what challenge and what answer return.
local function both(a, b, options, key, other)
  local server <const> = task.spawn(function()
    local results <const> = table.pack(auth.challenge(a, key or "peekaboo", options))
    if not results[1] then a:close() end
    return table.unpack(results, 1, results.n)
  end)
  local given <const> = { digest = options and options.digest, mutual = options and options.mutual }
  local client <const> = table.pack(auth.answer(b, other or key or "peekaboo", given))
  return table.pack(server:join()), client
end

local function run(options, key, other)
  local a <const>, b <const>, _ <close> = closing(net.pair())
  options = options or {}
  if options.limiter == nil then options.limiter = false end
  return both(a, b, options, key, other)
end

--- A connection from an address, for the limiter.
local function from(host, scheme)
  return { peer = { scheme = scheme or "tcp", host = host }, address = "tcp://127.0.0.1:1" }
end

describe("auth", function()
  helper.leaves_nothing(before_each, after_each)

  for name, pair in pairs(helper.transports) do
    it("lets in who has the key, over " .. name, function()
      local a <const>, b <const>, _ <close> = closing(pair())
      local server <const>, client <const> = both(a, b, { limiter = false })
      assert.same({ true, true }, { server[1], client[1] })
      b:write "after"
      assert.equal("after", a:read(5))
    end)
  end

  for _, name in ipairs { "md5", "sha1", "sha256", "sha512", "sha3-256" } do
    it("takes the digest " .. name, function()
      local server <const> = run { digest = name }
      assert.is_true(server[1])
    end)
  end

  it("refuses another key", function()
    local server <const>, client <const> = run(nil, "peekaboo", "peekabo")
    assert.is_true(client[1])
    assert.is_nil(server[1])
    assert.matches("^authenticate .*: the key is wrong$", server[2])
    assert.equal("denied", server[3])
  end)

  it("is not taken in by an answer to an earlier challenge", function()
    local seen = {}
    for attempt = 1, 2 do
      local a <const>, b <const>, _ <close> = closing(net.pair())
      local server <const> = task.spawn(auth.challenge, a, "peekaboo", { limiter = false })
      local challenge <const> = b:read(32)
      seen[attempt] = challenge
      seen.answer = seen.answer or digest.hmac("peekaboo", challenge)
      b:write(seen.answer)
      local ok <const>, _ <const>, code <const> = server:join()
      if attempt == 1 then assert.is_true(ok) else assert.same({ nil, "denied" }, { ok, code }) end
    end
    assert.not_equal(seen[1], seen[2])
  end)

  it("gives up on a peer that is silent, or says too little", function()
    for _, said in ipairs { "", "too little" } do
      local a <const>, b <const>, _ <close> = closing(net.pair())
      b:write(said)
      local ok <const>, message <const>, code <const> = auth.challenge(a, "k", { timeout = 0.05, limiter = false })
      assert.same({ nil, "timeout" }, { ok, code })
      assert.matches("^authenticate .*: no answer in 0.05 seconds$", message)
      assert.same("timeout", (select(3, auth.answer(a, "k", { timeout = 0.05 }))))
    end
  end)

  it("says that the connection was closed, after any number of bytes", function()
    for length = 0, 31 do
      local a <const>, b <const>, _ <close> = closing(net.pair())
      b:write(("x"):rep(length))
      b:shutdown()
      local ok <const>, message <const>, code <const> = auth.challenge(a, "k", { limiter = false })
      assert.same({ nil, "closed" }, { ok, code })
      assert.matches("^authenticate .*: the connection was closed$", message)
    end
  end)

  it("raises for wrong arguments", function()
    local a <const>, b <const>, _ <close> = closing(net.pair())
    assert.has_error(function() auth.challenge(1, "k") end, "bad argument 'conn' (a connection expected)")
    assert.has_error(function() auth.challenge(a, "") end, "bad argument 'key' (a string that is not empty expected)")
    assert.has_error(function() auth.answer(b, "k", { digest = "md6" }) end,
      "option 'digest': there is no digest 'md6'")
    assert.has_error(function() auth.answer(b, "k", { key = 1 }) end, "there is no option 'key'")
    assert.has_error(function() auth.answer(b, "k", { timeout = 0 }) end, "option 'timeout' must be seconds above 0")
  end)
end)

describe("mutual authentication", function()
  helper.leaves_nothing(before_each, after_each)

  it("lets both know", function()
    local server <const>, client <const> = run { mutual = true }
    assert.same({ true, true }, { server[1], client[1] })
  end)

  it("fails on both sides when the keys differ", function()
    local server <const>, client <const> = run({ mutual = true }, "peekaboo", "other")
    assert.same({ nil, "denied" }, { server[1], server[3] })
    assert.same({ nil, "denied" }, { client[1], client[3] })
    assert.matches("the server refuses the key$", client[2])
  end)

  it("unmasks a server that does not have the key", function()
    local a <const>, b <const>, _ <close> = closing(net.pair())
    a:write(("S"):rep(32))
    local client <const> = task.spawn(auth.answer, b, "peekaboo", { mutual = true })
    local answer <const> = a:read(64)
    a:write(answer:sub(33)) -- its own signature, back to it
    local ok <const>, message <const>, code <const> = client:join()
    assert.same({ nil, "denied" }, { ok, code })
    assert.matches("the server does not have the key$", message)
  end)
end)

describe("the limiter", function()
  helper.leaves_nothing(before_each, after_each)

  it("turns a peer away that has failed too often, with the right key too", function()
    local options <const> = { limiter = auth.limiter { failures = 2 } }
    for _ = 1, 2 do assert.equal("denied", run(options, "peekaboo", "wrong")[3]) end
    local a <const>, b <const>, _ <close> = closing(net.pair())
    local ok <const>, message <const>, code <const> = auth.challenge(a, "peekaboo", options)
    assert.same({ nil, "limit" }, { ok, code })
    assert.matches("it has failed too often$", message)
    assert.is_true(b.is_open)
  end)

  it("does not look at what is answered once a peer has failed too often", function()
    local options <const> = { limiter = auth.limiter { failures = 1 } }
    local a <const>, b <const>, _ <close> = closing(net.pair())
    local waiting <const> = task.spawn(auth.challenge, a, "peekaboo", options)
    local challenge <const> = b:read(32)
    run(options, "peekaboo", "wrong")
    b:write(digest.hmac("peekaboo", challenge))
    assert.equal("limit", (select(3, waiting:join())))
  end)

  it("forgets after a while", function()
    local limiter <const> = auth.limiter { failures = 1, seconds = 60 }
    local conn <const> = from "10.0.0.1"
    limiter:note_failure(conn)
    assert.is_false(limiter:allows(conn))
    limiter.began = limiter.began - 61
    assert.is_false(limiter:allows(conn))
    limiter.began = limiter.began - 61
    assert.is_true(limiter:allows(conn))
  end)

  it("counts by address, and of IPv6 by network", function()
    local limiter <const> = auth.limiter { failures = 1 }
    limiter:note_failure(from "10.0.0.1")
    limiter:note_failure(from "2001:db8:1:2::5")
    limiter:note_failure(from "::1")
    local allowed <const> = {}
    for _, host in ipairs { "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:3::5", "::2",
      "1::" } do allowed[host] = limiter:allows(from(host)) end
    assert.same({ ["10.0.0.1"] = false, ["10.0.0.2"] = true, ["::ffff:10.0.0.1"] = false,
      ["2001:db8:1:2:3:4:5:6"] = false, ["2001:db8:1:3::5"] = true, ["::2"] = false, ["1::"] = true }, allowed)
  end)

  it("remembers no more peers than it may", function()
    local limiter <const> = auth.limiter { failures = 1, peers = 100 }
    for number = 1, 1000 do limiter:note_failure(from("10.0." .. number // 250 .. "." .. number % 250)) end
    local count = 0
    for _, counts in ipairs { limiter.counts, limiter.counts_before } do
      for _ in pairs(counts) do count = count + 1 end
    end
    assert.is_true(count <= 200)
    assert.is_false(limiter:allows(from "10.0.4.0"))
    assert.has_error(function() auth.limiter { failures = 0 } end, "option 'failures' must be a number above 0, not 0")
  end)
end)
