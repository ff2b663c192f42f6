local guard <const> = require "perigee.service.guard"
local helper <const> = require "spec.helper"
local machine <const> = require "perigee.service.machine"

local MEMORY <const> = "MemTotal:       2097152 kB\nMemFree: 5 kB\n"

--- What a machine with these files has, in MiB.
local function memory_with(files)
  local directory <close> = helper.directory(files)
  local bytes <const> = machine.memory(tostring(directory))
  return bytes and bytes / (1 << 20)
end

describe("the memory of a machine", function()
  helper.leaves_nothing(before_each, after_each)

  it("is what is installed", function()
    assert.equal(2048, memory_with { ["proc/meminfo"] = MEMORY })
    assert.equal(2048, memory_with { ["proc/meminfo"] = MEMORY, ["proc/self/cgroup"] = "0::/\n" })
  end)

  it("is less in a control group with a limit", function()
    assert.equal(256, memory_with { ["proc/meminfo"] = MEMORY, ["proc/self/cgroup"] = "0::/a/b\n",
      ["sys/fs/cgroup/a/b/memory.max"] = "max\n", ["sys/fs/cgroup/a/memory.max"] = "268435456\n" })
    assert.equal(128, memory_with { ["proc/meminfo"] = MEMORY, ["proc/self/cgroup"] = "0::/\n",
      ["sys/fs/cgroup/memory.max"] = "134217728\n" })
  end)

  it("is less in a control group of the older kind", function()
    assert.equal(64, memory_with { ["proc/meminfo"] = MEMORY, ["proc/self/cgroup"] = "5:cpu,memory:/a\n0::/\n",
      ["sys/fs/cgroup/memory/a/memory.limit_in_bytes"] = "67108864\n",
      ["sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n" })
  end)

  it("is not known where nothing tells", function()
    assert.is_nil(memory_with { ["other"] = "" })
  end)

  it("is halved and divided by the workers for the limit of a process, when that is less than 1 GiB", function()
    local all <const> = machine.memory()
    local function expected(workers) return math.min(1 << 30, math.max(64 << 20, all // 2 // workers)) end
    assert.equal(expected(1), guard.memory_limit {})
    assert.equal(expected(400), guard.memory_limit { workers = 400 })
  end)

  it("is of no importance when the limit of a process is given", function()
    assert.equal(5 << 20, guard.memory_limit { memory = 5 << 20, workers = 4 })
    assert.is_nil(guard.memory_limit { memory = 0 })
  end)
end)
