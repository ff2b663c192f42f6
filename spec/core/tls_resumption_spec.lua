local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local digest <const> = require "core.digest"
local net <const> = require "perigee.net"
local tls <const> = require "perigee.tls"

local of <const>, trusting <const> = certificates.of, certificates.trusting

local function serve(options)
  return assert(net.serve("tls://127.0.0.1:0", function(conn)
    conn:write(tostring(conn.tls.resumed), " ", conn.tls.peer and conn.tls.peer.common_name or "nobody")
  end, { tls = options }))
end

--- What the server says of a connection: "true alice" when a session was resumed in which the client was alice; or nil
--- and why not. The session's ticket has come when the connection has ended.
local function ask(server, context, name)
  local conn <close>, message <const> = net.connect(tostring(server.address), { tls = context, server_name = name })
  if not conn then return nil, message end
  local resumed <const> = conn.tls.resumed
  local said <const>, why <const> = conn:read_all()
  if not said then return nil, why end
  assert.equal(tostring(resumed), said:match "^%a+")
  return said
end

local function client(name, more) return assert(tls.client(trusting(name, more))) end

describe("a session", function()
  helper.leaves_nothing(before_each, after_each)

  for _, version in ipairs { "1.2", "1.3" } do
    local only <const> = { max_version = version }

    it("is resumed by a client with the same context, over TLS " .. version, function()
      local server <close> = serve(of "localhost")
      local context <const> = client(nil, only)
      assert.equal("false nobody", (ask(server, context)))
      for _ = 1, 4 do assert.equal("true nobody", (ask(server, context))) end
      assert.equal("false nobody", (ask(server, client(nil, only))))
    end)

    it("is still the same client's when it is resumed, over TLS " .. version, function()
      local server <close> = serve(of("localhost", { ca = certificates.path "ca.crt" }))
      local context <const> = client("alice", only)
      assert.equal("false alice", (ask(server, context)))
      for _ = 1, 2 do assert.equal("true alice", (ask(server, context))) end
    end)

    it("is not resumed when tickets are off, over TLS " .. version, function()
      local server <close> = serve(of("localhost", { tickets = false }))
      local context <const> = client(nil, only)
      for _ = 1, 3 do assert.equal("false nobody", (ask(server, context))) end
    end)

    it("is resumed by all servers of the process that ask for the same, over TLS " .. version, function()
      local context <const> = client(nil, only)
      local address
      for i = 1, 2 do -- one after the other, at the same port
        local server <close> = assert(net.serve(address or "tls://127.0.0.1:0", function(conn)
          conn:write(tostring(conn.tls.resumed), " nobody")
        end, { tls = of "localhost" }))
        address = tostring(server.address)
        assert.equal(i == 1 and "false nobody" or "true nobody", (ask(server, context)))
      end
    end)

    --- Two servers at the same port, one after the other: what the second says to a client who brings the ticket of
    --- the first.
    local function carry_over(first, second, context, name)
      local server <const> = serve(first)
      local address <const> = server.address
      assert.matches("^false", (ask(server, context, name)))
      server:close()
      local other <close> = assert(net.serve(tostring(address), function(conn)
        conn:write(tostring(conn.tls.resumed), " ", conn.tls.peer and conn.tls.peer.common_name or "nobody")
      end, { tls = second }))
      return ask(other, context, name)
    end

    it("is not resumed where a client's certificate is wanted, if it was made without, over TLS " .. version, function()
      local demanding <const> = of("localhost", { ca = certificates.path "ca.crt" })
      assert.matches("certificate required", select(2, carry_over(of "localhost", demanding, client(nil, only))))
      assert.equal("false alice", (carry_over(of "localhost", demanding, client("alice", only))))
      local optional <const> = of("localhost", { ca = certificates.path "ca.crt", verify = "optional" })
      assert.matches("certificate required", select(2, carry_over(optional, demanding, client(nil, only))))
    end)

    it("is not resumed where another authority is asked for, over TLS " .. version, function()
      local ours <const> = of("localhost", { ca = certificates.path "ca.crt" })
      local others <const> = of("localhost", { ca = certificates.path "other_ca.crt" })
      assert.matches("unknown CA", select(2, carry_over(ours, others, client("alice", only))))
    end)

    it("is not resumed with another certificate, over TLS " .. version, function()
      assert.equal("false nobody", (carry_over(of "localhost", of "localhost_rsa", client(nil, only))))
    end)

    it("is not resumed by a client for another server name, over TLS " .. version, function()
      local server <close> = serve(of("alpha", { names = { ["beta.test"] = of "beta" } }))
      local context <const> = client(nil, only)
      assert.equal("false nobody", (ask(server, context, "alpha.test")))
      assert.equal("true nobody", (ask(server, context, "alpha.test")))
      assert.equal("false nobody", (ask(server, context, "beta.test")))
      assert.equal("true nobody", (ask(server, context, "beta.test")))
      assert.matches("is not for 'localhost'", select(2, ask(server, context, "localhost")))
    end)

    it("is not resumed by a client that wants another name of the certificate, over TLS " .. version, function()
      local server <close> = serve(of "elsewhere")
      local context <const> = client(nil, only)
      assert.equal("false nobody", (ask(server, context, "elsewhere.example")))
      assert.matches("is not for 'localhost'", select(2, ask(server, context, "localhost")))
      assert.matches("is not for '127.0.0.1'", select(2, ask(server, context)))
    end)
  end

  it("is kept of sixteen servers, by a client", function()
    local servers <const>, context <const> = {}, client()
    for i = 1, 17 do
      servers[i] = serve(of "localhost")
      assert.equal("false nobody", (ask(servers[i], context)))
    end
    assert.equal("true nobody", (ask(servers[17], context)))
    assert.equal("true nobody", (ask(servers[2], context)))
    assert.equal("false nobody", (ask(servers[1], context)))
    for _, server in ipairs(servers) do server:close() end
  end)
end)

