local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local function cert(arguments)
  return helper.run(helper.binary .. " cert " .. arguments)
end

local function exists(path)
  local file <close> = io.open(path)
  return file ~= nil
end

local function text_of(path)
  local output <const> = helper.run(("openssl x509 -in %s -noout -text"):format(path))
  return output
end

describe("perigee cert", function()
  helper.leaves_nothing(before_each, after_each)

  it("makes a certificate for localhost that curl, Python and we accept when they are told to", function()
    local directory <close> = helper.directory { ["app.lua"] = [[
local http = require "perigee.http"
local app = http.app()
app:get("/", function(request) return request.tls.version end)
http.serve(require "perigee.service".options { listen = "" }.listen, app)
]] }
    local output <const>, status <const> = cert("localhost --directory " .. tostring(directory))
    local path <const> = tostring(directory) .. "/localhost.crt"
    assert.equal(0, status)
    assert.equal(path .. "\n", output:match "^[^\n]*\n")
    assert.matches("valid for 365 days, for localhost 127.0.0.1 ::1\n", output)
    local _ <close>, _ <const>, port <const> = helper.serve(
      ("%s/app.lua --set 'app.listen=https://127.0.0.1:0?certificate=%s'"):format(directory, path))
    for _, host in ipairs { "localhost", "127.0.0.1" } do
      local url <const> = ("https://%s:%d/"):format(host, port)
      assert.same({ "TLSv1.3", 0 }, { helper.run(("curl -sS --cacert %s %s"):format(path, url)) })
      assert.equal(60, (select(2, helper.run("curl -sS " .. url))))
      assert.same({ "TLSv1.3\n", 0 }, { helper.python([[
import ssl, sys, urllib.request
print(urllib.request.urlopen(sys.argv[1], context=ssl.create_default_context(cafile=sys.argv[2])).read().decode())
]], url .. " " .. path) })
      local conn <close> = assert(net.connect(("tls://%s:%d"):format(host, port), { tls = { ca = path } }))
      assert.is_true(conn.tls.verified)
    end
  end)

  it("prints a command that serves with it", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local output <const> = cert("localhost --directory " .. tostring(directory))
    local command <const> = output:match "try: perigee (run [^\n]+)\n$"
    local process <close> = helper.start(helper.binary .. " " .. command:gsub("7443", "0"))
    local address <const> = process:wait_for "listening address=(%S+)"
    local conn <close> = assert(net.connect(address, { tls = { ca = tostring(directory) .. "/localhost.crt" } }))
    conn:write "hi"
    assert.equal("hi", (conn:read(2)))
  end)

  it("gives the key to its owner alone, and says for how long and whom the certificate is", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local output <const>, status <const> = cert(
      ("'*.example.test' other.test 192.0.2.1 2001:db8::1 --days 7 --directory %s"):format(directory))
    assert.equal(0, status)
    local stem <const> = tostring(directory) .. "/_.example.test"
    assert.matches("valid for 7 days, for *.example.test other.test 192.0.2.1 2001:db8::1\n", output, 1, true)
    assert.equal("600 644\n", (helper.run(("stat -c %%a %s.key %s.crt | xargs"):format(stem, stem))))
    local text <const> = text_of(stem .. ".crt")
    assert.matches("DNS:*.example.test, DNS:other.test, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1", text,
      1, true)
    assert.matches("Subject: CN = *.example.test\n", text, 1, true)
    assert.matches("CA:FALSE", text)
    assert.matches("TLS Web Server Authentication, TLS Web Client Authentication", text)
    local function ends_within(days)
      return select(2, helper.run(("openssl x509 -in %s.crt -noout -checkend %d"):format(stem, days * 86400))) == 1
    end
    assert.same({ true, false }, { ends_within(7.01), ends_within(6.9) })
  end)

  it("is good for names that are long, and each time another key", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local long <const> = ("x"):rep(63) .. "." .. ("y"):rep(63) .. ".test"
    local keys <const> = {}
    for _, name in ipairs { long, "b.test" } do
      assert.equal(0, (select(2, cert(("%s --directory %s"):format(name, directory)))))
      local file <close> = assert(io.open(("%s/%s.key"):format(directory, name)))
      keys[#keys + 1] = file:read "a"
    end
    assert.is_true(keys[1] ~= keys[2])
    assert.matches("DNS:" .. long, text_of(("%s/%s.crt"):format(directory, long)))
  end)

  it("does not write over what is there, and leaves nothing half done", function()
    for _, existing in ipairs { "localhost.crt", "localhost.key" } do
      local directory <close> = helper.directory { [existing] = "precious" }
      local output <const>, status <const> = cert("localhost --directory " .. tostring(directory))
      local path <const> = tostring(directory) .. "/" .. existing
      assert.same({ "perigee: create " .. path .. ": File exists (it is not written over: remove it first)\n", 1 },
        { output, status })
      local file <close> = assert(io.open(path))
      assert.equal("precious", file:read "a")
      local other <const> = existing == "localhost.crt" and "localhost.key" or "localhost.crt"
      assert.is_false(exists(tostring(directory) .. "/" .. other))
    end
  end)

  it("refuses what is no host, and names it", function()
    local directory <close> = helper.directory { ["a"] = "" }
    for _, name in ipairs { "", "a b", "a,DNS:evil.test", "../x", "a/b", "https://a.test", "a..b", ".a", "a.", "*",
      "*.", "a.*.test", "b\195\188cher.test", "1::2::3", "a:b", ("x"):rep(64) .. ".test", "a\nb",
      ("abc."):rep(70) .. "test" } do
      local output <const>, status <const> = cert(("good.test '%s' --directory %s"):format(name, directory))
      assert.same({ ("perigee: a host is a name or an IP address, not '%s'\n"):format(name), 1 }, { output, status })
    end
    assert.is_false(exists(tostring(directory) .. "/good.test.key"))
    local many <const> = {}
    for i = 1, 65 do many[i] = "h" .. i .. ".test" end
    assert.same({ "perigee: a certificate has at most 64 hosts, not 65\n", 1 }, { cert(table.concat(many, " ")) })
  end)

  it("refuses days and directories that cannot be", function()
    for _, days in ipairs { "0", "-1", "3651", "soon", "1.5", "''" } do
      local output <const>, status <const> = cert("a.test --days=" .. days)
      assert.equal(2, status)
      assert.matches("^perigee: option %-%-days: days from 1 to 3650, got '", output)
    end
    assert.same({ "perigee: create /nowhere/at/all/a.test.key: No such file or directory\n", 1 },
      { cert "a.test --directory /nowhere/at/all" })
    local output <const>, status <const> = cert ""
    assert.equal(2, status)
    assert.matches("^perigee: HOST... is missing", output)
  end)
end)
