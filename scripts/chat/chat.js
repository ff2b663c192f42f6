// The page sends what nc would: a name, then lines. What comes is lines too: "NAME: TEXT", or "* NOTICE".
"use strict";

const byId = (id) => document.getElementById(id);
const log = byId("log"), status = byId("status"), enter = byId("enter"), say = byId("say");
let socket, name, room, delay = 500; // room: none before the server has let us in

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

function showForms() {
  const field = byId(room ? "text" : "name"), changed = say.hidden === Boolean(room);
  enter.hidden = Boolean(room);
  say.hidden = !room;
  status.textContent = room ? name + " in " + room : "not connected";
  if (changed) field.focus();
}

// A room's first message has its history behind it; of all others, the first line is the only one.
function receive(text) {
  const lines = text.split("\n");
  const entered = /^\* you are in (\S+)$/.exec(lines[0]), renamed = /^\* (\S+) is now (\S+)$/.exec(lines[0]);
  if (entered && !room) log.replaceChildren();
  if (entered) room = entered[1];
  if (renamed && renamed[1] === name) name = renamed[2];
  showForms();
  showAll(lines);
}

function connect() {
  socket = new WebSocket(location.href.replace(/^http/, "ws").replace(/[^/]*$/, "socket"));
  socket.onopen = () => { delay = 500; socket.send(name); };
  socket.onmessage = (event) => receive(event.data);
  socket.onclose = (event) => {
    const lost = room && event.code !== 1000; // 1000: after /quit
    room = undefined;
    showForms();
    showAll([lost ? "* the connection is lost, trying again" : "* you are not connected"]);
    if (lost || delay > 500) setTimeout(connect, delay);
    delay = Math.min(delay * 2, 10000);
  };
}
