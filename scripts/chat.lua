--- Chat: rooms for everybody, by nc and by browser.
---   nc 127.0.0.1 8800          a line is said, /help lists the commands
---   http://127.0.0.1:8801      the page

local fanout <const> = require "perigee.fanout"
local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local service <const> = require "perigee.service"

local options <const> = service.options {
  listen = "tcp://127.0.0.1:8800", page = "http://127.0.0.1:8801", history = 100, line_limit = 4000, rooms_limit = 100,
}

local HELP <const> = "* /join ROOM, /nick NAME, /who, /rooms, /quit; anything else is said to the room"
local BACKLOG <const> = 65536 + options.history * (options.line_limit + 100) -- bytes that may wait for a slow client

local rooms <const>, rooms_count, names <const> = {}, 0, {}

--- One who chats: `write` sends lines to it alone, `member` and `form` are what a fan-out takes.
local Client <const> = {}
Client.__index = Client

local function say(room, line)
  table.insert(room.history, line)
  if #room.history > options.history then table.remove(room.history, 1) end
  room.fanout:write(line)
end

local function sorted(set)
  local list <const> = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

function Client:leave()
  local room <const> = self.room
  self.room = nil
  room.fanout:remove(self.member)
  room.names[self.name] = nil
  if next(room.names) then return say(room, ("* %s has left"):format(self.name)) end
  if room.name ~= "lobby" then rooms[room.name], rooms_count = nil, rooms_count - 1 end
end

--- The history goes out at once, as one text, and nothing that is said meanwhile can come before it or be missed.
function Client:join(name)
  if not rooms[name] then
    if rooms_count >= options.rooms_limit then return self.write "* there are too many rooms" end
    rooms[name] = { name = name, fanout = fanout.new { limit = BACKLOG }, history = {}, names = {} }
    rooms_count = rooms_count + 1
  end
  local room <const> = rooms[name]
  if room == self.room then return self.write("* you are in " .. name .. " already") end
  if self.room then self:leave() end
  self.room, room.names[self.name] = room, true
  room.fanout:add(self.member, self.form)
  local lines <const> = table.move(room.history, 1, #room.history, 2, { "* you are in " .. name })
  self.write(table.concat(lines, "\n"))
  say(room, ("* %s has come"):format(self.name))
end

--- Takes a name that nobody has, and returns true; says why when it cannot be taken.
function Client:take_name(name)
  if not name:find "^[^%s/*,:][^%s,:]*$" or #name > 24 then
    return self.write "* a name has 1 to 24 bytes, without spaces, commas and colons, and begins with neither / nor *"
  end
  local holder <const> = names[name:lower()] or self
  if holder ~= self then return self.write(("* %s is taken, choose another name"):format(name)) end
  if self.name then names[self.name:lower()] = nil end
  names[name:lower()] = self
  local old <const>, room <const> = self.name, self.room
  self.name = name
  if not room then return true end
  room.names[old] = nil
  room.names[name] = true
  say(room, ("* %s is now %s"):format(old, name))
  return true
end

local commands <const> = {}

function commands.help(client) client.write(HELP) end
function commands.who(client) client.write("* here: " .. sorted(client.room.names)) end
function commands.rooms(client) client.write("* rooms: " .. sorted(rooms)) end
function commands.nick(client, name) client:take_name(name) end

function commands.join(client, name)
  if not name:find "^[%w_-]+$" or #name > 24 then
    return client.write "* a room's name has 1 to 24 letters, digits, - and _"
  end
  client:join(name)
end

--- What was typed, without what could upset a terminal or a browser.
local function clean(line)
  if not utf8.len(line) then line = line:gsub("[\128-\255]", "?") end
  return (line:gsub("%c", " "):gsub("\xC2[\x80-\x9F]", " "):match "^%s*(.-)%s*$")
end

function Client:talk(next_line)
  repeat
    local name <const> = next_line()
    if not name then return end
  until self:take_name(clean(name))
  self:join "lobby"
  for typed in next_line do
    local line <const> = clean(typed)
    local command <const>, argument <const> = line:match "^/(%a+)%s*(.*)$"
    if command == "quit" then return self.write "* goodbye" end
    if commands[command] then
      commands[command](self, argument)
    elseif line:sub(1, 1) == "/" then
      self.write("* there is no such command. " .. HELP)
    elseif line ~= "" then
      say(self.room, ("%s: %s"):format(self.name, line))
    end
  end
end

local function serve(client, next_line)
  local _ <close> = setmetatable({}, { __close = function()
    if client.room then client:leave() end
    if client.name then names[client.name:lower()] = nil end
  end })
  client:talk(next_line)
end

net.serve(options.listen, function(conn)
  local client <const> = setmetatable({ member = conn, form = "line" }, Client)
  function client.write(line) conn:write(line, "\n") end
  client.write "* welcome. What is your name?"
  serve(client, function()
    conn.timeout = not client.name and 60 or nil -- it may be silent once it has a name
    local line <const>, _, code <const> = conn:read_line(options.line_limit)
    if code == "limit" then client.write(("* a line has at most %d bytes. Goodbye"):format(options.line_limit)) end
    return line
  end)
end)

local app <const> = http.app()
app:use(function(request, next)
  return http.of(next(request)):set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:")
end)
app:static("/", service.path "chat")
app:websocket("/socket", function(socket)
  local client <const> = setmetatable({ member = socket, write = function(line) socket:send(line) end }, Client)
  serve(client, function() return (socket:receive()) end)
end, { limit = options.line_limit })

http.serve(options.page, app)
