--- Camera: one source of pictures, any number of viewers (multipart/x-mixed-replace).
---   http://127.0.0.1:8000                     the page; /stream.mjpg is the stream alone
---   --set camera.folder=DIRECTORY             JPEGs of a folder, one after the other, again and again
---   --set camera.command='ffmpeg -i /dev/video0 -f mjpeg -'     what a command writes: JPEGs, one after the other
--- With workers the first one serves it alone: the command runs once, and all viewers see the same picture.

local fanout <const> = require "perigee.fanout"
local file <const> = require "perigee.file"
local http <const> = require "perigee.http"
local log <const> = require "perigee.log"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local options <const> = service.options {
  listen = "http://127.0.0.1:8000", folder = service.path "camera/frames", command = "", rate = 10,
  frame_limit = 8 * 1024 * 1024,
}

service.in_one_worker()

local BEGIN <const>, END <const> = "\xFF\xD8", "\xFF\xD9" -- of a JPEG

--- A viewer that cannot keep up misses pictures, and sees a later one.
local viewers <const> = fanout.new { policy = "drop", limit = 1024 * 1024 }

--- Shows the pictures of the folder, in the order of their names; while nobody looks, it waits.
local function show_folder()
  local names <const>, message <const> = file.list(options.folder)
  local shown = 0
  for _, name in ipairs(names or {}) do
    while #viewers == 0 do task.sleep(0.1) end
    local picture <const> = name:find "%.jpe?g$" and file.read(options.folder .. "/" .. name)
    if picture then
      shown = shown + 1
      viewers:write(picture)
      task.sleep(1 / options.rate)
    end
  end
  if shown > 0 then return end
  log.warn("no pictures", { folder = options.folder, why = message })
  task.sleep(5)
end

--- Shows what the command writes, as it comes.
local function show_command()
  local output <close>, message = file.run(options.command)
  while output do
    local bytes <const>, why <const>, code <const> = output:read_until(END, options.frame_limit)
    if not bytes then
      message = code ~= "closed" and why or "it has ended"
      break
    end
    local start <const> = bytes:find(BEGIN, 1, true)
    if start then viewers:write(bytes:sub(start) .. END) end
  end
  log.warn("the command is started again", { why = message })
  task.sleep(1)
end

task.spawn(function()
  local show <const> = options.command ~= "" and show_command or show_folder
  while true do show() end
end)

local app <const> = http.app()
app:get("/stream.mjpg", function() return http.multipart(viewers, { type = "image/jpeg" }) end)
app:use(function(request, next)
  return http.of(next(request)):set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:")
end)
app:static("/", service.path "camera")
http.serve(options.listen, app)
