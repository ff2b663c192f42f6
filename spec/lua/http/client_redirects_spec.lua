local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"

--- What the server has seen, as JSON.
local function describe_request(request)
  return { method = request.method, target = request.target, headers = request.headers, body = request:body() }
end

local function serve(handler)
  local server <const> = assert(http.serve("http://127.0.0.1:0", handler))
  return server, tostring(server.address)
end

local function ask(options)
  local response <const> = assert(http.request(options))
  assert.equal(200, response.status)
  return json.decode(response.body), response
end

describe("redirects of the HTTP client", function()
  helper.leaves_nothing(before_each, after_each)

  --- Answers /STATUS by a redirect to /end, and tells what it sees there.
  local function serve_redirects()
    local app <const> = http.app()
    app:route("GET", "/end", describe_request)
    app:route("POST", "/end", describe_request)
    app:route("PUT", "/end", describe_request)
    local function away(request)
      return http.response(math.tointeger(tonumber(request.params.status)), "", { Location = request.query.to })
    end
    for _, method in ipairs { "GET", "POST", "PUT" } do app:route(method, "/{status}", away) end
    return serve(app)
  end

  it("are not followed unless it is said", function()
    local _ <close>, url <const> = serve_redirects()
    local response <const> = assert(http.request { url = url .. "/302?to=end" })
    assert.same({ 302, "end", url .. "/end" }, { response.status, response.headers.location, response.location })
  end)

  it("do not tell the user and the password, by which they are followed", function()
    local _ <close>, url <const> = serve_redirects()
    local with_user <const> = url:gsub("//", "//me:se%%2Fcret@")
    local response <const> = assert(http.request { url = with_user .. "/302?to=end" })
    assert.same({ "end", url .. "/end" }, { response.headers.location, response.location })
    local seen <const>, last <const> = ask { url = with_user .. "/302?to=/end", redirects = 1 }
    assert.same({ "Basic bWU6c2UvY3JldA==", url .. "/end" }, { seen.headers.authorization, last.url })
    local other <const> = assert(http.request { url = url .. "/302?to=" .. url:gsub("//", "//you:secret@") .. "/a@b" })
    assert.equal(url .. "/a@b", other.location)
  end)

  it("keep the method and the body, or become a GET, as the status says", function()
    local _ <close>, url <const> = serve_redirects()
    for status, methods in pairs { [301] = { "GET", "PUT" }, [302] = { "GET", "PUT" }, [303] = { "GET", "GET" },
      [307] = { "POST", "PUT" }, [308] = { "POST", "PUT" } } do
      for i, method in ipairs { "POST", "PUT" } do
        local seen <const>, response <const> = ask { url = ("%s/%d?to=/end"):format(url, status), method = method,
          body = "text", headers = { ["Content-Type"] = "text/x", ["X-Kept"] = "yes" }, redirects = 1 }
        local is_get <const> = methods[i] == "GET"
        assert.same({ methods[i], is_get and "" or "text", "yes", url .. "/end" },
          { seen.method, seen.body, seen.headers["x-kept"], response.url })
        assert.equal(not is_get and "text/x" or nil, seen.headers["content-type"])
      end
    end
  end)

  it("keep what says who the caller is from other servers", function()
    local _ <close>, first <const> = serve_redirects()
    local _ <close>, second <const> = serve_redirects()
    local headers <const> = { Authorization = "Bearer x", Cookie = "a=b", ["X-Other"] = "y" }
    local stays <const> = ask { url = first .. "/302?to=/end", headers = headers, redirects = 3 }
    assert.same({ "Bearer x", "a=b", "y" },
      { stays.headers.authorization, stays.headers.cookie, stays.headers["x-other"] })
    local leaves <const> = ask { url = ("%s/302?to=%s/end"):format(first, second), headers = headers, redirects = 3 }
    assert.same({ nil, nil, "y" },
      { leaves.headers.authorization, leaves.headers.cookie, leaves.headers["x-other"] })
  end)

  it("end in a failure when there are too many, or when they lead nowhere", function()
    local _ <close>, url <const> = serve_redirects()
    local circle <const> = url .. "/302?to=/302%3Fto=/302"
    assert.same({ nil, ("GET %s/302?to=/302: more than 1 redirects"):format(url), "limit" },
      { http.request { url = circle, redirects = 1 } })
    local _, message <const>, code <const> = http.request { url = url .. "/302?to=file:///etc/passwd", redirects = 9 }
    local format <const> = "GET %s/302?to=file:///etc/passwd: it redirects to URL 'file:///etc/passwd': "
    assert.same({ "protocol", format:format(url) .. "it must begin with http:// or https://" }, { code, message })
    assert.equal(302, assert(http.request { url = url .. "/302", redirects = 9 }).status)
    for _, host in ipairs { "127.0.0.x.1", "~" } do -- libcurl takes it for one
      helper.assert_failure("protocol", "^GET http://" .. host .. ":1/: address ",
        http.request { url = url .. "/302?to=http://" .. host .. ":1/", redirects = 9 })
    end
  end)
end)