describe("the secret of tickets", function()
  helper.leaves_nothing(before_each, after_each)

  local HALF_A_DAY <const> = 12 * 3600
  local secret
  before_each(function() secret = tls.ticket_secret() end)
  after_each(function() tls.ticket_secret(secret) end)

  --- The secret that another becomes after twelve hours.
  local function next_secret(bytes) return digest.hmac(bytes, "perigee ticket secret", "sha256") end

  local function exported(periods_ago, bytes)
    return string.pack(">I8", os.time() // HALF_A_DAY - periods_ago) .. bytes
  end

  it("is replaced by its digest every twelve hours, so that all that have it go on alike", function()
    local bytes <const> = ("s"):rep(32)
    assert.equal(exported(0, bytes), tls.ticket_secret(exported(0, bytes)))
    assert.equal(exported(0, next_secret(bytes)), tls.ticket_secret(exported(1, bytes)))
    assert.equal(exported(0, next_secret(next_secret(bytes))), tls.ticket_secret(exported(2, bytes)))
    assert.equal(exported(0, next_secret(next_secret(bytes))), tls.ticket_secret())
  end)

  it("takes tickets of the last twelve hours, and of those before, but none that is older", function()
    local server <close>, context <const> = serve(of "localhost"), client()
    local bytes <const> = ("s"):rep(32)
    tls.ticket_secret(exported(0, bytes))
    assert.equal("false nobody", (ask(server, context)))
    assert.equal("true nobody", (ask(server, context)))
    tls.ticket_secret(exported(1, bytes))
    assert.equal("true nobody", (ask(server, context)))
    tls.ticket_secret(exported(2, next_secret(bytes)))
    assert.equal("false nobody", (ask(server, context)))
  end)

  it("is refused when it is none", function()
    for _, wrong in ipairs { "", "short", ("x"):rep(39), ("x"):rep(41), exported(1000, ("s"):rep(32)),
      exported(-2, ("s"):rep(32)) } do
      local ok <const>, message <const> = pcall(tls.ticket_secret, wrong)
      assert.is_false(ok)
      assert.matches("it must be what tls.ticket_secret%(%) returned", message)
    end
    assert.equal(secret, tls.ticket_secret())
  end)

  it("is shared by processes that resume each other's sessions", function()
    local scripts <close> = helper.directory { ["shared.lua"] = ([[
      local options = require "perigee.service".options { secret = "" }
      require "perigee.tls".ticket_secret((options.secret:gsub("%%x%%x", function(hex)
        return string.char(tonumber(hex, 16))
      end)))
      require "perigee.net".serve("tls://127.0.0.1:0", function(conn) conn:write(tostring(conn.tls.resumed)) end,
        { tls = { certificate = "%s" } })
    ]]):format(certificates.path "localhost.crt") }
    local hex <const> = secret:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end)
    local arguments <const> = ("%s/shared.lua --set shared.secret=%s"):format(scripts, hex)
    local one <close>, _, first_port <const> = helper.serve(arguments)
    local two <close>, _, second_port <const> = helper.serve(arguments)
    local output <const>, status <const> = helper.python([[
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
session = None
for port in sys.argv[2:4] * 3:
    with context.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname="localhost",
                             session=session) as s:
        print(s.session_reused, s.makefile().read())
        session = s.session
]], ("%s %d %d"):format(certificates.path "ca.crt", first_port, second_port))
    assert.same({ 0, "False false\n" .. ("True true\n"):rep(5) }, { status, output })
    assert.is_false(one:has_ended() or two:has_ended())
  end)
