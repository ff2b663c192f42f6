--- What holds for every example.

local lfs <const> = require "lfs"

local function read_file(path)
  local file <close> = assert(io.open(path))
  return file:read "a"
end

local function files_of(directory)
  local paths <const> = {}
  for name in lfs.dir(directory) do
    if name:find "%.lua$" then paths[#paths + 1] = directory .. "/" .. name end
  end
  table.sort(paths)
  return paths
end

local specs = ""
for _, path in ipairs(files_of "spec/examples") do specs = specs .. read_file(path) end

describe("each example", function()
  for _, path in ipairs(files_of "examples") do
    local text <const>, name <const> = read_file(path), path:match "([^/]+)%.lua$"

    it(name .. " has a spec that runs it", function()
      assert.truthy(specs:find(' it%(+"' .. name .. " "))
    end)

    it(name .. " says first what it is, in forty lines or fewer", function()
      assert.matches("^%-%-%- %u", text)
      assert.is_true(select(2, text:gsub("\n", "")) <= 40)
    end)

    it(name .. " requires the public library alone", function()
      for module in text:gmatch 'require%s*%(?"([^"]+)' do assert.matches("^perigee%.", module) end
    end)
  end
end)
