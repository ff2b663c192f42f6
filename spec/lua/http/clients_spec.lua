--- Programs that nobody here wrote, as clients of a server in a process of its own.

local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"

local SCRIPT <const> = [[
local http <const> = require "perigee.http"
local app <const> = http.app()
app:get("/hello", function() return "hello" end)
app:post("/echo", function(request)
  local body <const>, message <const>, code <const> = request:body()
  return body or http.refuse(message, code)
end)
http.serve("http://127.0.0.1:0", app, { header_timeout = 2, body_timeout = 2 })
]]

local COUNT <const> = helper.is_tiny and 200 or 5000

--- Runs a command against the server; "URL" in it is replaced.
local function run(command)
  local folder <close> = helper.directory { ["server.lua"] = SCRIPT }
  local _ <close>, url <const> = helper.serve(tostring(folder) .. "/server.lua")
  return helper.run((command:gsub("URL", url)))
end

describe("HTTP is spoken with", function()
  helper.leaves_nothing(before_each, after_each)

  it("curl, which keeps its connection", function()
    local output <const> = run "curl -sv -m 20 URL/hello URL/hello 2>&1"
    assert.matches("hellohello", (output:gsub("[*<>{}][^\n]*\n", "")), 1, true)
    assert.matches("Re%-using existing connection", output)
  end)

  it("curl, which asks before it sends a body, and is told at once that it is too long", function()
    local output <const> = run "head -c 2000000 /dev/zero | curl -s -m 20 -w '%{http_code} %{size_upload}' \z
      -o /dev/null -H 'Expect: 100-continue' -X POST -T - URL/echo"
    assert.matches("^413 ", output)
    local sized <const> = run "curl -s -m 20 -w '%{http_code} %{size_upload}' -o /dev/null \z
      -H 'Expect: 100-continue' -H 'Content-Length: 10000000000' --data-binary x URL/echo"
    assert.matches("^413 0", sized)
  end)

  it("curl, which sends a file, and is sent the same", function()
    local output <const> = run "f=$(mktemp); head -c 500000 /dev/urandom > $f; \z
      curl -s -m 20 --data-binary @$f URL/echo | cmp - $f && echo same; \z
      curl -s -m 20 -H 'Transfer-Encoding: chunked' --data-binary @$f URL/echo | cmp - $f && echo same; rm $f"
    assert.equal("same\nsame\n", output)
  end)

  it("curl, which asks for parts of a file, and goes on where it stopped", function()
    local folder <close> = helper.directory { ["file.txt"] = "0123456789", ["begun"] = "01234" }
    local _ <close>, url <const> = fixture.serve(http.app():static("/", tostring(folder)))
    local base <const> = ("cd %s && curl -s -m 20 %s/file.txt"):format(tostring(folder), (url:gsub("^tcp", "http")))
    assert.equal("234", (helper.run(base .. " -r 2-4")))
    assert.equal("89", (helper.run(base .. " -r -2")))
    assert.equal("416", (helper.run(base .. " -r 10- -o /dev/null -w '%{http_code}'")))
    assert.equal("0123456789", (helper.run(base .. " -C - -o begun && cat begun")))
  end)

  it("curl, on a Unix socket", function()
    local path <const> = helper.temporary_name()
    local _ <close> = assert(http.serve("unix:" .. path, function(request) return request.path end))
    assert.equal("/x", (helper.run(("curl -s -m 20 --unix-socket %s http://spec/x"):format(path))))
  end)

  it("curl in HTTP/1.0", function()
    assert.equal("hello", run "curl -s -m 20 --http1.0 URL/hello")
  end)

  it("Python's http.client, requests and sockets", function()
    local folder <close> = helper.directory { ["server.lua"] = SCRIPT }
    local _ <close>, url <const>, port <const> = helper.serve(tostring(folder) .. "/server.lua")
    local output <const> = helper.python([==[
import http.client, sys, requests
url, port = sys.argv[1], int(sys.argv[2])
c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
for size in (0, 1, 1000, 1000000):
    c.request("POST", "/echo", b"x" * size)
    assert c.getresponse().read() == b"x" * size
c.request("POST", "/echo", iter([b"a", b"bc"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
assert c.getresponse().read() == b"abc"
with requests.Session() as s:
    for _ in range(10):
        assert s.get(url + "/hello").text == "hello"
    assert s.post(url + "/echo", data=b"y" * 2000000).status_code == 413
print("well")
]==], url .. " " .. port)
    assert.equal("well\n", output)
  end)

  it("wrk, without an error", function()
    local output <const> = run "wrk -t1 -c16 -d1 URL/hello"
    assert.matches("%d+ requests in ", output)
    assert.not_matches("Non%-2xx", output)
    assert.not_matches("Socket errors", output)
  end)

  it("h2load, whose requests are pipelined", function()
    local output <const> = run(("h2load --h1 -n %d -c 16 -m 8 URL/hello"):format(COUNT))
    assert.matches(("%d succeeded, 0 failed, 0 errored, 0 timeout"):format(COUNT), output, 1, true)
  end)

  it("slowhttptest, whose slow clients do not keep it from answering", function()
    for _, kind in ipairs { "-H", "-B -s 4000 -t POST", "-X" } do
      local output <const> = run(("slowhttptest -c %d -r 200 -i 1 -x 24 -p 5 -l 4 -u URL/%s %s"):format(
        helper.is_tiny and 50 or 200, kind:find "POST" and "echo" or "hello", kind))
      assert.matches("service available:[^\n]*YES", (output:gsub("\27%[[%d;]*m", "")))
    end
  end)
end)
