--- perigee new http NAME: a resource in JSON.

return {
  try = "curl -d '{\"text\":\"hello\"}' http://127.0.0.1:9080/notes",
  service = [==[
--- {{NAME}}: notes that can be made and read, over HTTP.
---   perigee run {{NAME}}.lua --watch     and in another terminal:
---   curl -d '{"text":"hello"}' http://127.0.0.1:9080/notes     curl http://127.0.0.1:9080/notes

local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local service <const> = require "perigee.service"

-- Each option can be set from outside: perigee run {{NAME}}.lua --set {{NAME}}.listen=http://*:9080
local options <const> = service.options { listen = "http://127.0.0.1:9080", most = 1000 }

-- What is to survive a reload is kept by a name; all else is made anew. Save this file under `run --watch`, or say
-- `perigee reload`: the notes are still there. When their form changes, raise the version, and bring the old along:
--   service.state("notes", initial, { version = 2, migrate = function(old, from) return old end })
local notes <const> = service.state("notes", function() return { list = json.array {} } end)

local app <const> = http.app()

app:get("/", function() return ("{{NAME}} has %d notes\n"):format(#notes.list) end) -- a string is answered as text

app:get("/notes", function() return notes.list end) -- a table as JSON

app:get("/notes/{id}", function(request)
  return notes.list[tonumber(request.params.id)] or http.error(404, "there is no such note")
end)

app:post("/notes", function(request)
  local given <const>, message <const>, code <const> = request:json()
  if message then return http.refuse(message, code) end -- it was no JSON, or too long, or too slow
  local text <const> = type(given) == "table" and given.text
  if type(text) ~= "string" then return http.error(422, "text: a string is expected") end
  if #notes.list >= options.most then return http.error(507, "there are too many notes") end
  local note <const> = { id = #notes.list + 1, text = text }
  notes.list[note.id] = note
  return http.created("/notes/" .. note.id, note)
end)

http.serve(options.listen, app)

-- Next: app:static("/files", service.path "public") serves a directory; app:use(http.basic_auth(...)) asks for a name;
-- http.events(f) is a stream of events; https:// takes a certificate, and `perigee cert localhost` makes one.
]==],
  spec = [==[
--- perigee test {{SPEC}}

local json <const> = require "perigee.codec.json"
local net <const> = require "perigee.net"
local testing <const> = require "perigee.testing"

local script <const> = (debug.getinfo(1, "S").source:match "^@(.*/)" or "") .. "../{{NAME}}.lua"

describe("{{NAME}}", function()
  local server

  local function request(method, path, body)
    local conn <close> = assert(net.connect("tcp://127.0.0.1:" .. server.port, { timeout = 5 }))
    body = body and (type(body) == "string" and body or json.encode(body)) or ""
    conn:write(("%s %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"):format(
      method, path, #body, body))
    local head <const>, answer <const> = conn:read_all():match "^(.-)\r\n\r\n(.*)$"
    return math.tointeger(tonumber(head:match " (%d+)")), json.decode(answer) or answer
  end

  -- A server of its own for each test, at a free port.
  before_each(function() server = testing.run(script, { listen = "http://127.0.0.1:0", most = 2 }) end)
  after_each(function() server:close() end)

  it("has the notes that were made", function()
    assert.same({ 200, {} }, { request("GET", "/notes") })
    assert.same({ 201, { id = 1, text = "hello" } }, { request("POST", "/notes", { text = "hello" }) })
    assert.same({ 200, { { id = 1, text = "hello" } } }, { request("GET", "/notes") })
    assert.same({ 200, { id = 1, text = "hello" } }, { request("GET", "/notes/1") })
    assert.same({ 200, "{{NAME}} has 1 notes\n" }, { request("GET", "/") })
    assert.equal(404, (request("GET", "/notes/2")))
  end)

  it("refuses what is no note, and more than it may have", function()
    assert.equal(400, (request("POST", "/notes", "no JSON")))
    assert.equal(422, (request("POST", "/notes", { text = 7 })))
    for _, status in ipairs { 201, 201, 507 } do assert.equal(status, (request("POST", "/notes", { text = "x" }))) end
  end)
end)
]==],
}
