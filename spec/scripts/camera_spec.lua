local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"

local function start(options)
  return helper.serve("scripts/camera.lua --set camera.listen=http://127.0.0.1:0 " .. (options or ""))
end

--- Asks for the stream, and returns a function that reads its next picture. HTTP/1.0: there are no chunks.
local function watch(port)
  local conn <const> = assert(net.connect("tcp://127.0.0.1:" .. port, { timeout = 20 }))
  conn:write "GET /stream.mjpg HTTP/1.0\r\n\r\n"
  local head <const> = assert(conn:read_until "\r\n\r\n")
  assert.matches("\r\nContent-Type: multipart/x-mixed-replace; boundary=perigee-part\r\n", head .. "\r\n", 1, true)
  assert.equal("--perigee-part", conn:read_line())
  return conn, function()
    assert.equal("Content-Type: image/jpeg", conn:read_line())
    local length <const> = assert(conn:read_line()):match "^Content%-Length: (%d+)$"
    assert.equal("", conn:read_line())
    local picture <const> = assert(conn:read(math.tointeger(length)))
    assert.equal("\r\n--perigee-part\r\n", conn:read(18))
    return picture
  end
end

local function read_file(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

describe("the camera script", function()
  helper.leaves_nothing(before_each, after_each)

  it("shows the pictures of its folder one after the other", function()
    local _ <close>, _ <const>, port <const> = start "--set camera.rate=100"
    local conn <close>, next_picture <const> = watch(port)
    local known <const>, seen <const>, different = {}, {}, 0
    for i = 0, 23 do known[read_file(("scripts/camera/frames/%02d.jpg"):format(i))] = true end
    for _ = 1, 5 do
      local picture <const> = next_picture()
      assert.is_true(known[picture])
      if not seen[picture] then seen[picture], different = true, different + 1 end
    end
    assert.equal(5, different)
    conn:close()
  end)

  it("shows the same source to many", function()
    local _ <close>, _ <const>, port <const> = start "--set camera.rate=50"
    local conns <const>, pictures <const> = {}, {}
    for i = 1, 10 do
      local next_picture
      conns[i], next_picture = watch(port)
      pictures[i] = next_picture
    end
    for i = 1, 10 do assert.equal("\xFF\xD8", pictures[i]():sub(1, 2)) end
    for _, conn in ipairs(conns) do conn:close() end
  end)

  it("shows what a command writes", function()
    local folder <close> = helper.directory { ["one"] = "\xFF\xD8one\xFF\xD9", ["two"] = "\xFF\xD8two\xFF\xD9" }
    local command <const> = ("while true; do cat %s/one %s/two; sleep 0.05; done"):format(tostring(folder),
      tostring(folder))
    local _ <close>, _ <const>, port <const> = start(("--set camera.command='%s'"):format(command))
    local conn <close>, next_picture <const> = watch(port)
    local first <const> = next_picture()
    assert.matches("^\xFF\xD8[ot][nw][eo]\xFF\xD9$", first)
    assert.equal(first == "\xFF\xD8one\xFF\xD9" and "\xFF\xD8two\xFF\xD9" or "\xFF\xD8one\xFF\xD9", next_picture())
    conn:close()
  end)

  it("starts a command again that has ended, and says so", function()
    local process <const>, _ <const>, port <const> = start [[--set camera.command='printf "\377\330a\377\331"']]
    local _ <close> = process
    local conn <close>, next_picture <const> = watch(port)
    assert.equal("\xFF\xD8a\xFF\xD9", next_picture())
    assert.equal("\xFF\xD8a\xFF\xD9", next_picture())
    process:wait_for "the command is started again why=\"it has ended\""
    conn:close()
  end)

  it("goes on when its folder has no pictures, and says so", function()
    local folder <close> = helper.directory { ["notes.txt"] = "no picture" }
    local process <const>, url <const> = start("--set camera.folder=" .. tostring(folder))
    local _ <close> = process
    local viewer <close> = helper.start(("curl -s -m 20 %s/stream.mjpg"):format(url))
    process:wait_for "warn  camera  no pictures folder="
    assert.matches("<title>Camera</title>", (helper.run(("curl -s -m 20 %s/"):format(url))), 1, true)
    viewer:signal "KILL"
  end)

  it("has a page", function()
    local _ <close>, url <const> = start()
    local output <const> = helper.run(("curl -s -m 20 %s/"):format(url))
    assert.matches('<img id="picture" src="stream.mjpg"', output, 1, true)
  end)
end)
