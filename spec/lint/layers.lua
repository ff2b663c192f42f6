--- Includes and requires point down only, and in no circle. `lua5.4 spec/lint/layers.lua` reads the tree, prints what
--- breaks a rule as file:line, and exits 1 then. Whatever a line may do is said in the tables below.

local M <const> = {}

-- Each floor may use those before it.
local floors <const> = { "bytes", "system", "io", "http", "binding" }
local heights <const> = { ["main.c"] = #floors + 1 }
for height, floor in ipairs(floors) do heights[floor] = height end

-- What only some floors know. The first pattern that fits a system header decides.
local guarded <const> = {
  { headers = { "^ev%.h$", "^ev%+%+%.h$" }, what = "libev", floors = { io = true } },
  { headers = { "^ares" }, what = "c-ares", floors = { io = true } },
  { headers = { "^lmdb%.h$" }, what = "LMDB", floors = { system = true } },
  { headers = { "^curl/" }, what = "libcurl", floors = { io = true } },
  { headers = { "^openssl/ssl", "^openssl/tls", "^openssl/bio", "^openssl/x509", "^openssl/pem" },
    what = "OpenSSL's SSL", floors = { io = true } },
  { headers = { "^openssl/" }, what = "OpenSSL", floors = { io = true, http = true, binding = true } },
  { headers = { "^lua.*%.h$", "^lauxlib%.h$" }, what = "Lua", floors = { binding = true, ["main.c"] = true } },
}

-- The byte floor makes no system call, so that all of it can be fuzzed: it has the headers that cannot.
-- <sys/uio.h> and <sys/types.h> are there for `struct iovec` and `off_t`.
local pure <const> = {}
for name in ("assert ctype emmintrin endian errno float immintrin inttypes limits math stdalign stdarg stdbool stddef "
  .. "stdint stdio stdlib string strings sys/types sys/uio zlib"):gmatch "%S+" do
  pure[name .. ".h"] = true
end

-- Modules of others, and who may have them.
local guests <const> = { busted = "^lua/perigee/cli/test%.lua$", lxp = "^lua/perigee/" }

local function report(violations, file, line, message)
  violations[#violations + 1] = { file = file, line = line, message = message }
end

local function numbered_lines(text)
  local number = 0
  local next_line <const> = text:gmatch "([^\n]*)\n?"
  return function()
    local line <const> = next_line()
    number = number + 1
    if line then return number, line end
  end
end

local function floor_of(path)
  return path:match "^core/([^/]+)"
end

local function check_floor(violations, file, line, target)
  local from <const>, to <const> = floor_of(file), floor_of(target)
  if heights[to] and heights[to] <= heights[from] then return end
  report(violations, file, line, ("%s is above %s: an include points up"):format(target, from))
end

local function check_header(violations, file, line, header)
  local floor <const> = floor_of(file)
  for _, rule in ipairs(guarded) do
    for _, pattern in ipairs(rule.headers) do
      if header:find(pattern) then
        if not rule.floors[floor] then
          report(violations, file, line, ("<%s>: core/%s knows nothing of %s"):format(header, floor, rule.what))
        end
        return
      end
    end
  end
  if floor == "bytes" and not pure[header] then
    report(violations, file, line, ("<%s>: core/bytes makes no system call"):format(header))
  end
end

local function read_includes(violations, arrows, file, sources)
  if not heights[floor_of(file)] then return report(violations, file, 1, "the file belongs to no floor") end
  for number, line in numbered_lines(sources[file]) do
    local kind <const>, name <const> = line:match '^%s*#%s*include%s*(["<])([^">]+)'
    if kind == "<" then
      check_header(violations, file, number, name)
    elseif kind then
      local target <const> = "core/" .. name
      check_floor(violations, file, number, target)
      if sources[target] then arrows[#arrows + 1] = { from = file, line = number, to = target } end
    end
  end
end

-- The file of a module, where it is one of ours.
local function module_file(sources, file, name)
  local path <const> = name:gsub("%.", "/")
  local beside <const> = file:match "^(.*/)[^/]*$" .. path .. ".lua"
  for _, candidate in ipairs { "lua/" .. path .. ".lua", "lua/" .. path .. "/init.lua", beside } do
    if sources[candidate] then return candidate end
  end
end

local function check_module(violations, file, line, name)
  local top <const> = name:match "^[^.]+"
  if not file:find "^lua/" then
    if top == "core" then
      report(violations, file, line, ("%s: a script uses perigee.*, never the core"):format(name))
    end
  elseif top ~= "perigee" and top ~= "core" and not (guests[top] and file:find(guests[top])) then
    report(violations, file, line, ("%s: the library requires perigee.* and core.* alone"):format(name))
  end
end

-- `require "x"`, `require("x")` and `pcall(require, "x")`, not in lines that are comments.
local function required_modules(line)
  if line:find "^%s*%-%-" then return function() end end
  local next_match <const> = line:gmatch "%f[%w_]require%s*[(,]?%s*([\"'])([^\"']+)%1"
  return function() return select(2, next_match()) end
end

local function read_requires(violations, arrows, file, sources)
  for number, line in numbered_lines(sources[file]) do
    for name in required_modules(line) do
      check_module(violations, file, number, name)
      local target <const> = module_file(sources, file, name)
      if target then
        arrows[#arrows + 1] = { from = file, line = number, to = target }
      elseif name:find "^perigee" and not name:find "%.$" then -- "perigee.cli." .. name is known when it runs
        report(violations, file, number, ("%s: there is no such module"):format(name))
      end
    end
  end
end

local function chain_text(path, target)
  local from = #path
  while path[from] ~= target do from = from - 1 end
  return table.concat(path, " -> ", from) .. " -> " .. target
end

-- Depth first: an arrow to a file on the way here closes a circle.
local function find_circles(violations, arrows)
  local leaving <const>, state, path <const> = {}, {}, {}
  for _, arrow in ipairs(arrows) do
    leaving[arrow.from] = leaving[arrow.from] or {}
    table.insert(leaving[arrow.from], arrow)
  end
  local function visit(file)
    state[file], path[#path + 1] = "open", file
    for _, arrow in ipairs(leaving[file] or {}) do
      if state[arrow.to] == "open" then
        report(violations, file, arrow.line, "a circle: " .. chain_text(path, arrow.to))
      elseif not state[arrow.to] then
        visit(arrow.to)
      end
    end
    state[file], path[#path] = "done", nil
  end
  for _, arrow in ipairs(arrows) do
    if not state[arrow.from] then visit(arrow.from) end
  end
end

local function sorted_keys(map)
  local keys <const> = {}
  for key in pairs(map) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function precedes(a, b)
  if a.file ~= b.file then return a.file < b.file end
  return a.line < b.line
end

--- What breaks the rules, in order of file and line.
---@param sources table<string, string> the text of each file, by its path from the root
---@return { file: string, line: integer, message: string }[]
function M.check(sources)
  local violations <const>, arrows <const> = {}, {}
  for _, file in ipairs(sorted_keys(sources)) do
    local read <const> = file:find "^core/" and read_includes or read_requires
    read(violations, arrows, file, sources)
  end
  find_circles(violations, arrows)
  table.sort(violations, precedes)
  return violations
end

local function read_tree()
  local sources <const>, count = {}, 0
  local find <close> = assert(io.popen("find core lua/perigee scripts examples -name '*.[ch]' -o -name '*.lua'"))
  for path in find:lines() do
    local file <close> = assert(io.open(path, "rb"))
    sources[path], count = file:read "a", count + 1
  end
  return sources, count
end

local function main()
  local sources <const>, count <const> = read_tree()
  local violations <const> = M.check(sources)
  for _, it in ipairs(violations) do print(("%s:%d: %s"):format(it.file, it.line, it.message)) end
  if #violations > 0 then os.exit(1) end
  print(("layers: %d files, no arrow points up"):format(count))
end

if ... == "spec.lint.layers" then return M end -- required by its spec
main()
