local buffer <const> = require "perigee.buffer"
local json <const> = require "perigee.codec.json"
local log <const> = require "perigee.log"
local rpc <const> = require "perigee.rpc"
local task <const> = require "perigee.task"

local function values(...) return table.pack(...) end

describe("a service of methods", function()
  local api <const> = rpc.service {
    add = function(x, y) return x + y end,
    nothing = function() end,
    count = function(...) return select("#", ...) end,
    find = function(name) return nil, "there is no " .. name, "unreachable" end,
    refuse = function() error(rpc.fault(404, "no such item", { item = 7 })) end,
    math = { sub = { function(x, y) return x - y end, help = "The difference.", parameters = { "from", "what" } } },
  }
  local logged

  before_each(function()
    logged = {}
    log.configure { write = function(line) logged[#logged + 1] = line end }
  end)
  after_each(function() log.configure { write = function(line) io.stderr:write(line) end } end)

  it("calls them by position", function()
    assert.same({ true, 5, n = 2 }, values(api:call("add", { 2, 3 })))
    assert.same({ true, nil, n = 2 }, values(api:call "nothing"))
  end)

  it("calls them by the names of their parameters", function()
    assert.same({ true, 5, n = 2 }, values(api:call("add", nil, { y = 3, x = 2 })))
    assert.same({ true, 7, n = 2 }, values(api:call("math.sub", nil, { from = 10, what = 3 })))
    assert.same({ true, 7, n = 2 }, values(api:call("math.sub", { 10 }, { what = 3 })))
  end)

  it("gives nil for null, and knows how many there are", function()
    assert.same({ true, 3, n = 2 }, values(api:call("count", { 1, json.null, json.null })))
    assert.same({ true, 2, n = 2 }, values(api:call("count", { n = 2 })))
  end)

  it("has names for methods in tables", function()
    assert.same({ true, 7, n = 2 }, values(api:call("math.sub", { 10, 3 })))
    assert.equal("The difference.", api:describe "math.sub".help)
    assert.same({ "from", "what" }, api:describe "math.sub".parameters)
    assert.same({ "x", "y" }, api:describe "add".parameters)
  end)

  local function fault_of(...)
    local ok <const>, fault <const> = api:call(...)
    assert.is_false(ok)
    assert.is_true(rpc.is_fault(fault))
    return fault
  end

  it("says that there is no such method", function()
    local fault <const> = fault_of "divide"
    assert.same({ -32601, "there is no method divide" }, { fault.code, fault.message })
  end)

  it("counts parameters, and knows their names", function()
    assert.same({ "add takes 2 parameters, not 3", -32602 },
      { fault_of("add", { 1, 2, 3 }).message, rpc.codes.INVALID_PARAMETERS })
    assert.equal("add has no parameter z", fault_of("add", nil, { z = 1 }).message)
    assert.equal("add is given x twice", fault_of("add", { 1 }, { x = 1, y = 2 }).message)
  end)

  it("tells that parameters are missing when a method fails without them", function()
    local fault <const> = fault_of("add", { 1 })
    assert.same({ "add has failed: it has 2 parameters, and 1 came", -32602 }, { fault.message, fault.code })
    assert.equal("find has failed: it has 1 parameter, and 0 came", fault_of("find").message)
    assert.same({ true, 0, n = 2 }, values(api:call "count"))
  end)

  it("gives the faults that methods raise as they are", function()
    local fault <const> = fault_of "refuse"
    assert.same({ 404, "no such item", { item = 7 } }, { fault.code, fault.message, fault.data })
    assert.equal("no such item", tostring(fault))
    assert.same({}, logged)
  end)

  it("makes a fault of nil, message", function()
    local fault <const> = fault_of("find", { "lamp" })
    assert.same({ 1, "there is no lamp", "unreachable" }, { fault.code, fault.message, fault.data })
  end)

  it("keeps the errors of methods to itself, and logs them with their traceback", function()
    local fault <const> = fault_of("add", { {}, 1 })
    assert.same({ -32603, "internal error" }, { fault.code, fault.message })
    assert.is_nil(fault.data)
    assert.equal(1, #logged)
    assert.truthy(logged[1]:find("arithmetic on a table value", 1, true))
    assert.truthy(logged[1]:find("service_spec.lua:", 1, true))
  end)

  it("takes what a method raises for an error, whatever that is, but for an interruption of its task", function()
    local service <const> = rpc.service {
      fail = function(value) error(value) end, sleep = function() task.sleep(60) end,
    }
    for number, value in ipairs { io.stdout, json.null, buffer.new(5), coroutine.create(print), {} } do
      local ok <const>, fault <const> = service:call("fail", { value })
      assert.same({ false, "internal error" }, { ok, fault.message }, number)
    end
    assert.same({ nil, "the deadline has passed", "timeout" },
      { task.deadline(0.001, service.call, service, "sleep", {}) })
  end)

  it("lists them all, with those that every service has", function()
    local names <const> = api:list()
    assert.same({ "add", "count", "find", "math.sub", "nothing", "refuse" }, { table.unpack(names, 1, 6) })
    assert.truthy(api:describe "system.listMethods")
    assert.truthy(api:describe "rpc.discover")
  end)

  it("refuses what is no method", function()
    assert.error_matches(function() rpc.service { add = 5 } end, "method 'add' must be a function.* not a number")
    assert.error_matches(function() rpc.service { a = { b = true } } end, "method 'a.b' must be a function")
    assert.error_matches(function() rpc.service { ["a.b"] = print, a = { b = print } } end, "'a.b' is there twice")
    assert.error_matches(function() rpc.service { "x" } end, "names of methods must be strings")
    assert.error_matches(function() rpc.service { ["system.x"] = print } end, "names that begin with rpc. and system.")
    assert.error_matches(function() rpc.service(nil) end, "bad argument 'methods'")
    assert.error_matches(function() rpc.service { f = { print, help = 1 } } end, "help of method 'f' must be a string")
    assert.error_matches(function() rpc.fault("x", "y") end, "bad argument 'code'")
    assert.error_matches(function() api:serve { soap = "http://127.0.0.1:0" } end, "there is no protocol 'soap'")
  end)
end)

describe("a proxy", function()
  it("is of a protocol that its URL or its options name", function()
    assert.error_matches(function() rpc.connect "ftp://x" end, "none of http://")
    assert.error_matches(function() rpc.connect("tcp://127.0.0.1:1", { protocol = "soap" }) end, "no protocol 'soap'")
    assert.equal("remote tcp://127.0.0.1:1: math.sub", tostring(rpc.connect "tcp://127.0.0.1:1".math.sub))
    assert.error_matches(function() rpc.connect "tcp://127.0.0.1:1"() end, "called by a method's name")
  end)
end)
