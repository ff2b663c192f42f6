local helper <const> = require "spec.helper"
local net <const> = require "perigee.net"
local topics <const> = require "perigee.topics"

local function plain(topic, text, glob)
  return ("%s:%s:%s\n"):format(glob or "", topic, text)
end

local function loud(_, text)
  return text:upper() .. "\n"
end

--- Two ends: what is subscribed, and what hears it by line().
local function pair()
  local near <const>, far <const> = net.pair()
  far.timeout = 5
  return { member = near, line = function() return (far:read_line()) end, far = far }
end

local function close(...)
  for _, one in ipairs { ... } do
    one.member:close()
    one.far:close()
  end
end

describe("topics", function()
  helper.leaves_nothing(before_each, after_each)

  it("go to their subscribers, in the form that each takes", function()
    local all <const>, a <const>, b <const>, c <const> = topics.new(), pair(), pair(), pair()
    assert.is_true(all:subscribe("news", plain, a.member))
    assert.is_true(all:subscribe("news", loud, b.member))
    assert.is_true(all:subscribe("other", plain, c.member))
    assert.same({ 2, 1, 0 }, { all:publish("news", "one"), all:publish("other", "two"), all:publish("none", "three") })
    assert.same({ ":news:one", "ONE", ":other:two" }, { a.line(), b.line(), c.line() })
    assert.same({ 2, 1, 0 }, { all:subscribers "news", all:subscribers "other", all:subscribers "none" })
    close(a, b, c)
  end)

  it("go to those who want all that a glob matches, each time that it fits", function()
    local all <const>, a <const> = topics.new(), pair()
    all:match("n*", plain, a.member)
    all:match("*[st]", plain, a.member)
    all:subscribe("news", plain, a.member)
    assert.same({ 3, 2, 0 }, { all:publish("news", "x"), all:publish("net", "y"), all:publish("old", "z") })
    local heard <const> = {}
    for i = 1, 5 do heard[i] = a.line() end
    table.sort(heard)
    assert.same({ "*[st]:net:y", "*[st]:news:x", ":news:x", "n*:net:y", "n*:news:x" }, heard)
    close(a)
  end)

  it("end for who unsubscribes, or whose connection ends", function()
    local all <const>, a <const>, b <const> = topics.new(), pair(), pair()
    all:subscribe("news", plain, a.member)
    all:subscribe("news", plain, b.member)
    all:match("*", plain, b.member)
    all:unsubscribe("news", plain, a.member)
    all:unsubscribe("news", plain, a.member)
    all:unsubscribe("never", plain, a.member)
    assert.equal(2, all:publish("news", "x"))
    close(b)
    assert.equal(0, all:publish("news", "y"))
    assert.same({ {}, 0 }, { all:names(), all:glob_count() })
    close(a)
  end)

  it("are named, but those without subscribers", function()
    local all <const>, a <const> = topics.new(), pair()
    for _, name in ipairs { "a1", "a2", "b1" } do all:subscribe(name, plain, a.member) end
    local names <const> = all:names "a?"
    table.sort(names)
    assert.same({ "a1", "a2" }, names)
    assert.equal(3, #all:names())
    close(a)
    assert.same({}, all:names())
  end)

  it("are as many as the limit says; those whose subscribers have gone do not count for long", function()
    local all <const>, a <const> = topics.new { names_limit = 2000 }, pair()
    for i = 1, 2000 do assert.is_true(all:subscribe("a" .. i, plain, a.member)) end
    assert.same({ nil, "subscribe: there are 2000 topics already", "limit" }, { all:subscribe("b", plain, a.member) })
    assert.equal("limit", (select(3, all:match("b*", plain, a.member))))
    assert.is_true(all:subscribe("a1", loud, a.member))
    close(a)
    local b <const> = pair()
    helper.eventually(function() return all:subscribe("b", plain, b.member) end)
    close(b)
  end)

  it("match globs that came later, for topics that are known", function()
    local all <const>, a <const> = topics.new(), pair()
    all:match("x*", plain, a.member)
    assert.equal(0, all:publish("news", "x"))
    all:match("ne*", plain, a.member)
    assert.equal(1, all:publish("news", "x"))
    all:unmatch("ne*", plain, a.member)
    assert.equal(0, all:publish("news", "x"))
    close(a)
  end)
end)
