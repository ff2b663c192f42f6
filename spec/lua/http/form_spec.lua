local fixture <const> = require "spec.fixtures.http"
local helper <const> = require "spec.helper"
local http <const> = require "perigee.http"
local task <const> = require "perigee.task"

local function post(type_name, body)
  return ("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"):format(type_name, #body,
    body)
end

local MULTIPART <const> = "multipart/form-data; boundary=XX"

local function part(name, value, filename)
  return ("--XX\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n%s\r\n%s\r\n"):format(name,
    filename and ('; filename="%s"'):format(filename) or "", filename and "Content-Type: text/x\r\n" or "", value)
end

--- What f(request) gives for a request.
local function see(text, f)
  local seen
  local _ <close>, url <const> = fixture.serve(function(request)
    seen = table.pack(f(request))
    return "well"
  end)
  fixture.ask(url, text)
  return table.unpack(seen, 1, seen.n)
end

local function form(request)
  return request:form()
end

describe("a form", function()
  helper.leaves_nothing(before_each, after_each)

  it("that is urlencoded is its fields", function()
    assert.same({ a = "1 2", ["b&"] = "é", c = "" },
      see(post("application/x-www-form-urlencoded; charset=utf-8", "a=1+2&b%26=%C3%A9&c&a=3"), form))
  end)

  it("of several parts is its fields, without the files", function()
    local body <const> = part("a", "1\r\n2") .. part("file", "xyz", "f.txt") .. part("b", "") .. "--XX--\r\n"
    assert.same({ a = "1\r\n2", b = "" }, see(post(MULTIPART, body), form))
  end)

  it("of another type, cut short or broken fails with 'protocol'", function()
    for _, text in ipairs { post("text/plain", "a=1"), post(MULTIPART, part("a", "1")), post(MULTIPART, "nonsense"),
      post("multipart/form-data", part("a", "1") .. "--XX--\r\n"), post(MULTIPART, "--XX\r\n\r\nx\r\n--XX--\r\n") } do
      local fields <const>, message <const>, code <const> = see(text, form)
      assert.is_nil(fields)
      assert.matches("^read the form: ", message)
      assert.equal("protocol", code)
    end
  end)

  it("has a limit for each field", function()
    local body <const> = part("a", ("x"):rep(2000)) .. "--XX--\r\n"
    local _ <const>, message <const>, code <const> = see(post(MULTIPART, body), function(request)
      local result
      request:files(function(p) result = table.pack(p:read_all(1000)) end)
      return table.unpack(result, 1, 3)
    end)
    assert.matches("read the part 'a': it is too long", message, 1, true)
    assert.equal("limit", code)
  end)
end)

describe("files of a form", function()
  helper.leaves_nothing(before_each, after_each)

  local SIZE <const> = helper.is_tiny and 3000 or 300000
  local BYTES <const> = ("\0\1\r\n--X"):rep(SIZE // 8)
  local BODY <const> = part("note", "hi") .. part("one", BYTES, "../../etc/pass wd") .. part("two", "", "b.txt") ..
    "--XX--\r\n"

  it("are saved in a directory while they come, under names that are safe", function()
    local folder <close> = helper.directory {}
    os.execute("mkdir -p " .. tostring(folder))
    local got <const> = see(post(MULTIPART, BODY), function(request) return request:files(tostring(folder)) end)
    assert.same({ note = "hi" }, got.fields)
    assert.same({ 2, "one", "../../etc/pass wd", "text/x", #BYTES, "two", 0 }, { #got.files, got.files[1].name,
      got.files[1].filename, got.files[1].type, got.files[1].size, got.files[2].name, got.files[2].size })
    assert.matches("^" .. tostring(folder):gsub("%p", "%%%0") .. "/%x+%-pass wd$", got.files[1].path)
    local file <close> = assert(io.open(got.files[1].path, "rb"))
    assert.is_true(file:read "a" == BYTES)
  end)

  it("are handed to a function in pieces, and what it does not read is passed over", function()
    local names <const>, size = {}, 0
    assert.is_true(see(post(MULTIPART, BODY), function(request)
      return request:files(function(p)
        names[#names + 1] = p.name
        if p.name == "one" then
          for piece in p:chunks() do size = size + #piece end
        end
      end)
    end))
    assert.same({ "note", "one", "two" }, names)
    assert.equal(#BYTES, size)
  end)

  it("that are cut short leave nothing in the directory", function()
    local folder <close> = helper.directory {}
    os.execute("mkdir -p " .. tostring(folder))
    local got <const>, _ <const>, code <const> = see(post(MULTIPART, BODY:sub(1, -30)), function(request)
      return request:files(tostring(folder))
    end)
    assert.same({ nil, "protocol" }, { got, code })
    assert.equal("", (helper.run("ls " .. tostring(folder))))
  end)

  it("leave nothing when the deadline passes or the client goes in the middle of a later one", function()
    local folder <close> = helper.directory { [".keep"] = "" }
    local whole <const> = part("one", "bytes", "1.txt")
    local text <const> = post(MULTIPART, whole .. part("two", BYTES, "2.txt") .. "--XX--\r\n"):sub(1, -30)
    local result
    local _ <close>, url <const> = fixture.serve(function(request)
      result = table.pack(task.deadline(request.query.wait and 0.1 or 20, request.files, request, tostring(folder)))
      return "well"
    end)
    for target, code in pairs { ["/?wait=1"] = "timeout", ["/"] = "closed" } do
      result = nil
      local conn <close> = fixture.connect(url)
      conn:write((text:gsub("POST /", "POST " .. target, 1)))
      conn:flush()
      helper.eventually(function() return helper.run("ls " .. tostring(folder)):find "2.txt" or result end)
      if code == "closed" then conn:abort() end
      helper.eventually(function() return result end)
      assert.equal(code, result[result.n])
      assert.equal("", (helper.run("ls " .. tostring(folder))))
    end
  end)

  it("come from curl", function()
    local folder <close> = helper.directory { ["a.bin"] = BYTES }
    local server <close> = assert(http.serve("http://127.0.0.1:0", function(request)
      local sizes <const> = {}
      request:files(function(p) sizes[#sizes + 1] = ("%s=%d"):format(p.filename or p.name, #p:read_all()) end)
      return table.concat(sizes, " ")
    end))
    local output <const> = helper.run(("curl -s -m 20 -F note=hi -F 'file=@%s/a.bin' %s"):format(tostring(folder),
      tostring(server.address)))
    assert.equal("note=2 a.bin=" .. #BYTES, output)
  end)
end)
