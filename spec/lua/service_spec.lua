local environment <const> = require "perigee.service.environment"
local helper <const> = require "spec.helper"
local instance <const> = require "perigee.service.instance"
local net <const> = require "perigee.net"
local options <const> = require "perigee.service.options"
local service <const> = require "perigee.service"

--- Makes the service of a script with this text, and loads it.
local function load_service(directory, name, given)
  local made <const> = instance.new(("%s/%s.lua"):format(directory, name), given)
  return made, made:load()
end

describe("options", function()
  local defaults <const> = { text = "a", whole = 1, real = 0.5, on = true, list = { "x" } }

  it("have their defaults when nothing is given", function()
    assert.same(defaults, options.merge(defaults, {}))
    assert.same(defaults, service.options(defaults))
  end)

  for _, case in ipairs {
    { "text", "", "" }, { "text", "1", "1" }, { "text", "a=b,c", "a=b,c" },
    { "whole", "7", 7 }, { "whole", "-7", -7 }, { "whole", "1e3", 1000 }, { "whole", "0x10", 16 },
    { "real", "2.25", 2.25 }, { "real", "2", 2.0 },
    { "on", "true", true }, { "on", "yes", true }, { "on", "on", true }, { "on", "1", true },
    { "on", "false", false }, { "on", "no", false }, { "on", "off", false }, { "on", "0", false },
    { "list", "", {} }, { "list", "a", { "a" } }, { "list", "a,b,c", { "a", "b", "c" } },
    { "list", " a b , c ", { "a b", "c" } },
  } do
    it(("take '%s' for %s"):format(case[2], case[1]), function()
      local value <const> = options.merge(defaults, { [case[1]] = case[2] })[case[1]]
      assert.same(case[3], value)
      assert.equal(math.type(defaults[case[1]]), math.type(value))
    end)
  end

  for _, case in ipairs {
    { "whole", "", "an? %l+" }, { "whole", "x", "a number" }, { "whole", "1.5", "an integer" },
    { "real", "fast", "a number" }, { "on", "maybe", "true or false" }, { "on", "", "true or false" },
    { "on", "TRUE", "true or false" },
  } do
    it(("refuse '%s' for %s"):format(case[2], case[1]), function()
      local ok <const>, message <const> = pcall(options.merge, defaults, { [case[1]] = case[2] })
      assert.is_false(ok)
      assert.matches(("^option '%s' must be %s, not '%s'$"):format(case[1], case[3], case[2]), message)
    end)
  end

  it("refuse a name that the script does not have, and name those that it has", function()
    assert.has_error(function() options.merge({ b = 1, a = 2 }, { c = "1" }) end,
      "there is no option 'c'; the options are: a, b")
  end)

  it("refuse a default that cannot be given as a text", function()
    assert.has_error(function() options.merge({ f = print }, { f = "1" }) end,
      "option 'f' has a default of type function")
  end)

  it("leave the defaults as they are", function()
    options.merge(defaults, { text = "b", list = "y,z" })
    assert.same({ text = "a", whole = 1, real = 0.5, on = true, list = { "x" } }, defaults)
  end)
end)

describe("perigee.service outside of services", function()
  it("belongs to none", function()
    assert.is_nil(service.current())
  end)

  it("refuses misuse with the argument's name", function()
    assert.error_matches(function() service.options "x" end, "bad argument 'defaults' %(a table expected%)")
    assert.error_matches(function() service.on_stop "x" end, "bad argument 'f' %(a function expected%)")
    assert.error_matches(function() service.on_stop(print) end, "on_stop is for services: this task belongs to none")
  end)
end)

