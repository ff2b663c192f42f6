--- Counts the words of files with several processes: each takes pieces of text and counts their words (map), then parts
--- of all words and adds up what the pieces have of them (reduce). The processes share a queue of jobs, a store of
--- results and a bus: on this machine, or on as many as reach one Redis.
---   perigee run examples/mapreduce/words.lua --set words.files=README.md,LICENSE
---   perigee run examples/mapreduce/words.lua --set words.files=README.md --set words.url=redis://127.0.0.1
---   perigee run examples/mapreduce/words.lua --set words.role=worker --set words.url=redis://127.0.0.1
--- A worker may be killed at any moment: its job is done by another, and counts once, as it has one place in the store.

local bus <const> = require "perigee.bus"
local file <const> = require "perigee.file"
local msgpack <const> = require "perigee.codec.msgpack"
local process <const> = require "perigee.process"
local queue <const> = require "perigee.queue"
local service <const> = require "perigee.service"
local store <const> = require "perigee.store"

local options <const> = service.options { url = "local:", role = "count", files = { "README.md" }, workers = 2,
  parts = 4, piece = 20000, top = 10, lease = 5.0 } -- piece in bytes, lease in seconds

local url <const>, lease <const> = process.arguments[1] or options.url, process.arguments[2] or options.lease
local jobs <const> = assert(queue.open(url, "mapreduce", { lease = lease }))
local results <const> = assert(store.open(url, "mapreduce"))
local events <const> = assert(bus.open(url))

--- Keeps a result; what a run that was killed has left goes by itself.
local function keep(key, ...)
  assert(results:set(key:format(...), msgpack.encode((select(-1, ...))), { expire = 3600 }))
end

local function add(counts, word, count)
  counts[word] = (counts[word] or 0) + count
end

--- Counts the words of a piece; each word belongs to one of the parts.
local function map(job)
  local parts <const> = {}
  for part = 1, job.parts do parts[part] = {} end
  for word in job.text:lower():gmatch "%a+" do add(parts[#word * word:byte() % job.parts + 1], word, 1) end
  for part, counts in ipairs(parts) do keep("%s map %d %d", job.run, part, job.number, counts) end
end

--- Adds up what the pieces have of one part of the words.
local function reduce(job)
  local total <const> = {}
  for _, key in ipairs(assert(results:keys(("%s map %d "):format(job.run, job.number)))) do
    for word, count in pairs(msgpack.decode(results:get(key))) do add(total, word, count) end
  end
  keep("%s reduce %d", job.run, job.number, total)
end

local function work()
  jobs:work(function(text)
    local job <const> = assert(msgpack.decode(text))
    if job.kind == "map" then map(job) else reduce(job) end
    keep("%s did %s %d", job.run, job.kind, job.number, true)
    events:publish(job.run, job.kind)
  end)
end

--- Puts the jobs of one kind, and waits until all are done. The bus may lose a message, so it also looks by itself.
local function do_all(run, kind, list)
  local heard <close> = assert(events:subscribe(run))
  for number, job in ipairs(list) do
    job.run, job.kind, job.number = run, kind, number
    assert(jobs:put(msgpack.encode(job)))
  end
  while #assert(results:keys(("%s did %s "):format(run, kind))) < #list do heard:receive(1) end
end

local function pieces_of(paths)
  local pieces <const> = {}
  for _, path in ipairs(paths) do
    local text <const>, from = assert(file.read(path)), 1
    while from <= #text do -- up to the end of a word
      local last <const> = text:find("%A", from + options.piece) or #text
      pieces[#pieces + 1] = { text = text:sub(from, last), parts = options.parts }
      from = last + 1
    end
  end
  return pieces
end

local function print_most(run)
  local list <const> = {}
  for part = 1, options.parts do
    local counts <const> = msgpack.decode(assert(results:get(("%s reduce %d"):format(run, part))))
    for word, count in pairs(counts) do list[#list + 1] = { word = word, count = count } end
  end
  table.sort(list, function(a, b) return a.count == b.count and a.word < b.word or a.count > b.count end)
  for index = 1, math.min(options.top, #list) do print(list[index].count, list[index].word) end
end

local function count()
  local run <const>, parts <const>, workers <const> = ("words %d"):format(assert(results:increment "runs")), {}, {}
  for number = 1, options.workers do
    workers[number] = assert(process.start(service.path "words.lua", { arguments = { url, lease } }))
  end
  for part = 1, options.parts do parts[part] = {} end
  do_all(run, "map", pieces_of(options.files))
  do_all(run, "reduce", parts)
  print_most(run)
  results:delete(table.unpack(results:keys(run .. " ")))
  for _, worker in ipairs(workers) do worker:close() end
end

if process.channel() or options.role == "worker" then work() else count() end
