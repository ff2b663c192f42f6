--- perigee new http NAME: a resource in JSON.

return {
  try = "curl -d '{\"text\":\"hello\"}' http://127.0.0.1:9080/notes",
  service = [==[
--- {{NAME}}: notes that can be made, read and deleted, over HTTP.
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
local notes <const> = service.state("notes", function() return { last = 0, count = 0, by_id = {} } end)

local app <const> = http.app()

app:get("/", function() return "{{NAME}} has " .. notes.count .. " notes\n" end) -- a string is answered as text

app:get("/notes", function() -- a table as JSON
  local list <const> = json.array {}
  for _, note in pairs(notes.by_id) do list[#list + 1] = note end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end)

app:post("/notes", function(request)
  local given <const>, message <const>, code <const> = request:json()
  if message then return http.refuse(message, code) end -- it was no JSON, or too long, or too slow
  if type(given) ~= "table" or type(given.text) ~= "string" then return http.error(422, "text: a string is expected") end
  if notes.count >= options.most then return http.error(507, "there are too many notes") end
  notes.last, notes.count = notes.last + 1, notes.count + 1
  local note <const> = { id = notes.last, text = given.text }
  notes.by_id[tostring(note.id)] = note
  return http.created("/notes/" .. note.id, note)
end)

local function find(request) -- an answer can be raised as well as returned
  return notes.by_id[request.params.id] or error(http.error(404, "there is no such note"))
end

app:get("/notes/{id}", find)
app:delete("/notes/{id}", function(request)
  notes.by_id[tostring(find(request).id)], notes.count = nil, notes.count - 1
end)

http.serve(options.listen, app)

-- Next: app:static("/files", service.path "public") serves a directory; app:use(f) is middleware, and http.basic_auth one
-- of it; http.events(f) is a stream of events; https:// addresses take a certificate, `perigee cert localhost` makes one.
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

  it("has the notes that were made, until they are deleted", function()
    assert.same({ 200, {} }, { request("GET", "/notes") })
    assert.same({ 201, { id = 1, text = "hello" } }, { request("POST", "/notes", { text = "hello" }) })
    assert.same({ 200, { { id = 1, text = "hello" } } }, { request("GET", "/notes") })
    assert.same({ 200, { id = 1, text = "hello" } }, { request("GET", "/notes/1") })
    assert.same({ 200, "{{NAME}} has 1 notes\n" }, { request("GET", "/") })
    assert.equal(204, (request("DELETE", "/notes/1")))
    assert.equal(404, (request("GET", "/notes/1")))
  end)

  it("refuses what is no note, and more than it may have", function()
    assert.equal(400, (request("POST", "/notes", "no JSON")))
    assert.equal(422, (request("POST", "/notes", { text = 7 })))
    for _, status in ipairs { 201, 201, 507 } do assert.equal(status, (request("POST", "/notes", { text = "x" }))) end
  end)
end)
]==],
}
