--- What specs share: nothing may be left behind, ports are free ones, waits are for events.

local assert <const> = require "luassert"
local core <const> = require "core.task"
local task <const> = require "perigee.task"
local system <const> = require "core.system"

local M <const> = {}

-- The loop makes its descriptor for signals with the first one that is watched: before any test counts descriptors.
system.on_signal("WINCH", function() end):stop()
-- The memory that local: means is held until the process ends.
require "perigee.place".memory()

--- Whether this is the build with 7-byte blocks: sizes that would take minutes there are cut by the specs.
M.is_tiny = system.versions().tiny

--- Asserts that f(...) raises a message that has the pattern.
function M.assert_misuse(pattern, f, ...)
  local ok <const>, message <const> = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

--- Asserts that the further arguments are nil, a message that has the pattern, and the code.
function M.assert_failure(code, pattern, ...)
  local value <const>, message <const>, got <const> = ...
  assert.same({ nil, code }, { value, got })
  assert.matches(pattern, message)
end

--- Waits until `condition` returns something true, and returns all that it returns; raises after `seconds`
--- (default 20).
---@param condition fun(): any
---@param seconds number?
function M.eventually(condition, seconds)
  local deadline <const> = task.now() + (seconds or 20)
  while true do
    local values <const> = table.pack(condition())
    if values[1] then return table.unpack(values, 1, values.n) end
    if task.now() > deadline then error("the condition did not come true in time", 2) end
    task.sleep(0.002)
  end
end

--- Connections that the HTTP client keeps for the next request are not what a test leaves behind.
local function close_idle_connections()
  require("core.http_client").close_idle()
end

local function open_descriptors()
  local count = 0
  for _ in require "lfs".dir "/proc/self/fd" do count = count + 1 end
  return count
end

local function alive()
  local counts <const> = task.counts()
  counts.refused = nil
  counts.descriptors = open_descriptors()
  return counts
end

