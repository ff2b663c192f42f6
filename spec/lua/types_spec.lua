--- The stubs under lua/types are what editors show. They are compared with what the binary really exports.

local modules <const> = { "address", "buffer", "connection", "datagram", "json", "listener", "system", "task" }

local function names_of(table_of_functions)
  local names <const> = {}
  for name, value in pairs(table_of_functions) do
    if type(value) == "function" then names[#names + 1] = name end
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
      assert.same(names_of(module), names_of(stub))
    end)

    for class, methods in pairs(classes) do
      it(class .. " name the class's methods", function()
        assert.same(names_of(methods_of(class)), names_of(methods))
      end)
    end
  end
end)
