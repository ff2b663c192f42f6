local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local system <const> = require "core.system"
local task <const> = require "perigee.task"

local sanitized <const> = system.versions().sanitized -- ASan keeps what is freed
local slow <const> = helper.is_tiny or sanitized
local CLIENTS <const> = slow and 500 or 10000
local LARGEST <const> = helper.is_tiny and 2000 or 1000000 -- bytes of a message
local SECONDS <const> = slow and 0.2 or 3                    -- over which the messages begin

--- One long random text that every message is a piece of.
local function random_text(length)
  local words <const> = {}
  for i = 1, length // 8 + 1 do words[i] = string.pack("j", math.random(0)) end
  return table.concat(words):sub(1, length)
end

--- From 1 to `largest`, each order of magnitude as often as the others.
local function random_size(largest)
  return math.floor(math.exp(math.random() * math.log(largest)) + 0.5)
end

local function write_in_pieces(conn, message)
  local at = 1
  while at <= #message do
    local size <const> = random_size(#message - at + 1)
    assert(conn:write(message:sub(at, at + size - 1)))
    at = at + size
    if math.random() < 0.05 then task.sleep(0) end
  end
end

local function echo_message(conn, text)
  local size <const> = random_size(LARGEST)
  local from <const> = math.random(#text - size)
  local message <const> = text:sub(from, from + size - 1)
  task.group(function(group)
    group:spawn(write_in_pieces, conn, message)
    if assert(conn:read(size)) ~= message then error "the echo differs from what was sent" end
  end)
end

--- Connects `count` clients, then lets each send a message at a random moment; all stay until the last is done.
local function wave(address, count, text)
  local connections <const> = {}
  for i = 1, count do connections[i] = assert(net.connect(address)) end
  task.group(function(group)
    for _, conn in ipairs(connections) do
      group:spawn(function()
        task.sleep(math.random() * SECONDS)
        echo_message(conn, text)
      end)
    end
  end)
  for _, conn in ipairs(connections) do conn:close() end
end

describe("ten thousand clients on one process #load", function()
  helper.leaves_nothing(before_each, after_each)

  it("get every byte back, and leave nothing behind", function()
    system.raise_descriptor_limit()
    local server <close> = helper.start(helper.binary .. " run --drain 0 spec/fixtures/measured_echo.lua")
    local address <const>, control <const> = server:wait_for "address=(%S+)[^\n]*\n[^\n]*address=(%S+)"
    local asked <close> = assert(net.connect(control))
    local function measure()
      asked:write "?\n"
      local alive <const>, kilobytes <const> = assert(asked:read_line()):match "^(.*) (%d+)$"
      return alive, tonumber(kilobytes)
    end
    local text <const> = random_text(2 * LARGEST)
    local function wave_and_settle(fresh, limit)
      wave(address, CLIENTS, text)
      return select(2, helper.eventually(function()
        local alive <const>, memory <const> = measure()
        return alive == fresh and (sanitized or memory <= limit), memory
      end))
    end
    -- libev keeps its tables of descriptors and events at the size of the peak: some hundred bytes a client, once.
    local fresh <const>, at_start <const> = measure()
    local settled <const> = wave_and_settle(fresh, at_start + math.max(2048, CLIENTS // 4)) -- KiB
    wave_and_settle(fresh, settled * 1.1)
  end)
end)
