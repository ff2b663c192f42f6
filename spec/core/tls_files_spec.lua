local helper <const> = require "spec.helper"
local certificates <const> = require "spec.fixtures.certificates"
local net <const> = require "perigee.net"
local tls <const> = require "perigee.tls"

local of <const>, trusting <const>, path <const> = certificates.of, certificates.trusting, certificates.path

local function read_file(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read "a"
end

local function write_file(name, text)
  local file <close> = assert(io.open(name, "wb"))
  file:write(text)
end

--- A directory with certificates and keys by other names: { site = "localhost" } is site.crt and site.key.
local function site_of(names)
  local files <const> = {}
  for name, original in pairs(names) do
    files[name .. ".crt"] = read_file(path(original .. ".crt"))
    files[name .. ".key"] = read_file(path(original .. ".key"))
  end
  return helper.directory(files)
end

local function replace(site, name, original)
  for _, suffix in ipairs { ".crt", ".key" } do
    write_file(tostring(site) .. "/" .. name .. suffix, read_file(path(original .. suffix)))
  end
end

--- The common name in the certificate that a server shows.
local function shown(address, name, context)
  local options <const> = { tls = context or { verify = false }, server_name = name }
  local conn <close> = assert(net.connect(tostring(address), options))
  return conn.tls.peer.common_name
end

describe("a file of TLS", function()
  helper.leaves_nothing(before_each, after_each)

  it("that is of no use is named, with what is wrong with it", function()
    local texts <close> = helper.directory { ["text"] = "hello\n", ["empty"] = "" }
    local text <const>, empty <const> = tostring(texts) .. "/text", tostring(texts) .. "/empty"
    local long <const> = "/" .. ("x/"):rep(2000)
    local localhost <const> = path "localhost.crt"
    for _, case in ipairs {
      { { certificate = "/nowhere/x.crt" }, "certificate '/nowhere/x.crt': No such file or directory" },
      { { certificate = localhost, key = "/nowhere/x.key" }, "key '/nowhere/x.key': No such file or directory" },
      { { certificate = { localhost, "/nowhere/x.crt" } }, "certificate '/nowhere/x.crt': No such file or directory" },
      { { certificate = "/tmp" }, "certificate '/tmp': Is a directory" },
      { { certificate = text }, "certificate '" .. text .. "' is none in PEM form: no start line" },
      { { certificate = empty }, "certificate '" .. empty .. "' is none in PEM form: no start line" },
      { { certificate = localhost, key = localhost },
        "key '" .. localhost .. "' is no private key in PEM form: unsupported" },
      { { certificate = localhost, key = path "alice.key" },
        "key '" .. path "alice.key" .. "' does not belong to certificate '" .. localhost .. "': key values mismatch" },
      { { certificate = localhost, key = path "localhost_rsa.key" }, "key '" .. path "localhost_rsa.key" ..
        "' does not belong to certificate '" .. localhost .. "': no certificate assigned" },
      { of "encrypted", "key '" .. path "encrypted.key" .. "' is encrypted, and there is no password: " },
      { of("encrypted", { password = "wrong" }),
        "key '" .. path "encrypted.key" .. "' does not open with the password: " },
      { of("encrypted", { password = ("x"):rep(5000) }),
        "key '" .. path "encrypted.key" .. "' does not open with the password: " },
      { of("localhost", { ca = "/nowhere/ca.crt" }), "ca '/nowhere/ca.crt': No such file or directory" },
      { of("localhost", { ca = text }), "ca '" .. text .. "': no certificate or crl found" },
      { of("localhost", { ca = path "ca.key" }), "ca '" .. path "ca.key" .. "': no certificate or crl found" },
      { of("localhost", { ocsp = "/nowhere/ocsp" }), "ocsp '/nowhere/ocsp': No such file or directory" },
      { of("localhost", { ocsp = empty }), "ocsp '" .. empty .. "': No data available" },
      { of("localhost", { ocsp = text }), "ocsp '" .. text .. "' is no OCSP response: too long" },
      { of("localhost", { ciphers = "NONSENSE" }), "ciphers 'NONSENSE': no cipher match" },
      { of("localhost", { cipher_suites = "NONSENSE" }), "cipher suites 'NONSENSE': no cipher match" },
      { of("localhost", { groups = "NONSENSE" }), "groups 'NONSENSE': " },
      { of("localhost", { names = { ["a.test"] = { certificate = "/nowhere/a.crt" } } }),
        "certificate '/nowhere/a.crt': No such file or directory" },
      { { certificate = long }, ": No such file or directory" },
    } do
      local context <const>, message <const>, code <const> = tls.server(case[1])
      assert.same({ nil, "tls" }, { context, code })
      assert.is_true(message:find(case[2], 1, true) ~= nil, message)
      assert.matches("^TLS: ", message)
      local _, said <const> = net.serve("tls://127.0.0.1:0", print, { tls = case[1] })
      assert.equal("listen on tls://127.0.0.1:0: " .. message, said)
    end
    local context <const>, message <const> = tls.client { ca = empty }
    assert.is_nil(context)
    assert.equal("TLS: ca '" .. empty .. "': no certificate or crl found", message)
  end)

  it("that is of no use to a client leaves no connection", function()
    local server <close> = net.serve("tls://127.0.0.1:0", function(conn) conn:read_all() end, { tls = of "localhost" })
    assert.same({ nil, "TLS: ca '/nowhere': No such file or directory", "tls" },
      { net.connect(tostring(server.address), { tls = { ca = "/nowhere" } }) })
  end)
end)

describe("the options of a context", function()
  it("that cannot be are named, at the script's line", function()
    local client <const> = assert(tls.client())
    local many <const> = {}
    for i = 1, 9 do many[i] = path "localhost.crt" end
    for pattern, options in pairs {
      ["option 'certificate' is missing: the path of a PEM file"] = {},
      ["option 'certificate' is missing: the path of a PEM file "] = { certificate = {} },
      ["option 'certificate' must be a path or a list of paths"] = { certificate = 5 },
      ["option 'certificate' must be a path or a list of paths "] = { certificate = { 5 } },
      ["option 'certificate' has more than 8"] = { certificate = many },
      ["option 'key' must be a path or a list of paths"] = of("localhost", { key = 5 }),
      ["option 'password' must be a string"] = of("localhost", { password = {} }),
      ["option 'verify' must be true, false, 'required', 'optional' or 'none'"] = of("localhost", { verify = "maybe" }),
      ["option 'verify' needs 'ca': whose certificates a client may show"] = of("localhost", { verify = true }),
      ["option 'min_version' must be '1.2' or '1.3'"] = of("localhost", { min_version = "1.1" }),
      ["option 'max_version' must be a string"] = of("localhost", { max_version = 1.2 }),
      ["option 'min_version' is above 'max_version'"] = of("localhost", { min_version = "1.3", max_version = "1.2" }),
      ["option 'protocols' must be a list of names"] = of("localhost", { protocols = "h2" }),
      ["option 'protocols' must be a list of names of 1 to 255 bytes"] = of("localhost", { protocols = { "" } }),
      ["option 'protocols' is too long"] = of("localhost", { protocols = { ("x"):rep(255), ("y"):rep(255), "z" } }),
      ["option 'names' must be a table of contexts by name"] = of("localhost", { names = { 5 } }),
      ["what option 'names' names must be a context of perigee.tls.server"] =
        of("localhost", { names = { ["a.test"] = client } }),
      ["option 'on_server_name' must be a function"] = of("localhost", { on_server_name = "localhost" }),
      ["option 'tickets' must be true or false, not 5"] = of("localhost", { tickets = 5 }),
      ["there is no option 'nonsense'"] = of("localhost", { nonsense = true }),
    } do
      local ok <const>, message <const> = pcall(function()
        local context <const> = tls.server(options)
        return context
      end)
      assert.is_false(ok)
      assert.matches("^[^:]*tls_files_spec.lua:%d+: " .. pattern:gsub("%p", "%%%0"):gsub(" $", "") .. "$", message)
    end
    for pattern, options in pairs {
      ["option 'key' needs 'certificate'"] = { key = path "alice.key" },
      ["there is no option 'tickets'"] = { tickets = true },
      ["there is no option 'names'"] = { names = {} },
    } do
      local ok <const>, message <const> = pcall(tls.client, options)
      assert.is_false(ok)
      assert.matches(pattern, message)
    end
    assert.is_false((pcall(tls.server, "localhost.crt")))
    assert.is_false((pcall(tls.server)))
  end)
end)

describe("a context that reads its files again", function()
  helper.leaves_nothing(before_each, after_each)

  local function serve(options)
    return assert(net.serve("tls://127.0.0.1:0", function(conn)
      for chunk in conn:chunks() do conn:write(chunk) end
    end, { tls = options }))
  end

  it("shows the new certificate to new clients, and goes on with old ones", function()
    local site <close> = site_of { site = "alpha" }
    local context <const> = assert(tls.server { certificate = tostring(site) .. "/site.crt" })
    local server <close> = serve(context)
    local old <close> = assert(net.connect(tostring(server.address), { tls = { verify = false } }))
    replace(site, "site", "beta")
    assert.equal("alpha", shown(server.address))
    assert.is_true(context:reload())
    assert.equal("beta", shown(server.address))
    old:write "still"
    assert.same({ "still", "alpha" }, { old:read(5), old.tls.peer.common_name })
  end)

  it("stays as it was when a file is broken, and says so", function()
    local site <close> = site_of { site = "alpha" }
    local certificate <const> = tostring(site) .. "/site.crt"
    local context <const> = assert(tls.server { certificate = certificate })
    local server <close> = serve(context)
    for _, text in ipairs { "", "broken", (read_file(certificate):sub(1, -100)) } do
      write_file(certificate, text)
      local done <const>, message <const>, code <const> = context:reload()
      assert.same({ nil, "tls" }, { done, code })
      assert.matches("TLS: certificate '" .. certificate:gsub("%p", "%%%0"), message)
      assert.equal("alpha", shown(server.address))
    end
    os.remove(certificate)
    assert.matches("No such file", select(2, context:reload()))
    replace(site, "site", "beta")
    write_file(tostring(site) .. "/site.key", read_file(path "alice.key"))
    assert.matches("does not belong to certificate", select(2, context:reload()))
    assert.equal("alpha", shown(server.address))
  end)

  it("may be a client's", function()
    local server <close> = serve(of "localhost")
    local authority <close> = helper.directory { ["ca.crt"] = read_file(path "other_ca.crt") }
    local context <const> = assert(tls.client { ca = tostring(authority) .. "/ca.crt" })
    assert.is_nil((net.connect(tostring(server.address), { tls = context })))
    write_file(tostring(authority) .. "/ca.crt", read_file(path "ca.crt"))
    assert.is_true(context:reload())
    assert.equal("localhost", shown(server.address, nil, context))
  end)

  it("does not resume the sessions of an authority that it trusts no more", function()
    local site <close> = site_of { site = "localhost", named = "alpha" }
    local authority <const> = tostring(site) .. "/clients.crt"
    write_file(authority, read_file(path "ca.crt"))
    for _, name in ipairs { "localhost", "alpha.test" } do
      write_file(authority, read_file(path "ca.crt"))
      local server <close> = serve { certificate = tostring(site) .. "/site.crt", ca = authority,
        names = { ["alpha.test"] = { certificate = tostring(site) .. "/named.crt", ca = authority } } }
      local client <const> = assert(tls.client(trusting "alice"))
      local function resumed()
        local conn <close> = assert(net.connect(tostring(server.address), { tls = client, server_name = name }))
        conn:write "x"
        return conn:read(1) and conn.tls.resumed
      end
      assert.same({ false, true }, { resumed(), (resumed()) })
      write_file(authority, read_file(path "other_ca.crt"))
      tls.reload()
      assert.is_nil(resumed())
    end
  end)

  it("is one of all servers' contexts, those of names too, in whatever order", function()
    local site <close> = site_of { site = "localhost", named = "alpha" }
    local server <close> = serve { certificate = tostring(site) .. "/site.crt",
      names = { ["alpha.test"] = { certificate = tostring(site) .. "/named.crt" } } }
    for i = 1, 10 do
      local name <const> = i % 2 == 0 and "alpha" or "beta"
      replace(site, "named", name)
      collectgarbage()
      local count <const>, failures <const> = tls.reload()
      assert.is_true(count >= 2)
      assert.same({}, failures)
      assert.equal(name, shown(server.address, "alpha.test"))
    end
    write_file(tostring(site) .. "/named.crt", "broken")
    local _, failures <const> = tls.reload()
    assert.equal(1, #failures)
    assert.matches("named.crt' is none in PEM form", failures[1])
    assert.equal("alpha", shown(server.address, "alpha.test"))
  end)

  it("does so at SIGHUP", function()
    local site <close> = site_of { site = "alpha" }
    local process <close>, address <const> = helper.serve(
      ("scripts/echo.lua --set 'echo.listen=tls://127.0.0.1:0?certificate=%s/site.crt'"):format(site))
    assert.equal("alpha", shown(address))
    replace(site, "site", "beta")
    process:signal "HUP"
    process:wait_for "certificates are loaded anew"
    assert.equal("beta", shown(address))
    write_file(tostring(site) .. "/site.key", "broken")
    process:signal "HUP"
    process:wait_for "certificates stay as they were reason=\"TLS: key '.*/site.key' is no private key in PEM form"
    assert.equal("beta", shown(address))
  end)
end)

describe("an OCSP response", function()
  helper.leaves_nothing(before_each, after_each)

  for _, version in ipairs { "1_2", "1_3" } do
    it("is stapled for clients that ask, over TLS " .. version, function()
      local server <close> = net.serve("tls://127.0.0.1:0", function() end, { tls = of("localhost", {
        ocsp = path "localhost.ocsp", names = { ["alpha.test"] = of "alpha" } }) })
      local command <const> = ("openssl s_client -connect 127.0.0.1:%d -tls%s -CAfile %s -status -servername %%s " ..
        "< /dev/null"):format(server.address.port, version, path "ca.crt")
      local output <const> = helper.run(command:format "localhost")
      assert.matches("OCSP Response Status: successful", output)
      assert.matches("Cert Status: good", output)
      assert.matches("OCSP response: no response sent", (helper.run(command:format "alpha.test")))
    end)
  end
end)
