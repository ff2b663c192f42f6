--- REST: a greeting, the time, and items that can be made, read, changed and deleted.
---   curl 'http://127.0.0.1:8080/hello?name=Ann'
---   curl -d '{"name":"lamp","price":19.75}' http://127.0.0.1:8080/items

local http <const> = require "perigee.http"
local json <const> = require "perigee.codec.json"
local service <const> = require "perigee.service"

local options <const> = service.options { listen = "http://127.0.0.1:8080", items_limit = 10000 }

local ESCAPES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local app <const> = http.app()
local items <const>, count, last_id = {}, 0, 0 -- items by the text of their id

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

local function find(request)
  return items[request.params.id] or error(http.error(404, "there is no such item"))
end

app:get("/items", function()
  local list <const> = {}
  for _, item in pairs(items) do list[#list + 1] = item end
  table.sort(list, function(a, b) return a.id < b.id end)
  return { items = json.array(list) }
end)

app:post("/items", function(request)
  local item <const>, refusal <const> = read_item(request)
  if not item then return refusal end
  if count >= options.items_limit then return http.error(507, "there are too many items") end
  last_id, count = last_id + 1, count + 1
  item.id, items[tostring(last_id)] = last_id, item
  return http.created("/items/" .. item.id, item)
end)

app:get("/items/{id}", find)

app:put("/items/{id}", function(request)
  local item <const>, refusal <const> = read_item(request)
  if not item then return refusal end
  item.id = find(request).id -- not before: while the body comes it may be deleted
  items[request.params.id] = item
  return item
end)

app:delete("/items/{id}", function(request)
  items[tostring(find(request).id)], count = nil, count - 1
  return http.no_content()
end)

http.serve(options.listen, app)
