--- TLS in workers: sessions begin in the worker, also where the supervisor accepts, and any worker resumes those of
--- another.

local certificates <const> = require "spec.fixtures.certificates"
local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local tls <const> = require "perigee.tls"
local workers <const> = require "spec.fixtures.workers"

local SCRIPT <const> = [[
local net <const>, service <const> = require "perigee.net", require "perigee.service"
net.serve("tls://127.0.0.1:0?certificate=%s&key=%s", function(conn)
  conn:write(service.worker, "\n")
  conn:read_line()
end)
]]

--- Connects with one context, so that sessions are resumed: the client, which worker it is at, and whether it was
--- known.
local function visit(address, context)
  local conn <const> = assert(net.connect(address, { tls = context, server_name = "localhost", timeout = 20 }))
  return conn, conn:read_line(), conn.tls.resumed
end

describe("workers with TLS", function()
  helper.leaves_nothing(before_each, after_each)

  for what, options in pairs { ["a port that they share"] = "--workers 2", ["--balance"] = "--workers 2 --balance" } do
    it("resume each other's sessions, with " .. what, function()
      local own <const> = certificates.of "localhost"
      local context <const> = assert(tls.client(certificates.trusting()))
      local _ <close>, address <const> = workers.serve(SCRIPT:format(own.certificate, own.key), options)
      local first <close>, worker <const>, was_known <const> = visit(address, context)
      assert.is_false(was_known)
      helper.eventually(function()
        local _ <close>, other <const>, is_known <const> = visit(address, context)
        assert.is_true(is_known)
        return other ~= worker
      end)
      assert.is_true(first.is_open)
    end)
  end
end)
