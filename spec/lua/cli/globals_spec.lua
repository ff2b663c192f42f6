local globals <const> = require "perigee.cli.globals"

-- Each access as "line name" for a read and "line name =" for a write, in the order of the lines.
local function found(code)
  local accesses <const> = assert(globals.find(type(code) == "string" and assert(load(code)) or code))
  local texts <const> = {}
  for index, access in ipairs(accesses) do
    assert.equal("boolean", type(access.write))
    texts[index] = ("%05d %s%s"):format(access.line, access.name, access.write and " =" or "")
  end
  table.sort(texts)
  for index, text in ipairs(texts) do texts[index] = text:gsub("^0+", "") end
  return texts
end

local function undefined(code, environment)
  local texts <const> = {}
  for index, access in ipairs(assert(globals.undefined(assert(load(code)), environment or {}))) do
    texts[index] = access.line .. " " .. access.name
  end
  return texts
end

-- More constants than one instruction can name: from here on the compiler needs three for a global.
local function after_many_constants(count, code)
  local numbers <const> = {}
  for index = 1, count do numbers[index] = index .. ".5" end
  return "local t = {" .. table.concat(numbers, ",") .. "}\n" .. code
end

describe("the globals of a chunk", function()
  it("are found where they are read and written", function()
    assert.same({ "1 a", "2 b =", "3 c", "3 d =" }, found "local x = a\nb = 1\nd = c")
  end)

  it("are found in calls, methods, fields and conditions", function()
    assert.same({ "1 f", "1 x", "2 o", "3 t", "4 t", "5 c", "5 d", "6 l" },
      found "f(x)\no:m()\nt.a = 1\nlocal y = t[1]\nif c and not d then end\nlocal z = #l")
  end)

  it("are found when a function or a method is defined", function()
    assert.same({ "1 f =", "4 t", "7 t" },
      found "function f()\n\nend\nfunction t.g()\n\nend\nfunction t:m() end")
  end)

  it("are none for locals, upvalues and parameters", function()
    assert.same({}, found "local a <const>, b = 1, 2 local function f(c, ...) b = a + c return f, b, ... end")
  end)

  it("are found in nested functions, at their own lines", function()
    assert.same({ "1 outer", "3 one", "5 two =", "7 three" }, found [[
local a = outer
local function f()
  local x = one
  return function()
    two = 2
    return function()
      return three
    end
  end
end]])
  end)

  it("are found around goto, loops and repeated labels", function()
    assert.same({ "2 a", "4 b =", "6 c", "7 d", "8 e", "8 f", "8 g" }, found [[
::top::
if a then goto out end
do
  b = 1
end
for i = 1, c do if i > 2 then goto out end end
for k in d do goto continue ::continue:: end
while e do repeat local x = f until g end
goto top
::out::]])
  end)

  it("have a field of _ENV among them, which is the same code", function()
    assert.same({ "1 a", "2 b =" }, found "local x = _ENV.a\n_ENV.b = 1")
  end)

  it("do not have fields of other upvalues among them", function()
    assert.same({ "1 a" }, found "local t = a local function f() t.x = t.y return t.z end")
  end)

  it("do not have fields of a local _ENV among them", function()
    assert.same({ "1 outside" }, found "local o = outside\nlocal _ENV <const> = {}\nx = y")
    assert.same({}, found "local function f(_ENV) x = y end")
    assert.same({ "1 before", "3 after" },
      found "local a = before\ndo local _ENV = {} x = y end\nlocal b = after")
  end)

  it("do not have what closures do with a captured local _ENV among them", function()
    assert.same({ "1 setup", "6 real" }, found [[
local s = setup
do
  local _ENV = { z = 1 }
  local function f() return function() x = y return z end end
end
local function g() return function() return real end end]])
  end)

  it("are found at the right line in functions longer than the gaps between absolute lines", function()
    local lines <const>, expected <const> = { "local function f()" }, {}
    for line = 2, 1500 do
      local code <const> = line % 7 == 0 and "local _ = gLINE wLINE = 1" or "local a, b = 1, {} a = a + #b"
      lines[line] = ("  do " .. code .. " end"):gsub("LINE", line)
    end
    lines[#lines + 1] = "end"
    local accesses <const> = assert(globals.find(assert(load(table.concat(lines, "\n")))))
    for _, access in ipairs(accesses) do expected[access.name] = access.line end
    for line = 7, 1500, 7 do
      assert.equal(line, expected["g" .. line])
      assert.equal(line, expected["w" .. line])
    end
    assert.equal(2 * (1500 // 7), #accesses)
  end)

  it("are found at the right line after steps of more than 127 lines, forth and back", function()
    local gap <const> = ("\n"):rep(1000)
    assert.same({ "1001 f" }, found(gap .. "f()"))
    assert.same({ "1 g" }, found("g(1," .. gap .. "2)"))
    assert.same({ "1 a", "2001 b =" }, found(("local x = a + %s 1 %s b = 1"):format(gap, gap)))
  end)

  it("are found beyond 65536 lines", function()
    local accesses <const> = globals.find(assert(load(("\n"):rep(70000) .. "x = 1")))
    assert.same({ { name = "x", line = 70001, write = true } }, accesses)
  end)

  it("are found in a function that is given, whose environment is an upvalue", function()
    local captured <const> = {}
    assert.same(1, #found(function() return captured, print end))
    assert.same({}, found(function() return captured end))
  end)

  it("are found in stripped code too, without lines", function()
    local chunk <const> = assert(load "local x = a return function() b = x end")
    local accesses <const> = globals.find(string.dump(chunk, true))
    assert.same({ { name = "a", line = 0, write = false }, { name = "b", line = 1, write = true } }, accesses)
  end)
end)

describe("the globals of code with many constants", function()
  local function found_after(count, code) return found(after_many_constants(count, code)) end

  for _, count in ipairs { 250, 254, 255, 256, 257, 300, 1000, 140000 } do
    it("are found after " .. count, function()
      local expected <const> = { "2 a", "3 b =", "4 c", "4 f", "5 g =", "6 d", "7 h =", "7 i =", "7 j" }
      assert.same(expected, found_after(count, [[
local x = a
b = x and {} or (x + 1) .. 'y' == x
f(c)
function g() end
d.e = 1
h, i = j, 2]]))
    end)
  end

  it("are found as names of more than 40 bytes", function()
    local long <const> = ("n"):rep(60)
    assert.same({ "1 " .. long .. " =", "2 " .. long, "3 " .. long },
      found(("NAME = function() end\nlocal x = 1 + NAME\nNAME.a.b = x"):gsub("NAME", long)))
  end)

  it("are found as _ENV with a computed text only where that is certain", function()
    local function found_long(code) return found((code:gsub("NAME", ("n"):rep(60)))) end
    assert.same({ "1 f" }, found_long "f(_ENV, 'NAME')")
    assert.same({ "1 f", "1 f" }, found_long "f(f(_ENV, 'NAME'))")
    assert.same({ "1 f", "1 g" }, found_long "f(_ENV, 'NAME') local a, b, c = g() b[c] = 1")
    assert.same({ "1 c" }, found_long "local e, n = _ENV, 'NAME' if c then e = {} end e[n] = 1")
    assert.same({}, found_long "local e, n = _ENV, 'NAME' for i = 1, 2 do local t = {} t[n] = 1 end")
    assert.same({}, found_long "local e = {} local function f() return e.NAME end")
    assert.same({}, found_long "local _ENV = {} local function f() return NAME end")
  end)
end)

describe("the undefined globals", function()
  it("are those that neither the environment has nor the script writes", function()
    assert.same({ "1 prnt", "4 cnt" },
      undefined("prnt(x)\nx = 1\nprint(x, y)\nreturn cnt, function() y = 1 end", { print = print }))
  end)

  it("are sorted by line and told once for each", function()
    assert.same({ "2 a", "2 c", "3 b", "5 a" },
      undefined "\nlocal function f() return c, a, a end\nlocal x = b\n\nx = a")
  end)

  it("are not those that the environment inherits, or has as false", function()
    assert.same({ "1 c" }, undefined("return a, b, c", setmetatable({ a = false }, { __index = { b = 1 } })))
  end)

  it("are those that the environment raises for", function()
    local strict <const> = setmetatable({ a = 1 }, { __index = function(_, name) error("no " .. name) end })
    assert.same({ "1 b" }, undefined("return a, b", strict))
  end)

  it("are busted's alone in this spec", function()
    local names <const> = {}
    for _, access in ipairs(globals.undefined(assert(loadfile(debug.getinfo(1, "S").source:sub(2))), _G)) do
      names[access.name] = true
    end
    assert.same({ describe = true, it = true }, names)
  end)
end)

describe("code that is no Lua 5.4 dump", function()
  local function assert_unreadable(pattern, bytes)
    local list <const>, message <const>, code <const> = globals.find(bytes)
    assert.is_nil(list)
    assert.matches("^cannot read the code: .*" .. pattern, message)
    assert.equal("protocol", code)
    assert.is_nil((globals.undefined(bytes, {})))
  end

  local source <const> = "local x <const> = a b = 'text' .. 1.5 return function() c = x end"
  local dump <const> = string.dump(assert(load(source)))

  it("is refused for its version, its format and its sizes", function()
    assert_unreadable("not Lua 5.4", "")
    assert_unreadable("not Lua 5.4", "print(1)")
    assert_unreadable("not Lua 5.4", dump:sub(1, 4) .. "\x53" .. dump:sub(6))
    assert_unreadable("not Lua 5.4", dump:sub(1, 5) .. "\1" .. dump:sub(7))
    assert_unreadable("not Lua 5.4", dump:sub(1, 12) .. "\8" .. dump:sub(14))
  end)

  it("is refused wherever it is cut off", function()
    for size = 0, #dump - 1 do assert_unreadable("", dump:sub(1, size)) end
    assert.equal(3, #globals.find(dump))
  end)

  it("never does more than to be refused when it is damaged", function()
    for position = 32, #dump do
      for _, byte in ipairs { 0, 1, 0x7F, 0x80, 0xFF } do
        local damaged <const> = dump:sub(1, position - 1) .. string.char(byte) .. dump:sub(position + 1)
        local list <const>, message <const> = globals.find(damaged)
        assert.truthy(list or message)
      end
    end
  end)

  it("is refused when it is an inner function without names", function()
    local inner <const> = assert(load "local x return function() return y, x end")()
    assert_unreadable("stripped", string.dump(inner, true))
    assert.same({ "1 y" }, found(inner))
  end)

  it("raises at the caller's line when it is no code at all", function()
    for _, value in ipairs { 5, true, {}, print } do
      for _, call in ipairs {
        function() local _ = globals.find(value) end, function() local _ = globals.undefined(value, {}) end,
      } do
        local ok <const>, message <const> = pcall(call)
        assert.is_false(ok)
        assert.matches("globals_spec%.lua:%d+: bad argument 'code'", message)
      end
    end
    local ok <const>, message <const> = pcall(function() local _ = globals.undefined(dump, nil) end)
    assert.is_false(ok)
    assert.matches("globals_spec%.lua:%d+: bad argument 'environment' %(table expected, got nil%)", message)
  end)
end)
