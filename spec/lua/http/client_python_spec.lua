--- Python's http.server as the server.

local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local program <const> = [[
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = sys.argv[1]
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = b"%s %s %s" % (self.command.encode(), self.path.encode(), body)
        self.send_response(200)
        self.send_header("X-Port", str(self.client_address[1]))
        self.send_header("X-Seen", self.headers.get("X-Given", ""))
        if self.path != "/close": self.send_header("Content-Length", str(len(text)))
        else: self.close_connection = True
        self.end_headers()
        if self.command != "HEAD": self.wfile.write(text)
    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer
    def log_message(self, *arguments): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print("port", server.server_address[1], flush=True)
server.serve_forever()
]]

for _, version in ipairs { "HTTP/1.0", "HTTP/1.1" } do describe("a server in Python that speaks " .. version, function()
  helper.leaves_nothing(before_each, after_each)

  it("answers all methods, many at a time", function()
    local path <const> = helper.temporary_name()
    local file <const> = assert(io.open(path, "w"))
    file:write(program)
    file:close()
    local server <close> = helper.start(("/usr/bin/python3 %s %s"):format(path, version))
    local url <const> = "http://127.0.0.1:" .. server:wait_for "port (%d+)"
    local ports <const> = {}
    local function ask(method, target, body)
      local response <const> = assert(http.request { url = url .. target, method = method, body = body,
        headers = { ["X-Given"] = "given" } })
      assert.same({ 200, "given" }, { response.status, response.headers["x-seen"] })
      ports[response.headers["x-port"]] = true
      return response.body
    end
    assert.same({ "GET /a ", "", "POST /b text", "PUT /c more", "DELETE /d ", "GET /close " },
      { ask("GET", "/a"), ask("HEAD", "/a"), ask("POST", "/b", "text"), ask("PUT", "/c", "more"), ask("DELETE", "/d"),
        ask("GET", "/close") })
    local count = 0
    for _ in pairs(ports) do count = count + 1 end
    assert.equal(version == "HTTP/1.0" and 6 or 1, count)
    task.group(function(group)
      for i = 1, 8 do
        group:spawn(function()
          for j = 1, 10 do
            local text <const> = i .. "." .. j
            assert.equal("POST / " .. text, ask("POST", "/", text))
          end
        end)
      end
    end)
    server:signal "TERM"
    os.remove(path)
  end)
end) end