local function describe_counts(counts)
  local names <const> = {}
  for name, count in pairs(counts) do names[#names + 1] = name .. "=" .. count end
  table.sort(names)
  return table.concat(names, " ")
end

--- To be called in a describe: after each of its tests, as many tasks, connections, listeners, datagram sockets, drains
--- and descriptors are alive as before. (busted gives its functions to spec files alone, so they are passed.)
function M.leaves_nothing(before_each, after_each)
  local before
  before_each(function()
    close_idle_connections()
    collectgarbage()
    before = describe_counts(alive())
  end)
  after_each(function()
    local after
    local clean <const> = pcall(M.eventually, function()
      close_idle_connections()
      collectgarbage()
      after = describe_counts(alive())
      return after == before
    end, 10)
    if not clean then error("left behind:\n  before " .. before .. "\n  after  " .. after) end
  end)
end

--- A listening Unix socket whose backlog is full, so that a connect to it waits: { address =, close() }.
function M.unanswered_address()
  local net <const> = require "perigee.net"
  local path <const> = "unix:@perigee-spec-" .. system.pid() .. "-" .. math.random(1 << 40)
  local function hold(conn) conn:read_all() end
  local server <const> = assert(net.serve(path, hold, { backlog = 1, max_connections = 1 }))
  local filling <const> = {}
  while #filling < 16 do
    local conn <const> = net.connect(path, { timeout = 0.05 })
    if not conn then break end
    filling[#filling + 1] = conn
  end
  return { address = path, close = function()
    for _, conn in ipairs(filling) do conn:abort() end
    server:close()
  end }
end

--- Collects the messages of errors that no join gets, until it is closed: to be held in a <close> variable.
---@return string[]
function M.failures()
  local function report(message, traceback) io.stderr:write("perigee: ", message, "\n", traceback, "\n") end
  local messages <const> = setmetatable({}, { __close = function() core.on_failure(report) end })
  core.on_failure(function(message) messages[#messages + 1] = message end)
  return messages
end

local function pair(url, serving, connecting)
  local net <const> = require "perigee.net"
  local accepted <const> = task.channel(1)
  local server <close> = assert(net.serve(url, function(conn)
    accepted:send(conn)
    while conn.is_open do task.sleep(0.002) end
  end, serving))
  local client <const> = assert(net.connect(tostring(server.address), connecting))
  return client, accepted:receive()
end

--- Two connections that are connected over TCP: the client's and the server's end.
---@param options { send_buffer: integer, receive_buffer: integer }?
function M.tcp_pair(options)
  return pair("tcp://127.0.0.1:0", options, options)
end

local function with_tls(options, tls)
  local result <const> = { tls = tls }
  for name, value in pairs(options or {}) do result[name] = value end
  return result
end

--- The same over TLS.
---@param options { send_buffer: integer, receive_buffer: integer }?
---@param version "1.2"|"1.3"?
function M.tls_pair(options, version)
  local certificates <const> = require "spec.fixtures.certificates"
  return pair("tls://127.0.0.1:0", with_tls(options, certificates.of "localhost"),
    with_tls(options, certificates.trusting(nil, { max_version = version })))
end

--- By name: what makes two connected ends over each transport, for specs that are to hold over all of them.
---@type table<string, fun(): any, any>
M.transports = {
  ["TCP"] = M.tcp_pair,
  ["TLS"] = M.tls_pair,
  ["net.pair"] = function() return require "perigee.net".pair() end,
}

--- A path for a test, at which nothing is.
---@return string
function M.temporary_name()
  local path <const> = os.tmpname()
  os.remove(path)
  return path
end

local function read_file(path)
  local file <close> = io.open(path, "rb")
  return file and file:read "a"
end

--- A directory with these files, until it is closed: to be held in a <close> variable. tostring() is its path.
---@param files table<string, string> texts by name: "a.lua", "shop/init.lua"
function M.directory(files)
  local path <const> = M.temporary_name()
  for name, text in pairs(files) do
    os.execute(("mkdir -p '%s'"):format((path .. "/" .. name):match "^(.*)/"))
    local file <close> = assert(io.open(path .. "/" .. name, "w"))
    file:write(text)
  end
  return setmetatable({}, {
    __tostring = function() return path end,
    __close = function() os.execute(("rm -rf '%s'"):format(path)) end,
  })
end

--- Runs a shell command without blocking the loop, and waits for its end.
---@param command string
---@return string output of both kinds
---@return integer status
function M.run(command)
  local base <const> = os.tmpname()
  local script <const> = "{ (%s) > %s.out 2>&1; echo $? > %s.new; mv %s.new %s.status; } &"
  os.execute(script:format(command, base, base, base, base))
  local status <const> = M.eventually(function() return read_file(base .. ".status") end, 120)
  local output <const> = read_file(base .. ".out")
  os.execute(("rm -f %s %s.*"):format(base, base))
  return output, math.tointeger(tonumber(status))
end

--- Runs a Python program, with `arguments` in sys.argv. Debian's Python, which sees the modules that apt installed.
---@param program string
---@param arguments string?
---@return string output of both kinds
---@return integer status
function M.python(program, arguments)
  local path <const> = os.tmpname()
  local file <const> = assert(io.open(path, "w"))
  file:write(program)
  file:close()
  local output <const>, status <const> = M.run(("/usr/bin/python3 %s %s"):format(path, arguments or ""))
  os.remove(path)
  return output, status
end

local function absolute(path)
  return path:find "^/" and path or require "lfs".currentdir() .. "/" .. path
end

--- The binary that runs this spec, to be run as a user would, from whatever directory.
M.binary = absolute(os.getenv "PERIGEE"
  or require "lfs".symlinkattributes("/proc/self/exe", "target"):gsub(" %(deleted%)$", ""))

---@class spec.Process
---@field pid integer
---@field log string path of what it wrote
local Process <const> = {}
Process.__index = Process

function Process:output()
  return read_file(self.log) or ""
end

--- Waits until the output has the pattern, and returns its captures; raises when the process ends without it.
function Process:wait_for(pattern)
  local ok <const>, found <const> = pcall(M.eventually, function()
    local ended <const> = self:has_ended() -- asked first: if so, the output is whole
    return self:output():find(pattern) or ended
  end)
  if not ok or found == true then error(("no '%s' in the output:\n%s"):format(pattern, self:output()), 2) end
  return self:output():match(pattern)
end

function Process:has_ended()
  return read_file(self.log .. ".status") ~= nil
end

function Process:signal(name)
  os.execute(("kill -%s %d 2>/dev/null"):format(name, self.pid))
end

--- Waits for its end.
---@return integer status
function Process:wait()
  local status <const> = M.eventually(function() return read_file(self.log .. ".status") end, 60)
  return math.tointeger(tonumber(status))
end

function Process:__close()
  if not self:has_ended() then self:signal "KILL" end
  self:wait()
  os.execute(("rm -f %s %s.*"):format(self.log, self.log))
end

--- Starts a command in the background, its output in a file. To be held in a <close> variable.
---@param command string a simple command: no pipes or lists
---@return spec.Process
function M.start(command)
  local log <const> = os.tmpname()
  local script <const> = "(%s > %s 2>&1 & echo $! > %s.pid; wait $!; " ..
    "echo $? > %s.new; mv %s.new %s.status) > /dev/null 2>&1 &"
  os.execute(script:format(command, log, log, log, log, log))
  local pid <const> = M.eventually(function() return (read_file(log .. ".pid") or ""):match "(%d+)\n" end)
  return setmetatable({ pid = math.tointeger(tonumber(pid)), log = log }, Process)
end

--- Runs scripts with the binary until it is closed, and waits until the first address is served.
---@param arguments string of perigee run; without --drain it is --drain 0
---@return spec.Process
---@return string address the first
---@return integer? port
function M.serve(arguments)
  local drain <const> = arguments:find("--drain ", 1, true) and "" or "--drain 0 "
  local process <const> = M.start(M.binary .. " run " .. drain .. arguments)
  local address <const> = process:wait_for "listening address=(%S+)"
  return process, address, math.tointeger(tonumber(address:match ":(%d+)$"))
end

return M
