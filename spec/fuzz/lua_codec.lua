--- Fuzzes the codecs that are written in Lua: damages what each file in spec/fuzz/lua/ gives as seeds, and looks
--- whether the codec bears it. Run by spec/fuzz/run, in the build with ASan and UBSan:
---   PERIGEE_FUZZ_SECONDS=5 build-asan/perigee test spec/fuzz/lua_codec.lua
--- A target is { seeds = strings, check = a function that is given bytes, raises when the codec does what it must not,
--- and returns what became of them: a text without numbers or names in it, which tells the outcomes apart }. The bytes
--- under way are in build/fuzz/lua_TARGET.input, those that broke a target are kept in spec/fuzz/crashes/, and are
--- tried first.

local lfs <const> = require "lfs"
local mutations <const> = require "spec.fixtures.mutations"
local task <const> = require "perigee.task"

local seconds <const> = tonumber(os.getenv "PERIGEE_FUZZ_SECONDS") or 1
local seed <const> = math.tointeger(tonumber(os.getenv "PERIGEE_FUZZ_SEED")) or os.time()

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  file:write(bytes)
end

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function files_of(directory)
  local names <const> = {}
  if lfs.attributes(directory, "mode") ~= "directory" then return names end
  for name in lfs.dir(directory) do
    if not name:find "^%." then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

local function checking(name, target)
  local crashes <const> = "spec/fuzz/crashes/lua_" .. name
  return function(bytes)
    write(("build/fuzz/lua_%s.input"):format(name), bytes)
    local ok <const>, outcome <const> = pcall(target.check, bytes)
    if ok then return outcome end
    lfs.mkdir(crashes)
    local path <const> = ("%s/%s"):format(crashes, require "core.digest".digest(bytes, "sha1")
      :gsub(".", function(char) return ("%02x"):format(char:byte()) end))
    write(path, bytes)
    error(("%s (the bytes are in %s)"):format(tostring(outcome), path), 0)
  end
end

describe("the codec", function()
  for _, file in ipairs(files_of "spec/fuzz/lua") do
    local name <const> = file:match "^(.*)%.lua$"
    it(name .. " bears whatever comes", function()
      lfs.mkdir "build"
      lfs.mkdir "build/fuzz"
      local target <const> = dofile("spec/fuzz/lua/" .. file)
      local check <const> = checking(name, target)
      for _, crash in ipairs(files_of("spec/fuzz/crashes/lua_" .. name)) do
        check(read(("spec/fuzz/crashes/lua_%s/%s"):format(name, crash)))
      end
      local ended <const> = task.now() + seconds
      local count <const> = mutations.run(target.seeds, check, function(done)
        if done % 256 == 0 then task.sleep(0) end
        return task.now() >= ended
      end, seed)
      print(("%-10s %d runs with seed %d, nothing found"):format("lua_" .. name .. ":", count, seed))
    end)
  end
end)
