--- Chat: rooms for everybody, by nc and by browser.
---   nc 127.0.0.1 8800          a line is said, /help lists the commands
---   http://127.0.0.1:8801      the page
--- Rooms survive a reload, and so does everybody in them: lines are heard by the newest code. All workers share the
--- rooms, and with --set chat.bus=redis://HOST machines do.

local http <const> = require "perigee.http"
local net <const> = require "perigee.net"
local rooms <const> = require "chat.rooms"
local service <const> = require "perigee.service"
local text <const> = require "chat.text"

local options <const> = service.options {
  listen = "tcp://127.0.0.1:8800", page = "http://127.0.0.1:8801", history = 100, line_limit = 4000, rooms_limit = 100,
  bus = "local:",
}

local HELP <const> = "* /join ROOM, /nick NAME, /who, /rooms, /quit; anything else is said to the room"
local BACKLOG <const> = 65536 + options.history * (options.line_limit + 100) -- bytes that may wait for a slow client

--- A client is data alone, so that it outlives the code: { member =, form =, name =, room = }, where `member` is its
--- connection or WebSocket, and `form` what a fan-out sends it.
local names <const> = service.state "names" -- clients by their names in lower case

local function tell(client, line)
  if client.form then client.member:write(line, "\n") else client.member:send(line) end
end

local function leave(client)
  local room <const> = client.room
  client.room = nil
  room.fanout:remove(client.member)
  rooms.go(room, client.name)
end

--- The history goes out at once, as one text, and nothing that is said meanwhile can come before it or be missed.
local function join(client, name)
  local room <const> = rooms.find(name, options.rooms_limit)
  if not room then return tell(client, "* there are too many rooms") end
  if room == client.room then return tell(client, "* you are in " .. name .. " already") end
  if client.room then leave(client) end
  client.room = room
  room.fanout:add(client.member, client.form)
  local lines <const> = table.move(room.history, 1, #room.history, 2, { "* you are in " .. name })
  tell(client, table.concat(lines, "\n"))
  rooms.come(room, client.name)
end

--- Takes a name that nobody has, and returns true; says why when it cannot be taken.
local function take_name(client, name)
  if not text.is_name(name) then
    return tell(client,
      "* a name has 1 to 24 bytes, without spaces, commas and colons, and begins with neither / nor *")
  end
  local lower <const> = name:lower()
  if (names[lower] or client) ~= client or rooms.away[lower] then
    return tell(client, ("* %s is taken, choose another name"):format(name))
  end
  if client.name then names[client.name:lower()] = nil end
  names[lower] = client
  local old <const>, room <const> = client.name, client.room
  client.name = name
  if room then rooms.rename(room, old, name) end
  return true
end

--- Somebody at another process has taken the same name, in the same moment: ours gets another one.
local function give_way(lower)
  local client <const> = names[lower]
  if not client then return end
  local number = 1
  local name
  repeat
    number = number + 1
    name = text.numbered(client.name, number)
  until not names[name:lower()] and not rooms.away[name:lower()]
  tell(client, ("* %s is taken by somebody who was quicker"):format(client.name))
  take_name(client, name)
end

rooms.open { bus = options.bus, history = options.history, longest = math.max(options.line_limit + 100, 32768),
  backlog = BACKLOG, rooms = 10 * options.rooms_limit, on_clash = give_way }

local commands <const> = {}

function commands.help(client) tell(client, HELP) end
function commands.who(client) tell(client, "* here: " .. rooms.sorted(client.room.names)) end
function commands.rooms(client) tell(client, "* rooms: " .. rooms.list()) end
function commands.nick(client, name) take_name(client, name) end

function commands.join(client, name)
  if not text.is_room(name) then
    return tell(client, "* a room's name has 1 to 24 letters, digits, - and _")
  end
  join(client, name)
end

function commands.quit(client)
  tell(client, "* goodbye")
  return true
end

local greet <const> = service.live("greet", function(client)
  if client.form then tell(client, "* welcome. What is your name?") end -- the page asks by itself
end)

--- One line of a client; returns true when it was the last.
local hear <const> = service.live("hear", function(client, typed)
  local line <const> = text.clean(typed)
  if not client.name then
    if take_name(client, line) then join(client, "lobby") end
    return
  end
  local command <const>, argument <const> = line:match "^/(%a+)%s*(.*)$"
  if commands[command] then return commands[command](client, argument) end
  if line:sub(1, 1) == "/" then
    tell(client, "* there is no such command. " .. HELP)
  elseif line ~= "" then
    rooms.say(client.room, ("%s: %s"):format(client.name, line))
  end
end)

local forget <const> = service.live("forget", function(client)
  if client.room then leave(client) end
  if client.name then names[client.name:lower()] = nil end
end)

local function serve(client, next_line)
  local _ <close> = setmetatable({}, { __close = function() forget(client) end })
  greet(client)
  for line in next_line do
    if hear(client, line) then return end
  end
end

net.serve(options.listen, function(conn)
  local client <const> = { member = conn, form = "line" }
  serve(client, function()
    conn.timeout = not client.name and 60 or nil -- it may be silent once it has a name
    local line <const>, _, code <const> = conn:read_line(options.line_limit)
    if code == "limit" then tell(client, ("* a line has at most %d bytes. Goodbye"):format(options.line_limit)) end
    return line
  end)
end)

local app <const> = http.app()
app:use(function(request, next)
  return http.of(next(request)):set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:")
end)
app:static("/", service.path "chat")
app:websocket("/socket", function(socket)
  serve({ member = socket }, function() return (socket:receive()) end)
end, { limit = options.line_limit })

http.serve(options.page, app)
