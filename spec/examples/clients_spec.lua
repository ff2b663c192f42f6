local helper <const> = require "spec.helper"

local function run(example, options)
  return helper.run(("%s run examples/%s.lua %s"):format(helper.binary, example, options))
end

describe("the example", function()
  helper.leaves_nothing(before_each, after_each)

  it("echo_client prints what the echo service sends back", function()
    local _ <close>, address <const> = helper.serve "scripts/echo.lua --set echo.listen=tcp://127.0.0.1:0"
    local options <const> = "--set echo_client.connect=" .. address
    assert.same({ "hello\n", 0 }, { run("echo_client", options) })
    assert.same({ "good morning\n", 0 }, { run("echo_client", options .. " --set echo_client.message='good morning'") })
  end)

  it("echo_client ends with the reason when nobody listens", function()
    local output <const>, status <const> = run("echo_client", "--set echo_client.connect=unix:@perigee-nobody")
    assert.matches("error echo_client  .*connect to unix:@perigee%-nobody: ", output)
    assert.matches("examples/echo_client.lua:%d+: in main chunk", output)
    assert.equal(1, status)
  end)

  it("time_client prints what time the time service says it is", function()
    local _ <close>, address <const> = helper.serve "scripts/time.lua --set time.listen=udp://127.0.0.1:0"
    local output <const>, status <const> = run("time_client", "--set time_client.connect=" .. address)
    assert.matches("^It is %a%a%a %a%a%a [ %d]%d %d%d:%d%d:%d%d %d%d%d%d\n$", output)
    assert.equal(0, status)
  end)

  it("thousand_clients talks from a thousand connections at a time", function()
    local clients <const> = helper.is_tiny and 200 or 1000
    local _ <close>, address <const> = helper.serve "scripts/echo.lua --set echo.listen=tcp://127.0.0.1:0"
    local output <const>, status <const> = run("thousand_clients",
      ("--set thousand_clients.connect=%s --set thousand_clients.clients=%d"):format(address, clients))
    assert.equal(("%d clients at a time, %d echoes\n"):format(clients, clients * 10), output)
    assert.equal(0, status)
  end)
end)
