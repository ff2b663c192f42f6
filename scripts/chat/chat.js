// The page sends what nc would: a name, then lines. What comes is lines too: "NAME: TEXT", or "* NOTICE".
"use strict";

const byId = (id) => document.getElementById(id);
const log = byId("log"), status = byId("status"), enter = byId("enter"), say = byId("say");
let socket, name, delay = 500;
let inside = false, room; // whether we are to be inside, and the room in which we are

function show(line) {
  const said = /^([^*][^:]*): (.*)$/.exec(line);
  const paragraph = document.createElement("p");
  paragraph.className = said ? (said[1] === name ? "said mine" : "said") : "notice";
  if (said) {
    const who = document.createElement("b");
    who.textContent = said[1];
    paragraph.append(who);
  }
  paragraph.append(said ? said[2] : line.replace(/^\* /, ""));
  log.append(paragraph);
  while (log.children.length > 1000) log.firstChild.remove();
}

function showAll(lines) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  lines.forEach(show);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function showState(text) {
  const changed = enter.hidden !== inside;
  enter.hidden = inside;
  say.hidden = !inside;
  byId("send").disabled = !room;
  status.textContent = text || (room ? name + " in " + room : "not connected");
  if (changed) byId(inside ? "text" : "name").focus();
}

// A room's first message has its history behind it; of the others, each is one line. What comes before the first room
// says why we cannot have the name.
function receive(text) {
  const lines = text.split("\n");
  const entered = /^\* you are in (\S+)$/.exec(lines[0]), renamed = /^\* (\S+) is now (\S+)$/.exec(lines[0]);
  if (entered && !room) log.replaceChildren();
  if (entered) room = entered[1];
  if (renamed && renamed[1] === name) name = renamed[2];
  inside = Boolean(room);
  showState();
  showAll(lines);
}

function connect() {
  socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[^/]*$/, "socket"));
  socket.onopen = () => { delay = 500; socket.send(name); };
  socket.onmessage = (event) => receive(event.data);
  socket.onclose = (event) => {
    inside = inside && event.code !== 1000; // which comes after /quit
    room = undefined;
    showState(inside ? "connection lost, trying again" : "not connected");
    if (inside) setTimeout(connect, delay);
    delay = Math.min(delay * 2, 10000);
  };
}

enter.onsubmit = (event) => {
  event.preventDefault();
  name = byId("name").value.trim();
  if (!name) return;
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(name);
  else if (!socket || socket.readyState === WebSocket.CLOSED) connect();
};

say.onsubmit = (event) => {
  event.preventDefault();
  const text = byId("text");
  if (!room || !text.value.trim()) return;
  socket.send(text.value);
  text.value = "";
};
