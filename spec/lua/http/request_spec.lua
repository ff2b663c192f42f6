local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"

--- What f(request) gives for a request, as the handler sees it.
local function see(text, f)
  local seen
  local _ <close>, url <const> = fixture.serve(function(request)
    seen = table.pack(f(request))
    return "well"
  end)
  assert.equal(200, fixture.ask(url, text).status)
  return table.unpack(seen, 1, seen.n)
end

local FIELDS <const> = "GET /a%20b/c?x=1&y=a+b%26&x=2&empty= HTTP/1.1\r\nHost: example.org:80\r\nX-Two: 1\r\n" ..
  "x-two: 2\r\nCookie: a=1; b=\"two\"; a=3\r\nCookie: c=4\r\nConnection: close\r\n\r\n"

describe("a request", function()
  helper.leaves_nothing(before_each, after_each)

  it("says what was asked for", function()
    assert.same({ "GET", "/a b/c", "/a%20b/c?x=1&y=a+b%26&x=2&empty=", "example.org:80", "1.1",
      "x=1&y=a+b%26&x=2&empty=", "127.0.0.1" }, { see(FIELDS, function(request)
      return request.method, request.path, request.target, request.host, request.version, request.query_string,
        request.peer.host
    end) })
  end)

  it("has its query decoded, and every value of a name", function()
    local query <const>, all <const> = see(FIELDS, function(request) return request.query, request:query_values "x" end)
    assert.same({ x = "1", y = "a b&", empty = "" }, query)
    assert.same({ "1", "2" }, all)
  end)

  it("has its header fields by any case of the name, joined when there are several", function()
    local fields <const>, two <const>, none <const> = see(FIELDS, function(request)
      return request.headers, request:header "X-TWO", request:header "x-none"
    end)
    assert.same({ "1, 2", "1, 2", nil }, { two, fields["X-Two"], none })
    assert.equal('a=1; b="two"; a=3; c=4', fields.cookie)
    local names <const> = {}
    for name in pairs(fields) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "connection", "cookie", "host", "x-two" }, names)
  end)

  it("has its cookies, the first of a name", function()
    assert.same({ a = "1", b = "two", c = "4" }, (see(FIELDS, function(request) return request.cookies end)))
  end)

  it("has empty tables when there is nothing", function()
    assert.same({ {}, {}, {}, nil }, { see("GET / HTTP/1.0\r\n\r\n", function(request)
      return request.query, request.cookies, request.params, request.query_string
    end) })
  end)

  it("keeps what a script sets on it, and its tables", function()
    local user <const>, same <const> = see("GET /", function(request)
      request.user = "ann"
      request.headers.extra = "x"
      return request.user, request.headers.extra
    end)
    assert.same({ "ann", "x" }, { user, same })
  end)

  it("has an id, the same each time, unlike others", function()
    local first <const>, again <const> = see("GET /", function(request) return request.id, request.id end)
    local other <const> = see("GET /", function(request) return request.id end)
    assert.matches("^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x$", first)
    assert.equal(first, again)
    assert.not_equal(first, other)
  end)

  it("can be shown, and has no other fields", function()
    local text <const>, other <const> = see("GET /x?y", function(request) return tostring(request), request.other end)
    assert.same({ "request: GET /x?y", nil }, { text, other })
  end)
end)
