--- Names, asked of a small name server in the spec (RFC 1035).

local address <const> = require "core.address"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local A <const>, NXDOMAIN <const> = 1, 3

local function read_name(query)
  local labels <const>, at = {}, 13
  while query:byte(at) ~= 0 do
    local label
    label, at = string.unpack("s1", query, at)
    labels[#labels + 1] = label
  end
  return table.concat(labels, "."), at + 1
end

local function packed(text)
  local bytes <const> = {}
  for byte in text:gmatch "%d+" do bytes[#bytes + 1] = string.char(byte) end
  return table.concat(bytes)
end

--- The answer to a query, with the IPv4 addresses that `zone` has for the name.
local function answer(query, zone)
  local name <const>, after <const> = read_name(query)
  local kind <const> = string.unpack(">I2", query, after)
  local known <const> = zone[name]
  local records <const> = {}
  for _, ip in ipairs(known and kind == A and known or {}) do
    records[#records + 1] = string.pack(">I2I2I2I4s2", 0xC00C, A, 1, 0, packed(ip))
  end
  local flags <const> = 0x8180 | (known and 0 or NXDOMAIN)
  return query:sub(1, 2) .. string.pack(">I2I2I2I2I2", flags, 1, #records, 0, 0) .. query:sub(13, after + 3)
    .. table.concat(records)
end

describe("a lookup", function()
  helper.leaves_nothing(before_each, after_each)

  local asked
  --- Serves a zone while `body` runs. The resolver keeps a socket for a while, so it is part of the set-up.
  local function with_zone(zone, body)
    local server <close> = assert(net.serve("udp://127.0.0.1:0", function(query)
      asked = asked + 1
      return zone and answer(query, zone) or nil
    end))
    net.name_servers(("127.0.0.1:%d"):format(server.address.port))
    body()
  end
  before_each(function() asked = 0 end)

  it("of a literal or a path asks nobody", function()
    with_zone({}, function()
      for _, url in ipairs { "tcp://127.0.0.1:80", "tcp://[::1]:80", "unix:@x" } do
        assert.equal(url, tostring(assert(net.lookup(url))[1]))
      end
      assert.equal(0, asked)
    end)
  end)

  it("gives every address of a name, with the port", function()
    with_zone({ ["two.example"] = { "127.0.0.2", "127.0.0.3" } }, function()
      local found <const> = assert(net.lookup "tcp://two.example:7000")
      local names <const> = { tostring(found[1]), tostring(found[2]) }
      table.sort(names)
      assert.same({ "tcp://127.0.0.2:7000", "tcp://127.0.0.3:7000" }, names)
      assert.equal(2, #found)
    end)
  end)

  it("of a name that does not exist fails, and says so", function()
    with_zone({}, function()
      local found <const>, message <const>, code <const> = net.lookup "tcp://none.example:7000"
      assert.same({ nil, "unreachable" }, { found, code })
      assert.matches("tcp://none.example:7000", message, 1, true)
    end)
  end)

  it("that nobody answers ends at its time limit, and at a deadline", function()
    with_zone(nil, function()
      assert.equal("timeout", (select(3, net.lookup("tcp://silent.example:7000", 0.01))))
      assert.equal("timeout", (select(3, task.deadline(0.01, net.lookup, "tcp://silent.example:7000"))))
    end)
  end)

  it("can be cancelled", function()
    with_zone(nil, function()
      local t <const> = task.spawn(net.lookup, "tcp://silent.example:7000")
      helper.eventually(function() return asked > 0 end)
      t:cancel()
      assert.equal("cancelled", (select(3, t:join())))
    end)
  end)

  it("is what connect does: it tries every address until one answers", function()
    with_zone({ ["two.example"] = { "127.0.0.2", "127.0.0.1" } }, function()
      local server <close> = assert(net.serve("tcp://127.0.0.1:0", function(conn) conn:write "hello" end))
      local conn <close> = assert(net.connect("tcp://two.example:" .. server.address.port))
      assert.equal("hello", conn:read_all())
      assert.equal("127.0.0.1", conn.peer.host)
    end)
  end)

  it("is what serve does: it serves every address of a name", function()
    with_zone({ ["here.example"] = { "127.0.0.1" } }, function()
      local server <close> = assert(net.serve("tcp://here.example:0", function(conn) conn:write "hello" end))
      local conn <close> = assert(net.connect(tostring(server.address)))
      assert.equal("hello", conn:read_all())
    end)
  end)

  it("takes localhost from the hosts file", function()
    local found <const> = assert(net.lookup "tcp://localhost:7000")
    assert.equal(7000, found[1].port)
    assert.is_true(found[1].host == "127.0.0.1" or found[1].host == "::1")
  end)

  it("refuses what is no address, naming what is wrong", function()
    for text, why in pairs {
      ["127.0.0.1:80"] = "scheme", ["tcp://127.0.0.1"] = "port", ["tcp://127.0.0.1:70000"] = "65535",
      ["tcp://[::1:80"] = "", ["gopher://x:1"] = "scheme", ["tcp://:80"] = "",
    } do
      local parsed <const>, message <const>, code <const> = address.parse(text)
      assert.same({ nil, "protocol" }, { parsed, code })
      assert.matches(why, message)
      assert.matches(text, message, 1, true)
    end
  end)
end)