end)

describe("a session that openssl s_client has kept", function()
  helper.leaves_nothing(before_each, after_each)

  for _, version in ipairs { "1_2", "1_3" } do
    it("is resumed over TLS " .. version, function()
      local server <close> = serve(of "localhost")
      local path <const> = helper.temporary_name()
      local command <const> = ("openssl s_client -connect 127.0.0.1:%d -servername localhost -tls%s -CAfile %s " ..
        "-ign_eof"):format(server.address.port, version, certificates.path "ca.crt")
      local first <const> = helper.run(command .. " -sess_out " .. path .. " < /dev/null")
      assert.matches("New, TLSv1", first)
      assert.matches("false nobody", first)
      local second <const> = helper.run(command .. " -sess_in " .. path .. " < /dev/null")
      assert.matches("Reused, TLSv1", second)
      assert.matches("true nobody", second)
      local other <const> = helper.run((command:gsub("name localhost", "name 127.0.0.1") .. " -sess_in " .. path ..
        " < /dev/null"))
      assert.matches("New, TLSv1", other)
      os.remove(path)
    end)
  end
end)

describe("a session with openssl s_server, which does not mind names,", function()
  helper.leaves_nothing(before_each, after_each)

  for _, version in ipairs { "1.2", "1.3" } do
    it("is resumed for the name that was verified alone, over TLS " .. version, function()
      local server <close> = helper.start(("openssl s_server -accept 127.0.0.1:0 -www -cert %s -key %s"):format(
        certificates.path "elsewhere.crt", certificates.path "elsewhere.key"))
      local address <const> = "tls://" .. server:wait_for "ACCEPT (%S+)"
      local context <const> = client(nil, { max_version = version })
      local function get(name)
        local conn <close>, message <const> = net.connect(address, { tls = context, server_name = name })
        if not conn then return message end
        conn:write "GET / HTTP/1.0\r\n\r\n"
        assert.is_string((conn:read_until "\r\n"))
        return conn.tls.resumed
      end
      assert.is_false(get "elsewhere.example")
      assert.is_true(get "elsewhere.example")
      assert.matches("is not for 'localhost'", get "localhost")
      assert.matches("is not for '127.0.0.1'", get())
      assert.is_true(get "elsewhere.example")
    end)
  end
end)