describe("the environment of a service", function()
  it("has what Lua has, less what would reach into the process's modules", function()
    local names <const> = {}
    for name in pairs(environment "a.lua") do names[#names + 1] = name end
    table.sort(names)
    assert.equal("_G _VERSION assert collectgarbage coroutine debug dofile error getmetatable io ipairs load loadfile "
      .. "math next os pairs pcall print rawequal rawget rawlen rawset require select setmetatable string table "
      .. "tonumber tostring type utf8 warn xpcall", table.concat(names, " "))
  end)

  it("has copies of the standard libraries", function()
    local made <const> = environment "a.lua"
    made.string.shout = print
    assert.is_nil(rawget(string, "shout"))
    assert.equal(string.format, made.string.format)
  end)

  it("gives its globals to the chunks that it loads", function()
    local directory <close> = helper.directory { ["chunk.lua"] = "mark = 'file' return mark" }
    local made <const> = environment "a.lua"
    made.load "mark = 'text'" ()
    assert.equal("text", made.mark)
    assert.equal("file", made.dofile(tostring(directory) .. "/chunk.lua"))
    made.mark = nil
    made.loadfile(tostring(directory) .. "/chunk.lua")()
    assert.equal("file", made.mark)
    made.load("mark = 'elsewhere'", "=x", "t", {})()
    assert.equal("file", made.mark)
    assert.is_nil(rawget(_G, "mark"))
  end)

  it("requires the modules beside the script once, by name and by init.lua", function()
    local directory <close> = helper.directory {
      ["one.lua"] = "count = (count or 0) + 1 return { ... }",
      ["shop/init.lua"] = "return require 'shop.cart'", ["shop/cart.lua"] = "return 'cart'", ["nothing.lua"] = "",
    }
    local made <const> = environment(tostring(directory) .. "/a.lua")
    assert.equal(made.require "one", made.require "one")
    assert.same({ "one", tostring(directory) .. "/one.lua" }, made.require "one")
    assert.equal(1, made.count)
    assert.equal("cart", made.require "shop")
    assert.is_true(made.require "nothing")
    assert.is_nil(package.loaded.one)
  end)

  it("shares the library's modules, and keeps the runtime's own to the library", function()
    local made <const> = environment "a.lua"
    assert.equal(net, made.require "perigee.net")
    assert.error_matches(function() made.require "core.task" end,
      "module 'core.task' is the runtime's own: services use perigee.task")
  end)

  it("tells the error of a shared module as it is", function()
    local broken <const> = setmetatable({}, { __tostring = function() return "broken" end })
    package.preload["spec.broken"] = function() error(broken) end
    local ok <const>, failure <const> = pcall(environment "a.lua".require, "spec.broken")
    package.preload["spec.broken"] = nil
    assert.same({ false, true }, { ok, failure == broken })
  end)
end)

describe("a service", function()
  helper.leaves_nothing(before_each, after_each)

  for path, name in pairs {
    ["scripts/chat.lua"] = "chat", ["chat.lua"] = "chat", ["a.b/c.d.lua"] = "c.d", ["a/script"] = "script",
  } do
    it(("of %s is called %s"):format(path, name), function()
      local made <const> = instance.new(path)
      assert.equal(name, made.name)
      assert.equal(("service: %s (%s)"):format(name, path), tostring(made))
    end)
  end

  it("is current in its main chunk and in the tasks that it spawns", function()
    local directory <close> = helper.directory { ["a.lua"] = [[
      local service <const>, task <const> = require "perigee.service", require "perigee.task"
      seen = { service.current(), task.spawn(service.current):join() }
      service.on_stop(function() seen[3] = service.current() end)
      service.current().seen = seen
    ]] }
    local made <const>, loaded <const> = load_service(directory, "a")
    assert.is_true(loaded)
    local generation <const> = made.generation
    assert.same({ true, true }, { generation.seen[1] == generation, generation.seen[2] == generation })
  end)

  it("tells where its main chunk failed, from the script on", function()
    local directory <close> = helper.directory { ["a.lua"] = "local function f() error 'no' end\nf()" }
    local _ <const>, loaded <const>, failure <const> = load_service(directory, "a")
    assert.is_nil(loaded)
    assert.matches("a.lua:1: no$", failure.message)
    assert.matches("a.lua:2: in main chunk$", failure.traceback)
  end)

  it("loads with options, and not with those that it does not have", function()
    local directory <close> = helper.directory {
      ["a.lua"] = 'require "perigee.service".current().seen = require "perigee.service".options { n = 1 }.n',
      ["b.lua"] = "",
    }
    local a <const> = load_service(directory, "a", { n = "7" })
    assert.equal(7, a.generation.seen)
    local _ <const>, loaded <const>, failure <const> = load_service(directory, "b", { n = "7" })
    assert.is_nil(loaded)
    assert.matches("b.lua: there is no option 'n': the script declares none$", failure.message)
  end)

  it("is joined when its servers are closed and its tasks have ended", function()
    local directory <close> = helper.directory { ["a.lua"] = [[
      require "perigee.net".serve("tcp://127.0.0.1:0", function(conn) conn:pipe(conn) end)
    ]] }
    local made <const> = load_service(directory, "a")
    local conn <close> = assert(net.connect(made.generation.servers[1].address, { timeout = 20 }))
    conn:write "hello\n"
    assert.equal("hello", conn:read_line())
    local joined <const> = require "perigee.task".spawn(made.join, made)
    made:stop(error)
    assert.equal("timeout", (select(3, joined:join(0.001))))
    conn:close()
    joined:join()
    assert.equal(0, made:tasks())
  end)

  it("calls all that on_stop registered, and tells the errors", function()
    local directory <close> = helper.directory { ["a.lua"] = [[
      local service <const> = require "perigee.service"
      service.on_stop(function() error "one" end)
      service.on_stop(function() error "two" end)
    ]] }
    local made <const>, messages <const> = load_service(directory, "a"), {}
    made:stop(function(message, fields) messages[#messages + 1] = { message, fields.traceback } end)
    assert.matches("a.lua:2: one$", messages[1][1])
    assert.matches("a.lua:3: two$", messages[2][1])
    assert.matches("a.lua:2: in function", messages[1][2])
  end)
end)

describe("the path of a file beside the script", function()
  it("is in the script's directory, wherever the server was started", function()
    local text <const> = 'error(require("perigee.service").path "pages/x.html", 0)'
    local directory <close> = helper.directory { ["a.lua"] = text }
    local _ <const>, loaded <const>, failure <const> = load_service(tostring(directory), "a")
    assert.is_nil(loaded)
    assert.equal(tostring(directory) .. "/pages/x.html", failure.message)
  end)

  it("is beside the working directory outside of services", function()
    assert.equal("./pages", service.path "pages")
    assert.has_error(function() service.path() end, "bad argument 'name' (a string expected)")
  end)
end)
