--- REST: a greeting, the time, and items that can be made, read, changed and deleted.
---   curl 'http://127.0.0.1:8080/hello?name=Ann'
---   curl -d '{"name":"lamp","price":19.75}' http://127.0.0.1:8080/items
--- All workers have the same items; with --set rest.store=redis://HOST machines have, with local:/path they are
--- durable.

local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local service <const> = require "perigee.service"
local stores <const> = require "perigee.store"

local options <const> = service.options { listen = "http://127.0.0.1:8080", items_limit = 10000, store = "local:" }

local ESCAPES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local app <const> = http.app()
local store <const> = assert(stores.open(options.store, "rest")) -- "item ID": an item as JSON; "last id"

app:get("/hello", function(request)
  local name <const> = (request.query.name or "world"):gsub("[&<>\"']", ESCAPES)
  return http.html("<html><body><h1>Hello " .. name .. "!</h1></body></html>")
end)

app:get("/localtime", function()
  local now <const> = os.date "*t"
  return http.xml(([[<?xml version="1.0"?>
<time>
  <year>%d</year>
  <month>%d</month>
  <day>%d</day>
</time>]]):format(now.year, now.month, now.day))
end)

--- The item that a request's body is, or nil and why it is none.
local function read_item(request)
  local given <const>, message <const>, code <const> = request:json()
  if message then return nil, http.refuse(message, code) end
  if type(given) ~= "table" then return nil, http.error(422, "an object is expected") end
  local name <const>, price <const> = given.name, given.price
  if type(name) ~= "string" or name == "" or #name > 200 then
    return nil, http.error(422, "name: a text of 1 to 200 bytes is expected")
  end
  if price ~= nil and not (type(price) == "number" and price >= 0) then
    return nil, http.error(422, "price: a number of 0 or more is expected")
  end
  return { name = name, price = price }
end

--- What the store has answered. When it has failed, so has the request.
local function sure(value, message)
  if message then error(http.error(503, message)) end
  return value
end

local function refuse_missing()
  error(http.error(404, "there is no such item"))
end

local function key_of(request)
  return #request.params.id < 20 and "item " .. request.params.id or refuse_missing()
end

local function find(request)
  return sure(store:get(key_of(request))) or refuse_missing()
end

app:get("/items", function()
  local list <const> = {}
  for _, key in ipairs(sure(store:keys "item ")) do
    local text <const> = sure(store:get(key)) -- nil: it has been deleted meanwhile
    list[#list + 1] = text and json.decode(text)
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return { items = json.array(list) }
end)

app:post("/items", function(request)
  local item <const>, refusal <const> = read_item(request)
  if not item then return refusal end
  item.id = sure(store:increment "last id")
  local key <const> = "item " .. item.id
  sure(store:set(key, json.encode(item)))
  if #sure(store:keys "item ") > options.items_limit then
    sure(store:delete(key))
    return http.error(507, "there are too many items")
  end
  return http.created("/items/" .. item.id, item)
end)

app:get("/items/{id}", function(request) return json.decode(find(request)) end)

app:put("/items/{id}", function(request)
  local item <const>, refusal <const> = read_item(request)
  if not item then return refusal end
  local old
  repeat
    old = find(request)
    item.id = json.decode(old).id
  until sure(store:replace(key_of(request), old, json.encode(item))) -- not when it has been deleted meanwhile
  return item
end)

app:delete("/items/{id}", function(request)
  if sure(store:delete(key_of(request))) == 0 then refuse_missing() end
  return http.no_content()
end)

http.serve(options.listen, app)
