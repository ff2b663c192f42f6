local helper <const> = require "spec.helper"
local json <const> = require "perigee.codec.json"

local function start(options)
  return helper.serve("scripts/rest.lua --set rest.listen=http://127.0.0.1:0 " .. (options or ""))
end

--- What curl gets: the status and the body.
local function curl(url, arguments)
  local output <const> = helper.run(("curl -s -m 20 -w '\\n%%{http_code}' %s '%s'"):format(arguments or "", url))
  local body <const>, status <const> = output:match "^(.*)\n(%d+)$"
  return math.tointeger(status), body
end

local function make_item(url, text)
  local status <const>, body <const> = curl(url .. "/items", "-d '" .. text .. "'")
  return status, json.decode(body)
end

describe("the rest script", function()
  helper.leaves_nothing(before_each, after_each)

  it("greets by name, as HTML in which the name is text", function()
    local _ <close>, url <const> = start()
    local status <const>, body <const> = curl(url .. "/hello?name=Ann+%26+%3Cb%3E")
    assert.equal(200, status)
    assert.equal("<html><body><h1>Hello Ann &amp; &lt;b&gt;!</h1></body></html>", body)
  end)

  it("tells the date as the XML of the document", function()
    local _ <close>, url <const> = start()
    local _ <const>, body <const> = curl(url .. "/localtime")
    local year <const>, month <const>, day <const> = body:match(
      '^<%?xml version="1%.0"%?>\n<time>\n  <year>(%d+)</year>\n  <month>(%d+)</month>\n  <day>(%d+)</day>\n</time>$')
    assert.matches("^%d%d%d%d$", year)
    assert.is_true(tonumber(month) <= 12 and tonumber(day) <= 31)
  end)

  it("says 404 for what is not there", function()
    local _ <close>, url <const> = start()
    assert.equal(404, curl(url .. "/nothing"))
    assert.equal(404, curl(url .. "/items/1"))
    assert.equal(404, curl(url .. "/items/x"))
    assert.equal(201, (make_item(url, '{"name":"one"}')))
    for _, id in ipairs { "0x1", "1e0", "01", "1.0", "%201", ("1"):rep(600) } do
      assert.equal(404, (curl(url .. "/items/" .. id)))
    end
  end)

  it("makes, lists, reads, changes and deletes items", function()
    local _ <close>, url <const> = start()
    assert.equal('{"items":[]}', select(2, curl(url .. "/items")))
    local status <const>, made <const> = make_item(url, '{"name":"lamp","price":19.75}')
    assert.equal(201, status)
    assert.same({ id = 1, name = "lamp", price = 19.75 }, made)
    assert.same({ items = { made } }, json.decode(select(2, curl(url .. "/items"))))
    assert.equal(200, curl(url .. "/items/1", [[-X PUT -d '{"name":"light"}']]))
    assert.same({ id = 1, name = "light" }, json.decode(select(2, curl(url .. "/items/1"))))
    assert.equal(204, curl(url .. "/items/1", "-X DELETE"))
    assert.equal(404, curl(url .. "/items/1"))
  end)

  it("names what is wrong with an item", function()
    local _ <close>, url <const> = start()
    for text, message in pairs {
      ["[1]"] = "name: a text", ["{}"] = "name: a text", ['{"name":""}'] = "name: a text", ["3"] = "an object",
      ['{"name":"x","price":-1}'] = "price: a number", ['{"name":"x","price":"1"}'] = "price: a number",
    } do
      local status <const>, refusal <const> = make_item(url, text)
      assert.equal(422, status)
      assert.equal(message, refusal.message:sub(1, #message))
    end
    local status <const>, refusal <const> = make_item(url, '{"name":')
    assert.equal(400, status)
    assert.matches("invalid JSON at byte 9", refusal.message, 1, true)
  end)

  it("holds no more items than its option says", function()
    local _ <close>, url <const> = start "--set rest.items_limit=1"
    assert.equal(201, make_item(url, '{"name":"one"}'))
    assert.equal(507, make_item(url, '{"name":"two"}'))
  end)

  it("has the same items at all workers, also when those have died, and after a reload", function()
    local directory <close> = helper.directory { ["a"] = "" }
    local control <const> = ("--control %s/control"):format(directory)
    local _ <close>, url <const> = start("--workers 2 " .. control)
    local function command(words)
      return helper.run(("%s %s %s"):format(helper.binary, words, control))
    end
    for i = 1, 20 do assert.equal(i, select(2, make_item(url, '{"name":"one"}')).id) end
    for pid in command("status --json"):gmatch '"pid":(%d+),"requests"' do os.execute("kill -9 " .. pid) end
    for i = 1, 20 do assert.equal(200, (curl(url .. "/items/" .. i))) end
    helper.eventually(function() return select(2, command "reload") == 0 end)
    for i = 1, 20 do
      assert.equal(204, (curl(url .. "/items/" .. i, "-X DELETE")))
      assert.equal(404, (curl(url .. "/items/" .. i, [[-X PUT -d '{"name":"two"}']])))
    end
    assert.equal('{"items":[]}', select(2, curl(url .. "/items")))
  end)

  it("serves Python's http.client on one connection, and requests", function()
    local _ <close>, _ <const>, port <const> = start()
    local output <const>, status <const> = helper.python([==[
import http.client, json, sys
import requests
port = int(sys.argv[1])
c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
for name in ("one", "two"):
    c.request("POST", "/items", json.dumps({"name": name}), {"Content-Type": "application/json"})
    r = c.getresponse()
    assert r.status == 201, r.status
    assert json.loads(r.read())["name"] == name
    assert r.getheader("Location").startswith("/items/")
url = f"http://127.0.0.1:{port}"
with requests.Session() as s:
    assert [i["name"] for i in s.get(url + "/items").json()["items"]] == ["one", "two"]
    assert s.put(url + "/items/1", json={"name": "three"}).json() == {"id": 1, "name": "three"}
    assert s.delete(url + "/items/2").status_code == 204
    assert s.options(url + "/items/1").headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"
    assert s.post(url + "/items/1").status_code == 405
print("well")
]==], tostring(port))
    assert.equal("well\n", output)
    assert.equal(0, status)
  end)
end)
