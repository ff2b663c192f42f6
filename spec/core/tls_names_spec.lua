local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local listener <const> = require "core.listener"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"
local tls <const> = require "perigee.tls"

local of <const>, trusting <const> = certificates.of, certificates.trusting

local failed = {}

local function serve(options, handler)
  return assert(net.serve("tls://127.0.0.1:0", handler or function(conn)
    conn:write(tostring(conn.tls.server_name), " ", tostring(conn.tls.protocol))
  end, { tls = options }))
end

--- Whose certificate a client gets that asks for a name, and what the server says of it: its own view of name and
--- protocol; or nil and why not.
local function ask(server, name, options)
  local given <const> = trusting(nil, options)
  if not name then given.verify = false end
  local conn <close>, message <const> = net.connect(tostring(server.address),
    { tls = given, server_name = name or nil })
  if not conn then return nil, message end
  local said <const>, why <const> = conn:read_all()
  if not said then return nil, why end
  return conn.tls.peer.common_name, said
end

describe("a server's name", function()
  helper.leaves_nothing(before_each, after_each)
  before_each(function()
    failed = {}
    listener.on_handshake_failed(function(_, _, message) table.insert(failed, message) end)
  end)

  it("chooses the certificate, and an unknown one gets the server's own", function()
    local server <close> = serve(of("localhost", { names = {
      ["alpha.test"] = of "alpha", ["Beta.Test"] = assert(tls.server(of "beta")), ["*.example.test"] = of "wildcard",
    } }))
    for _, case in ipairs {
      { "alpha.test", "alpha" }, { "ALPHA.test", "alpha" }, { "beta.test", "beta" }, { "a.example.test", "wildcard" },
      { "A.Example.Test", "wildcard" }, { "localhost", "localhost" },
    } do
      assert.same({ case[2], case[1] .. " nil" }, { ask(server, case[1]) })
    end
    assert.same({ "localhost", "nil nil" }, { ask(server) })
    for _, name in ipairs { "example.test", "a.b.example.test", "alpha.test.evil" } do
      assert.matches("is not for '" .. name .. "'", select(2, ask(server, name)), 1, true)
    end
  end)

  it("is matched exactly before a wildcard", function()
    local server <close> = serve(of("localhost", { names = {
      ["*.test"] = of "localhost", ["alpha.test"] = of "alpha", ["*.example.test"] = of "wildcard",
    } }))
    assert.equal("alpha", (ask(server, "alpha.test")))
    assert.equal("wildcard", (ask(server, "x.example.test")))
  end)

  it("says whether a client's certificate is wanted, and by whom it is signed", function()
    local server <close> = serve(of("localhost", { names = {
      ["alpha.test"] = of("alpha", { ca = certificates.path "ca.crt" }),
      ["beta.test"] = of("beta", { ca = certificates.path "other_ca.crt" }),
    } }))
    assert.equal("localhost", (ask(server, "localhost")))
    assert.matches("certificate required", select(2, ask(server, "alpha.test")))
    assert.equal("alpha", (ask(server, "alpha.test", of "alice")))
    assert.matches("unknown CA", select(2, ask(server, "beta.test", of "alice")))
    assert.equal("localhost", (ask(server, "localhost", of "alice")))
    assert.matches("^the certificate of /O=Perigee specs/CN=ca is not valid: self%-signed", failed[2])
  end)

  it("has its own versions and ciphers", function()
    local server <close> = serve(of("localhost", { names = {
      ["alpha.test"] = of("alpha", { min_version = "1.3" }),
      ["beta.test"] = of("beta", { ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" }),
    } }))
    assert.equal("localhost", (ask(server, "localhost", { max_version = "1.2" })))
    assert.matches("protocol version", select(2, ask(server, "alpha.test", { max_version = "1.2" })))
    assert.equal("alpha", (ask(server, "alpha.test")))
    local old <const> = { max_version = "1.2", ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384" }
    assert.matches("handshake failure", select(2, ask(server, "beta.test", old)))
  end)

  it("may be answered by a function", function()
    local alpha <const>, asked <const> = assert(tls.server(of "alpha")), {}
    local function answer(name)
      table.insert(asked, name)
      if name == "alpha.test" then return alpha end
      if name == "refused.test" then return false end
    end
    local names <const> = { ["beta.test"] = of "beta" }
    local server <close> = serve(of("localhost", { names = names, on_server_name = answer }))
    assert.equal("alpha", (ask(server, "alpha.test")))
    assert.equal("beta", (ask(server, "beta.test")))
    assert.equal("localhost", (ask(server, "localhost")))
    assert.matches("the peer refuses it: unrecognized name$", select(2, ask(server, "refused.test")))
    assert.equal("localhost", (ask(server)))
    assert.same({ "alpha.test", "localhost", "refused.test" }, asked)
    assert.same({ "the server name is refused (callback failed)" }, failed)
  end)

  it("may be answered by a function that raises, waits or returns something else: then it is refused", function()
    local scripts <close> = helper.directory { ["named.lua"] = ([[
      local tls <const> = require "perigee.tls"
      local answers <const> = {
        ["raise.test"] = function() error "broken" end,
        ["wait.test"] = function() require "perigee.task".sleep(0.01) end,
        ["table.test"] = function() return {} end,
        ["client.test"] = function() return tls.client() end,
        localhost = function() end,
      }
      require "perigee.net".serve("tls://127.0.0.1:0", function(conn) conn:write "served" end, { tls = {
        certificate = "%s", on_server_name = function(name) return answers[name]() end } })
    ]]):format(certificates.path "localhost.crt") }
    local process <close>, address <const> = helper.serve(tostring(scripts) .. "/named.lua")
    for _, case in ipairs {
      { "raise", "named.lua:3: broken" }, { "wait", "sleep has to wait, and only a task can" },
      { "table", "what on_server_name returns must be a context of perigee.tls.server" },
      { "client", "what on_server_name returns must be a context of perigee.tls.server" },
    } do
      local conn <const>, message <const> = net.connect(address, { tls = trusting(), server_name = case[1] .. ".test" })
      assert.is_nil(conn)
      assert.matches("unrecognized name$", message)
      process:wait_for(case[2])
    end
    local conn <close> = assert(net.connect(address, { tls = trusting(), server_name = "localhost" }))
    assert.equal("served", (conn:read_all()))
  end)

  it("may be answered by a function that closes the server", function()
    local server
    server = serve(of("localhost", { on_server_name = function() server:close() end }))
    assert.equal("localhost", (ask(server, "localhost")))
  end)

  it("may be answered by a function in a handshake that a task has begun", function()
    local client <const>, peer <const> = net.pair()
    local context <const> = assert(tls.server(of("localhost", { on_server_name = function(name)
      return name == "alpha.test" and tls.server(of "alpha")
    end })))
    local accepting <const> = task.spawn(peer.start_tls, peer, context)
    assert(client:start_tls(assert(tls.client(trusting())), { server_name = "alpha.test" }))
    assert.is_true((accepting:join()) == peer)
    client:close()
    peer:close()
  end)

  it("may be answered by a function that makes a context for each, which lasts as long as it is used", function()
    local server <close> = serve(of("localhost", { groups = "P-256", on_server_name = function()
      return tls.server(of("alpha", { protocols = { "one" }, ocsp = certificates.path "localhost.ocsp" }))
    end }), function(conn)
      collectgarbage()
      conn:write(conn.tls.server_name, " ", conn.tls.protocol)
    end)
    for _ = 1, 5 do
      collectgarbage()
      -- The server asks for another hello: of the group that both have.
      assert.same({ "alpha", "alpha.test one" },
        { ask(server, "alpha.test", { protocols = { "one" }, groups = "X25519:P-256" }) })
    end
  end)
end)

describe("a protocol", function()
  helper.leaves_nothing(before_each, after_each)

  it("is agreed on: the server's order decides", function()
    local server <close> = serve(of("localhost", { protocols = { "two", "one" } }))
    assert.equal("localhost two", (select(2, ask(server, "localhost", { protocols = { "one", "two", "three" } }))))
    assert.equal("localhost one", (select(2, ask(server, "localhost", { protocols = { "one" } }))))
    assert.equal("localhost nil", (select(2, ask(server, "localhost"))))
  end)

  it("is seen by the client too, and none when the server has none", function()
    local server <close> = serve(of("localhost", { protocols = { "one" } }))
    local plain <close> = serve(of "localhost")
    for protocol, at in pairs { one = server, none = plain } do
      local conn <close> = assert(net.connect(tostring(at.address), { tls = trusting(nil, { protocols = { "one" } }) }))
      assert.equal(protocol, conn.tls.protocol or "none")
    end
  end)

  it("may depend on the name", function()
    local server <close> = serve(of("localhost", { protocols = { "one" }, names = {
      ["alpha.test"] = of("alpha", { protocols = { "two" } }), ["beta.test"] = of "beta",
    } }))
    local both <const> = { protocols = { "one", "two" } }
    assert.equal("alpha.test two", (select(2, ask(server, "alpha.test", both))))
    assert.equal("beta.test one", (select(2, ask(server, "beta.test", both))))
    assert.equal("localhost one", (select(2, ask(server, "localhost", both))))
  end)

  it("may be a long list of long names", function()
    local names <const> = { ("x"):rep(255), ("y"):rep(200), "z" }
    local server <close> = serve(of("localhost", { protocols = names }))
    assert.equal("localhost " .. names[1], (select(2, ask(server, "localhost", { protocols = names }))))
  end)
end)
