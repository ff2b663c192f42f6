local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"

--- Serves "/" with middleware; the handler says who the user is.
local function serve(middleware)
  local app <const> = http.app()
  app:use(middleware)
  app:get("/", function(request) return tostring(request.user or "nobody") end)
  return fixture.serve(app)
end

local function ask(url, fields, method)
  return fixture.ask(url, ("%s / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s\r\n"):format(method or "GET", fields))
end

describe("basic authentication", function()
  helper.leaves_nothing(before_each, after_each)

  it("lets those in whose name and password are right", function()
    local _ <close>, url <const> = serve(http.basic_auth(function(name, password)
      return name == "ann" and password == "a:b" and "Ann"
    end, 'the "realm"'))
    assert.equal("Ann", ask(url, "Authorization: Basic YW5uOmE6Yg==\r\n").body)
    assert.equal("Ann", ask(url, "Authorization: basic  YW5uOmE6Yg==\r\n").body)
    for _, value in ipairs { "Basic YW5uOmE6Yw==", "Basic", "Basic !!", "Basic YW5u", "Bearer YW5uOmE6Yg==", "" } do
      local answer <const> = ask(url, "Authorization: " .. value .. "\r\n")
      assert.same({ 401, 'Basic realm="the _realm_", charset="UTF-8"' },
        { answer.status, answer.headers["www-authenticate"] })
    end
    assert.equal(401, ask(url, "").status)
  end)
end)

describe("bearer authentication", function()
  helper.leaves_nothing(before_each, after_each)

  it("lets those in whose token is right", function()
    local _ <close>, url <const> = serve(http.bearer_auth(function(token) return token == "t0.k-n" and "Bob" end))
    assert.equal("Bob", ask(url, "Authorization: Bearer t0.k-n\r\n").body)
    for _, value in ipairs { "Bearer x", "Bearer", "Basic t0.k-n", "Bearer t0.k-n x" } do
      assert.equal(401, ask(url, "Authorization: " .. value .. "\r\n").status)
    end
  end)
end)

describe("CORS", function()
  helper.leaves_nothing(before_each, after_each)

  it("lets every page read by default, without the user's credentials", function()
    local _ <close>, url <const> = serve(http.cors())
    local answer <const> = ask(url, "Origin: http://x\r\n")
    assert.same({ "*", nil, nil }, { answer.headers["access-control-allow-origin"],
      answer.headers["access-control-allow-credentials"], answer.headers.vary })
    assert.is_nil(ask(url, "").headers["access-control-allow-origin"])
  end)

  it("lets the pages of a list read, with credentials when told so", function()
    local _ <close>, url <const> = serve(http.cors { origins = { "http://x" }, credentials = true, expose = { "X-A" } })
    local headers <const> = ask(url, "Origin: http://x\r\n").headers
    assert.same({ "http://x", "true", "X-A", "Origin" }, { headers["access-control-allow-origin"],
      headers["access-control-allow-credentials"], headers["access-control-expose-headers"], headers.vary })
    local other <const> = ask(url, "Origin: http://y\r\n").headers
    assert.same({ nil, "Origin" }, { other["access-control-allow-origin"], other.vary })
    assert.is_false(pcall(http.cors, { credentials = true }))
    assert.is_false(pcall(http.cors, { credentials = true, origins = { "http://x", "*" } }))
  end)

  it("answers the question before", function()
    local _ <close>, url <const> = serve(http.cors { methods = { "GET" }, max_age = 5 })
    local answer <const> = ask(url,
      "Origin: http://x\r\nAccess-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-b\r\n", "OPTIONS")
    assert.same({ 204, "GET", "x-b", "5" }, { answer.status, answer.headers["access-control-allow-methods"],
      answer.headers["access-control-allow-headers"], answer.headers["access-control-max-age"] })
  end)
end)

describe("request ids", function()
  helper.leaves_nothing(before_each, after_each)

  it("are told to clients, and taken from them only when they are trusted", function()
    local _ <close>, url <const> = serve(http.request_id())
    local _ <close>, trusting <const> = serve(http.request_id { trust = true })
    assert.matches("^%x+$", ask(url, "X-Request-Id: given\r\n").headers["x-request-id"])
    assert.not_equal("given", ask(url, "X-Request-Id: given\r\n").headers["x-request-id"])
    assert.equal("given", ask(trusting, "X-Request-Id: given\r\n").headers["x-request-id"])
    assert.not_equal("a b", ask(trusting, "X-Request-Id: a b\r\n").headers["x-request-id"])
  end)
end)

describe("cookies", function()
  helper.leaves_nothing(before_each, after_each)

  it("are set with safe attributes, and deleted", function()
    local _ <close>, url <const> = fixture.serve(function()
      return http.text "x":set_cookie("a", "1"):delete_cookie "c":set_cookie("b", "2", { max_age = 60, path = "/x",
        domain = "example.org", secure = true, http_only = false, same_site = "strict" })
    end)
    assert.same({ "a=1; Path=/; HttpOnly; SameSite=Lax", "c=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
      "b=2; Path=/x; Domain=example.org; Max-Age=60; Secure; SameSite=Strict" },
      fixture.ask(url, "GET /").headers["set-cookie"])
  end)

  it("refuse what would break out of them", function()
    for _, case in ipairs { { "a b", "1" }, { "a", "1;2" }, { "a", "1\r\nX: y" }, { "a", "1", { path = "/;x" } },
      { "a", "1", { same_site = "never" } }, { "a", "1", { maxage = 1 } } } do
      local response <const> = http.text "x"
      assert.is_false(pcall(response.set_cookie, response, table.unpack(case)))
    end
  end)

  it("can be signed: what was changed, or is another's, is not taken", function()
    local signer <const> = http.signer "a secret of 16 bytes or more"
    local signed <const> = signer:sign("user", "ann \0\255")
    assert.equal("ann \0\255", signer:verify("user", signed))
    assert.is_nil(signer:verify("admin", signed))
    assert.is_nil(http.signer "another secret, as long":verify("user", signed))
    for i = 1, #signed do
      local byte <const> = signed:byte(i)
      local forged <const> = signed:sub(1, i - 1) .. string.char(byte == 65 and 66 or 65) .. signed:sub(i + 1)
      assert.is_nil(signer:verify("user", forged))
    end
    for _, other in ipairs { "", "x", ".", "x.y", signed .. "x" } do assert.is_nil(signer:verify("user", other)) end
    assert.is_nil(signer:verify("user", nil))
    assert.is_false(pcall(http.signer, "short"))
  end)
end)
