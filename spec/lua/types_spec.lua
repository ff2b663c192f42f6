--- The stubs under lua/types are what editors show. They are compared with what the binary really exports.

local modules <const> = { "address", "buffer", "connection", "datagram", "descriptor", "digest", "durable", "fanout",
  "file_watch", "http", "http_client", "json", "listener", "msgpack", "multipart", "process", "resp", "routes",
  "screen", "serial", "system", "task", "terminal", "tls", "websocket" }

local function is_function(value, what)
  return type(value) == "function" and debug.getinfo(value, "S").what == what
end

--- The library may add methods of its own to a class of the core.
local function names_of(table_of_functions, what)
  local names <const> = {}
  for name, value in pairs(table_of_functions) do
    if is_function(value, what) then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

--- The methods of a class that C registered: __index itself, or the upvalue of the function that it is.
local function methods_of(class)
  local index <const> = debug.getregistry()[class].__index
  if type(index) == "table" then return index end
  return select(2, debug.getupvalue(index, 1))
end

describe("the stubs of", function()
  for _, name in ipairs(modules) do
    local module <const> = require("core." .. name)
    local stub <const>, classes <const> = dofile("lua/types/core/" .. name .. ".lua")

    it("core." .. name .. " name the module's functions", function()
      assert.same(names_of(module, "C"), names_of(stub, "Lua"))
    end)

    for class, methods in pairs(classes) do
      it(class .. " name the class's methods", function()
        assert.same(names_of(methods_of(class), "C"), names_of(methods, "Lua"))
      end)
    end
  end
end)
