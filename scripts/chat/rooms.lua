--- The rooms: who is in them and what was said, in this process and in the others that share the bus. Whatever happens
--- in a room is an event: it happens here, and is told to the others, where it happens as well.

local events <const> = require "chat.events"
local fanout <const> = require "perigee.fanout"
local log <const> = require "perigee.log"
local others <const> = require "chat.others"
local service <const> = require "perigee.service"
local task <const> = require "perigee.task"

local TELL_SECONDS <const> = 2    -- between two lists of who is here
local SILENT_SECONDS <const> = 7 -- a process that tells nothing for so long is gone, and all who were there

--- By name: { name =, fanout =, history =, names = }, where names[NAME] is the id of the process that somebody is at.
local rooms <const> = service.state "rooms"
local away <const> = service.state "away"   -- the processes of those who are elsewhere, by their names in lower case
local heard <const> = service.state "heard" -- when each process was heard last

local M <const> = { away = away }
local settings -- see open
local refused = 0 -- events, since the log was told

--- The members of a set, as a text.
---@param set table<string, any>
---@return string
function M.sorted(set)
  local list <const> = {}
  for name in pairs(set) do list[#list + 1] = name end
  table.sort(list)
  return table.concat(list, ", ")
end

--- The names of all rooms.
---@return string
function M.list()
  return M.sorted(rooms)
end

local function count_rooms()
  local count = 0
  for _ in pairs(rooms) do count = count + 1 end
  return count
end

local function trim(history)
  while #history > settings.history do table.remove(history, 1) end
end

local function append(room, line)
  table.insert(room.history, line)
  trim(room.history)
  room.fanout:write(line)
end

local function lesser(a, b)
  return a < b and a or b
end

--- When two have taken a name in the same moment the one at the process with the lower id keeps it.
local function enter(room, name, from)
  room.names[name] = lesser(from, room.names[name] or from)
  if from == others.id then return end
  away[name:lower()] = from
  if from < others.id then settings.on_clash(name:lower()) end
end

local function depart(room, name, from)
  if room.names[name] == from then room.names[name] = nil end
  if away[name:lower()] == from then away[name:lower()] = nil end
end

local happens <const> = {}

function happens.say(room, event) append(room, event.line) end

function happens.come(room, event, from)
  enter(room, event.name, from)
  append(room, event.line)
end

function happens.go(room, event, from)
  depart(room, event.name, from)
  append(room, event.line)
end

function happens.rename(room, event, from)
  depart(room, event.old, from)
  enter(room, event.name, from)
  append(room, event.line)
end

--- The lines that were said before this process was there.
function happens.history(room, event)
  if event.to ~= others.id or room.told then return end
  room.told = true
  table.move(room.history, 1, #room.history, #event.lines + 1, event.lines)
  room.history = event.lines
  trim(room.history)
end

local function room_of(name)
  rooms[name] = rooms[name]
    or { name = name, history = {}, names = {}, fanout = fanout.new { limit = settings.backlog } }
  return rooms[name]
end

local function close_if_empty(room)
  if not next(room.names) and room.name ~= "lobby" then rooms[room.name] = nil end
end

local function happen(event, from)
  local room <const> = room_of(event.room)
  happens[event.kind](room, event, from)
  close_if_empty(room)
end

local function happen_here(event)
  happen(event, others.id)
  others.tell(event)
end

-- Who is where: each process tells it every few seconds, and when it is asked.

local function depart_all(from)
  for _, room in pairs(rooms) do
    for name, id in pairs(room.names) do
      if id == from then depart(room, name, from) end
    end
  end
end

local function close_empty()
  for _, room in pairs(rooms) do close_if_empty(room) end
end

local function tell_who_is_here()
  local here <const> = {}
  for name, room in pairs(rooms) do
    for person, id in pairs(room.names) do
      if id == others.id then here[#here + 1] = { name, person } end
    end
  end
  others.tell { kind = "here", here = here }
end

local function learn(event, from)
  depart_all(from)
  for _, place in ipairs(event.here) do
    if rooms[place[1]] or count_rooms() < settings.rooms then enter(room_of(place[1]), place[2], from) end
  end
  close_empty()
end

local function answer(from)
  tell_who_is_here()
  for name, room in pairs(rooms) do
    if #room.history > 0 then
      others.tell { kind = "history", to = from, room = name, lines = room.history }
    end
  end
end

local function hear(event, from)
  heard[from] = os.time()
  if event.kind == "here" then learn(event, from)
  elseif event.kind == "ask" then answer(from)
  else happen(event, from) end
end

local function is_possible(event)
  if not events.check(event, settings) then return false end
  return not event.room or rooms[event.room] or count_rooms() < settings.rooms
end

local hear_if_possible <const> = service.live("hear_others", function(event, from)
  if is_possible(event) then hear(event, from) else refused = refused + 1 end
end)

local function forget_silent()
  for id, at in pairs(heard) do
    if os.time() - at > SILENT_SECONDS then
      heard[id] = nil
      depart_all(id)
      close_empty()
      others.forget(id)
    end
  end
end

local function keep_telling()
  while true do
    task.sleep(TELL_SECONDS)
    tell_who_is_here()
    forget_silent()
    if refused > 0 then log.warn("others tell what cannot be: it is ignored", { events = refused }) end
    refused = 0
  end
end

--- Opens the rooms. on_clash(name) is called when somebody at another process has the name, in lower case, of somebody
--- here, and keeps it.
---@param given { bus: string, history: integer, longest: integer, backlog: integer, rooms: integer,
--- on_clash: fun(name: string) } at most so many lines of history, bytes of a line, bytes that wait for a slow client,
--- and rooms at all processes
function M.open(given)
  settings = given
  others.join(given.bus, hear_if_possible, function()
    others.tell { kind = "ask" }
    tell_who_is_here()
  end)
  task.spawn(keep_telling)
end

-- What our clients do.

--- A line for everybody in the room.
---@param room table
---@param line string
function M.say(room, line)
  happen_here { kind = "say", room = room.name, line = line }
end

--- A room, which is made if need be.
---@param name string
---@param most integer rooms that there may be
---@return table? room nil: there are too many
function M.find(name, most)
  if rooms[name] or count_rooms() < most then return room_of(name) end
end

---@param room table
---@param person string
function M.come(room, person)
  happen_here { kind = "come", room = room.name, name = person, line = ("* %s has come"):format(person) }
end

---@param room table
---@param person string
function M.go(room, person)
  happen_here { kind = "go", room = room.name, name = person, line = ("* %s has left"):format(person) }
end

---@param room table
---@param old string
---@param new string
function M.rename(room, old, new)
  happen_here { kind = "rename", room = room.name, old = old, name = new, line = ("* %s is now %s"):format(old, new) }
end

return M
