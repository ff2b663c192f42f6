local pickle <const> = require "perigee.codec.pickle"

local seeds <const> = {}

local shared <const> = { "shared", 1.5 }
local values <const> = {
  { 1, -1, 300, 70000, 1 << 40, math.mininteger, 0.5, -math.huge, true, false, pickle.null, "text", "\xFF\0",
    "\u{20AC}" },
  { shared, { list = shared, again = shared }, pickle.tuple { shared }, {}, pickle.list {}, pickle.tuple {} },
  { pickle.set { 1, "a", pickle.tuple { 1, pickle.frozenset { 2 } } }, pickle.dict { [1] = 1, [true] = 2, [0.5] = 3 } },
  { pickle.exception("KeyError", "key"), pickle.tuple { 1, 2, 3, 4, 5 }, ("long"):rep(100), pickle.frozenset {} },
}
for protocol = 0, 5 do
  for _, value in ipairs(values) do seeds[#seeds + 1] = pickle.encode(value, { protocol = protocol }) end
end
for _, text in ipairs {
  "cos\nsystem\n(S'id'\ntR.", "(I1\nI01\nL5L\nF1e5\nVa\\u0041\nS'q\\x00'\nN(dp0\ng0\nlp1\n.", "]q\0(K\1K\2e0N.",
  "(K\1K\2d.", "\x80\2]q\0X\1\0\0\0aa.", "\x80\4\x95\3\0\0\0\0\0\0\0K\1.", "\x80\4\x8f\x94(K\1\x90.", "(K\1\x91.",
  "ccopy_reg\n_reconstructor\n.", "\x82\1.", "Pid\n.", "(ios\nsystem\n.", "]2a.", "\x8b\1\0\0\0\5.", "T\1\0\0\0a.",
  "c__builtin__\nset\n(]K\1atR.", "c_codecs\nencode\n(Va\nVlatin1\ntR.", "cbuiltins\nKeyError\n(tR}b.", "U\1a.",
} do seeds[#seeds + 1] = text end

local codes <const> = { protocol = true, limit = true, denied = true }

--- What was read can be written, and read again.
local function check(bytes, options)
  local value <const>, message <const>, code <const> = pickle.decode(bytes, options)
  if value == nil and message then
    assert(codes[code] and not message:find "\n", message)
    return message:gsub("%d+", ""):gsub("names .-:", ":"):gsub("0x%x+", "")
  end
  for protocol = 0, 4, 2 do
    local text <const> = pickle.encode(value, { protocol = protocol })
    local again <const>, why <const> = pickle.decode(text, options)
    assert(type(again) == type(value), why)
  end
  return type(value)
end

return {
  seeds = seeds,
  check = function(bytes)
    check(bytes, { limit = 1000, depth = 20 })
    return check(bytes, { exceptions = true, binary = "buffer", limit = 100000 })
  end,
}
