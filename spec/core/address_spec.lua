local helper <const> = require "spec.helper"
local address <const> = require "core.address"
local net <const> = require "perigee.net"

local assert_misuse <const> = helper.assert_misuse

describe("an address", function()
  helper.leaves_nothing(before_each, after_each)

  it("is parsed into its parts", function()
    for url, expected in pairs {
      ["tcp://127.0.0.1:7000"] = { "tcp", "127.0.0.1", 7000, "" },
      ["TCP://Example.org:0"] = { "tcp", "Example.org", 0, "" },
      ["tls://[::1]:443"] = { "tls", "::1", 443, "" },
      ["udp://*:65535"] = { "udp", "*", 65535, "" },
      ["udp://[fe80::1%lo]:53"] = { "udp", "fe80::1%lo", 53, "" },
      ["http://a_b-c.example"] = { "http", "a_b-c.example", 80, "" },
      ["https://example.org/"] = { "https", "example.org", 443, "" },
      ["http://example.org:8080/"] = { "http", "example.org", 8080, "" },
      ["unix:/run/x y"] = { "unix", "", 0, "/run/x y" },
      ["unix:///run/x"] = { "unix", "", 0, "/run/x" },
      ["unix:relative"] = { "unix", "", 0, "relative" },
      ["unix:@name"] = { "unix", "", 0, "@name" },
    } do
      local parts <const> = assert(address.parse(url))
      assert.same(expected, { parts.scheme, parts.host, parts.port, parts.path })
    end
  end)

  it("that cannot be parsed says what is wrong with it", function()
    for url, pattern in pairs {
      [""] = "the scheme is missing",
      ["localhost"] = "the scheme is missing",
      ["localhost:80"] = "the scheme is missing",
      ["://x"] = "the scheme is missing",
      ["ftp://x:1"] = "the scheme is unknown",
      ["tcp:x:1"] = "not followed by ://",
      ["tcp://"] = "the host is missing",
      ["tcp://:80"] = "the host is missing",
      ["tcp://host"] = "the port is missing: add",
      ["tcp://host:"] = "the port is missing after the colon",
      ["tcp://host:x"] = "not a number",
      ["tcp://host:-1"] = "not a number",
      ["tcp://host:65536"] = "not between 0 and 65535",
      ["tcp://host:1/path"] = "nothing may follow the port",
      ["http://host/path"] = "only one / may follow",
      ["tcp://user@host:1"] = "user names are no part",
      ["tcp://::1:80"] = "in brackets",
      ["tcp://[::1:80"] = "bracket %[ is not closed",
      ["tcp://[::1]80"] = "not followed by a colon",
      ["tcp://[127.0.0.1]:80"] = "not an IPv6 address",
      ["tcp://[::1%]:80"] = "network interface",
      ["tcp://300.1.1.1:80"] = "looks like an IPv4 address",
      ["tcp://1:80"] = "looks like an IPv4 address",
      ["tcp://a b:80"] = "character that no host name has",
      ["tcp://" .. ("x"):rep(254) .. ":80"] = "longer than 253 bytes",
      ["unix:"] = "the path is missing",
      ["unix://x"] = "after unix:// comes an absolute path",
      ["unix:@"] = "abstract name is missing",
      ["unix:/" .. ("x"):rep(107)] = "longer than the 107 bytes",
      ["tcp://a\0b:80"] = "NUL byte",
    } do
      local parts <const>, message <const>, code <const> = address.parse(url)
      assert.same({ url, nil, "protocol" }, { url, parts, code })
      assert.matches("^address '.*': .*" .. pattern, message)
      assert_misuse(pattern, address.lookup, url)
    end
    assert_misuse("string expected", address.parse)
    assert_misuse("string expected", address.lookup, {})
  end)

  it("that is a literal needs no name server", function()
    for url, expected in pairs {
      ["tcp://127.0.0.1:7000"] = { "tcp", "127.0.0.1", 7000, "tcp://127.0.0.1:7000" },
      ["udp://*:0"] = { "udp", "0.0.0.0", 0, "udp://0.0.0.0:0" },
      ["tcp://[0:0::1]:80"] = { "tcp", "::1", 80, "tcp://[::1]:80" },
      ["udp://[::ffff:1.2.3.4]:80"] = { "udp", "::ffff:1.2.3.4", 80, "udp://[::ffff:1.2.3.4]:80" },
      ["unix:///run//x"] = { "unix", "/run//x", 0, "unix:/run//x" },
      ["unix:@name"] = { "unix", "@name", 0, "unix:@name" },
      ["unix:/" .. ("x"):rep(106)] = { "unix", "/" .. ("x"):rep(106), 0, "unix:/" .. ("x"):rep(106) },
    } do
      local found <const> = assert(address.lookup(url))
      local at <const> = found[1]
      assert.same(expected, { at.scheme, at.host, at.port, tostring(at) })
      assert.same({ 1, "at " .. expected[4] .. "!" }, { #found, "at " .. at .. "!" })
      assert.is_nil(at.nonsense)
      assert.is_true(address.lookup(at)[1] == at)
    end
  end)

  it("equals another with the same scheme, host and port", function()
    local function at(url) return address.lookup(url)[1] end
    assert.is_true(at "tcp://127.0.0.1:1" == at "tcp://127.0.0.1:1")
    assert.is_false(at "tcp://127.0.0.1:1" == at "tcp://127.0.0.1:2")
    assert.is_false(at "tcp://127.0.0.1:1" == at "udp://127.0.0.1:1")
    assert.is_false(at "tcp://0.0.0.0:1" == at "tcp://[::]:1")
    assert.is_true(at "unix:/a" == at "unix:/a")
    assert.is_false(at "unix:/a" == at "unix:/ab")
  end)

  it("that is a name is found in the hosts file", function()
    local found <const> = assert(net.lookup "tcp://localhost:80")
    for _, at in ipairs(found) do assert.is_true(at.host == "127.0.0.1" or at.host == "::1") end
    assert.is_true(#found >= 1)
  end)

  it("with an interface that there is not is not found", function()
    local found <const>, message <const>, code <const> = net.lookup "tcp://[fe80::1%nothing0]:80"
    assert.same({ nil, "unreachable" }, { found, code })
    assert.matches("network interface does not exist", message)
  end)
end)
