--- perigee new websocket NAME: a room, and a page for it.

return {
  try = "a browser at http://127.0.0.1:9081, twice",
  service = [==[
--- {{NAME}}: a room where everybody hears what anybody says, over WebSocket, with a page for it.
---   perigee run {{NAME}}.lua --watch     and two browsers at http://127.0.0.1:9081

local fanout <const> = require "perigee.fanout"
local http <const> = require "perigee.http"
local service <const> = require "perigee.service"

-- Each option can be set from outside: perigee run {{NAME}}.lua --set {{NAME}}.listen=http://*:9081
local options <const> = service.options { listen = "http://127.0.0.1:9081", history = 20, limit = 4000 }

-- What is to survive a reload is kept by a name; all else is made anew. Save this file under `run --watch`, or say
-- `perigee reload`: nobody has to leave the room. When its form changes, raise the version, and bring the old along:
--   service.state("room", initial, { version = 2, migrate = function(old, from) old.topic = "" return old end })
local room <const> = service.state("room", function() return { fanout = fanout.new(), history = {} } end)

-- A client ends on the code that it began with; what is `live` is called as it is now, and who has called it may stay
-- for as long as it likes. So change what is said here while the page is open, save, and say another thing.
local greet <const> = service.live("greet", function(socket)
  room.fanout:add(socket)
  if #room.history > 0 then socket:send(table.concat(room.history, "\n")) end
end)

local say <const> = service.live("say", function(text)
  table.insert(room.history, text)
  if #room.history > options.history then table.remove(room.history, 1) end
  room.fanout:write(text) -- to all of them; one that reads too slowly is cut off
end)

local PAGE <const> = [[<!doctype html><meta charset="utf-8"><title>{{NAME}}</title>
<form><input autofocus></form><pre></pre>
<script>
const socket = new WebSocket(location.origin.replace("http", "ws") + "/socket"), [form] = document.forms
socket.onmessage = event => document.querySelector("pre").append(event.data + "\n")
form.onsubmit = () => { socket.send(form[0].value); form.reset(); return false }
</script>]]

local app <const> = http.app()
app:get("/", function() return http.html(PAGE) end)

-- A task for each client; the socket is closed when it returns, and leaves the room then.
app:websocket("/socket", function(socket)
  greet(socket)
  for text, is_binary in socket:messages() do
    if not is_binary then say(text) end
  end
end, { limit = options.limit })

http.serve(options.listen, app)

-- Next: app:websocket("/rooms/{name}", f) is one for many rooms: f(socket, request) finds request.params.name; and more
-- than a few lines of page belong in files: app:static("/", service.path "public").
]==],
  spec = [==[
--- perigee test {{SPEC}}

local testing <const> = require "perigee.testing"
local websocket <const> = require "perigee.websocket"

local script <const> = (debug.getinfo(1, "S").source:match "^@(.*/)" or "") .. "../{{NAME}}.lua"

describe("{{NAME}}", function()
  local server

  local function join()
    return assert(websocket.connect(("ws://127.0.0.1:%d/socket"):format(server.port), { timeout = 5 }))
  end

  -- A server of its own for each test, at a free port.
  before_each(function() server = testing.run(script, { listen = "http://127.0.0.1:0", history = 2 }) end)
  after_each(function() server:close() end)

  it("lets everybody hear what anybody says", function()
    local ann <close> = join()
    local bob <close> = join()
    ann:send "hello"
    assert.equal("hello", (ann:receive()))
    assert.equal("hello", (bob:receive()))
    bob:send "hi Ann"
    assert.equal("hi Ann", (ann:receive()))
  end)

  it("tells who comes later what was said last", function()
    local ann <close> = join()
    for _, text in ipairs { "one", "two", "three" } do
      ann:send(text)
      ann:receive()
    end
    local bob <close> = join()
    assert.equal("two\nthree", (bob:receive()))
  end)
end)
]==],
}
