local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local task <const> = require "perigee.task"

local A <const>, AAAA <const> = 1, 28
local NO_SUCH_NAME <const>, SERVER_FAILED <const> = 3, 2

--- What the name server knows: addresses, as the bytes of their records.
local zone <const> = {
  ["one.example"] = { [A] = { "\127\0\0\1" } },
  ["six.example"] = { [AAAA] = { ("\0"):rep(15) .. "\1" } },
  ["both.example"] = { [A] = { "\127\0\0\1" }, [AAAA] = { ("\0"):rep(15) .. "\1" } },
  ["several.example"] = { [A] = { "\127\0\0\2", "\127\0\0\3", "\127\0\0\4" } },
  ["two.example"] = { [A] = { "\127\0\0\2", "\127\0\0\3" } },
  ["empty.example"] = {},
}

--- The name and the type that a query asks for, and where its question ends.
local function parse(query)
  local labels <const>, position = {}, 13
  while true do
    local label
    label, position = string.unpack("s1", query, position)
    if label == "" then break end
    labels[#labels + 1] = label:lower()
  end
  return table.concat(labels, "."), string.unpack(">I2", query, position), position + 3
end

local function answer(query)
  local name <const>, kind <const>, question_end <const> = parse(query)
  if name:find "^silent" then return nil end
  local entry <const> = zone[name]
  local status <const> = name:find "^broken" and SERVER_FAILED or entry and 0 or NO_SUCH_NAME
  local records <const> = {}
  for _, data in ipairs(entry and entry[kind] or {}) do
    records[#records + 1] = string.pack(">I2I2I2I4s2", 0xc00c, kind, 1, 60, data)
  end
  return query:sub(1, 2) .. string.pack(">I2I2I2I2I2", 0x8180 | status, 1, #records, 0, 0) ..
    query:sub(13, question_end) .. table.concat(records)
end

--- The servers of the system, as a list for net.name_servers.
local function system_servers()
  local servers <const> = {}
  for line in io.lines "/etc/resolv.conf" do
    local server <const> = line:match "^nameserver%s+([%x.:]+)"
    if server then servers[#servers + 1] = (server:find ":" and "[%s]:53" or "%s:53"):format(server) end
  end
  return servers[1] and table.concat(servers, ",") or "127.0.0.1:53"
end

local function hosts(url)
  local names <const> = {}
  for i, at in ipairs(assert(net.lookup(url))) do names[i] = at.host end
  table.sort(names)
  return names
end

local assert_failure <const> = helper.assert_failure

describe("a lookup", function()
  helper.leaves_nothing(before_each, after_each)

  describe("", function()
    local server, queries
    before_each(function()
      queries = 0
      server = assert(net.serve("udp://127.0.0.1:0", function(query)
        queries = queries + 1
        return answer(query)
      end))
      net.name_servers("127.0.0.1:" .. server.address.port)
    end)
    after_each(function()
      server:close()
      net.name_servers(system_servers())
    end)

    it("finds the addresses of a name, and gives them the port and the scheme", function()
      assert.same({ "127.0.0.1" }, hosts "tcp://one.example:80")
      assert.same({ "::1" }, hosts "tcp://six.example:80")
      assert.same({ "127.0.0.1", "::1" }, hosts "tcp://both.example:80")
      assert.same({ "127.0.0.2", "127.0.0.3", "127.0.0.4" }, hosts "tcp://several.example:80")
      assert.same({ "127.0.0.1" }, hosts "udp://ONE.example:53")
      assert.equal("udp://127.0.0.1:53", tostring(net.lookup "udp://one.example:53"[1]))
    end)

    it("tells of names that do not exist or have no address, and of servers that fail", function()
      assert_failure("unreachable", "^look up tcp://nobody.example:80: name does not exist$",
        net.lookup "tcp://nobody.example:80")
      assert_failure("unreachable", "^look up tcp://empty.example:80: name has no address",
        net.lookup "tcp://empty.example:80")
      assert_failure("unreachable", "^look up tcp://broken.example:80: ", net.lookup "tcp://broken.example:80")
      assert_failure("unreachable", "^look up tcp://nobody.example:80: ", net.connect "tcp://nobody.example:80")
      assert_failure("unreachable", "^look up tcp://nobody.example:80: ", net.serve("tcp://nobody.example:80", print))
      assert_failure("unreachable", "^look up udp://nobody.example:80: ", net.udp "udp://nobody.example:80")
      assert_failure("unreachable", "^look up udp://nobody.example:80: ",
        net.udp(nil, { connect = "udp://nobody.example:80" }))
    end)

    it("tells when nobody is at the name server's address", function()
      server:close()
      assert_failure("unreachable", "^look up tcp://one.example:80: ", net.lookup "tcp://one.example:80")
    end)

    it("gives up in time", function()
      assert_failure("timeout", "^look up tcp://silent.example:80: timed out$",
        net.lookup("tcp://silent.example:80", 0.02))
      assert_failure("timeout", "timed out", net.lookup("tcp://silent.example:80", 0))
      assert_failure("timeout", "timed out", net.connect("tcp://silent.example:80", { timeout = 0.02 }))
      assert_failure("timeout", "the deadline has passed", task.deadline(0.02, net.lookup, "tcp://silent.example:80"))
    end)

    it("can be cancelled, and others go on", function()
      local t <const> = task.spawn(net.lookup, "tcp://silent.example:80")
      local other <const> = task.spawn(net.lookup, "tcp://silent.too.example:80", 0.05)
      helper.eventually(function() return queries >= 2 end)
      t:cancel()
      assert.equal("cancelled", (select(3, t:join())))
      assert.same({ "127.0.0.1" }, hosts "tcp://one.example:80")
      assert.equal("timeout", (select(3, other:join())))
    end)

    it("runs beside others", function()
      local found = 0
      task.group(function(group)
        for i = 1, 50 do
          group:spawn(function()
            local names <const> = hosts("tcp://several.example:" .. i)
            found = found + #names
            assert_failure("unreachable", "does not exist", net.lookup(("tcp://nobody%d.example:1"):format(i)))
          end)
        end
      end)
      assert.equal(150, found)
    end)

    it("is asked again when the name servers change", function()
      local silent <close> = net.serve("udp://127.0.0.1:0", function() end)
      net.name_servers("127.0.0.1:" .. silent.address.port)
      local t <const> = task.spawn(net.lookup, "tcp://one.example:80")
      task.sleep(0.005)
      assert.equal("waiting", t.state)
      net.name_servers("127.0.0.1:" .. server.address.port)
      assert.equal("127.0.0.1", t:join()[1].host)
    end)

    it("is not misled by garbage", function()
      local liar <close> = net.serve("udp://127.0.0.1:0", function(query, from, socket)
        local good <const> = answer(query)
        local another <const> = ("\0\0" .. good:sub(3)):gsub("\127", "\1")
        for _, bad in ipairs { "", "x", ("\255"):rep(500), another } do socket:send(bad, from) end
        return good
      end)
      net.name_servers("127.0.0.1:" .. liar.address.port)
      assert.same({ "127.0.0.1" }, hosts "tcp://one.example:80")
    end)

    it("survives answers that are cut anywhere", function()
      local length = 0
      local cutter <close> = net.serve("udp://127.0.0.1:0", function(query)
        length = length + 1
        return answer(query):sub(1, length)
      end)
      net.name_servers("127.0.0.1:" .. cutter.address.port)
      for _ = 1, 40 do net.lookup("tcp://several.example:80", 0.005) end
      net.name_servers("127.0.0.1:" .. server.address.port)
      assert.same({ "127.0.0.1" }, hosts "tcp://one.example:80")
    end)

    it("lets a connect try every address of a name", function()
      local found <const> = net.lookup "tcp://two.example:1"
      local last <const> = found[2]
      local listening <close> = assert(net.serve(("tcp://%s:0"):format(last.host),
        function(conn) conn:write "here" end))
      local conn <close> = assert(net.connect("tcp://two.example:" .. listening.address.port, { timeout = 20 }))
      assert.same({ "here", true }, { conn:read(4), conn.peer == listening.address })
      listening:close()
      assert_failure("refused", "^connect to tcp://127.0.0.%d:%d+ %(and 1 more%): Connection refused",
        net.connect(("tcp://two.example:%d"):format(listening.address.port)))
    end)

    it("refuses misuse, and is not disturbed by it", function()
      local function assert_misuse(pattern, f, ...)
        local ok <const>, message <const> = pcall(f, ...)
        assert.is_false(ok)
        assert.matches(pattern, message)
      end
      assert_misuse("seconds must be 0 or more", net.lookup, "tcp://one.example:80", -1)
      assert_misuse("number expected", net.lookup, "tcp://one.example:80", "soon")
      for _ = 1, 5 do task.sleep(0.001) end
      for _, list in ipairs { "", "x", "localhost:53", "127.0.0.1:65536", "127.0.0.1:53,", "[::1]", "127.0.0.1 53" } do
        assert_misuse("is no list of name servers", net.name_servers, list)
      end
      net.name_servers("127.0.0.1:" .. server.address.port .. ",[::1]:53,127.0.0.1")
      assert.same({ "127.0.0.1" }, hosts "tcp://one.example:80")
    end)
  end)
end)
